"""Files are data: JSON and safetensors, checked before they are used, and written whole or not at all.

What is read may come from anywhere. So a file must be a plain one (no device, no pipe), its size and its header are
looked at before anything is allocated, and a tensor is taken only with the name, dtype and shape that the reader asked
for, without NaN or infinity. Every fault is an OSError or a ValueError whose text is one short phrase.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

JSON_BYTES = 4 * 2**20
HEADER_BYTES = 2**20
DTYPES = {"F32": "float32", "F64": "float64", "I64": "int64", "U8": "uint8", "BOOL": "bool"}
"""What a safetensors header calls a dtype -> numpy's name; others are not read here."""
Layout = dict[str, tuple[str, tuple[int, ...]]]
"""Name of a tensor -> numpy's name of its dtype, and its shape."""


# --- reading ---------------------------------------------------------------------------------------------------------


def open_plain(path: Path) -> BinaryIO:
    """A plain file opened for reading; ValueError for a folder, a pipe or a device."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError(f"{path.name} is no plain file")
    return os.fdopen(handle, "rb")


def read_text(path: Path, most: int = JSON_BYTES) -> str:
    """The UTF-8 text of a file of at most so many bytes."""
    with open_plain(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"{path.name} has more than the {most:,} bytes that are read")
    return data.decode()


def read_json(path: Path) -> dict[str, Any]:
    """The object of a JSON file whose numbers are finite and, if whole, fit into 64 bits."""
    try:
        values = json.loads(read_text(path), parse_constant=_number, parse_float=_number, parse_int=_whole)
    except RecursionError:
        raise ValueError(f"{path.name} is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")
    return values


def _number(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"the number {text[:20]} is not finite")
    return value


def _whole(text: str) -> int:
    if len(text) > 19 or abs(value := int(text)) >= 2**63:
        raise ValueError(f"the whole number {text[:20]}... is too large")
    return value


@dataclass(frozen=True)
class Header:
    """What a safetensors file says that it holds; `layout` keeps dtypes that are not read here as they are written."""

    layout: Layout
    metadata: dict[str, str]


def read_header(path: Path) -> Header:
    """The names, dtypes and shapes in a safetensors file; no tensor is read."""
    with open_plain(path) as file:
        size, start = os.fstat(file.fileno()).st_size, file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(HEADER_BYTES, size - 8):
        raise ValueError(f"{path.name} is cut off, or its header is longer than {HEADER_BYTES:,} bytes")
    with _opened(path) as file:
        slices = {key: file.get_slice(key) for key in file.keys()}
        layout = {key: (DTYPES.get(x.get_dtype(), x.get_dtype()), tuple(x.get_shape())) for key, x in slices.items()}
        return Header(layout, file.metadata() or {})


def read_tensors(path: Path, wanted: Layout) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file that must hold these and no others, all of them finite."""
    check_layout(read_header(path).layout, wanted)
    with _opened(path) as file:
        arrays = {key: file.get_tensor(key) for key in wanted}
    for key, x in arrays.items():
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            raise ValueError(f"{key} hold NaN or infinity")
        if x.dtype.kind == "b" and x.size and x.view(np.uint8).max() > 1:
            raise ValueError(f"{key} holds bytes that are neither true nor false")
    return arrays


def check_layout(found: Layout, wanted: Layout) -> None:
    """ValueError that names the first tensor which is missing, not wanted, or of another dtype or shape."""
    for key in sorted(found.keys() ^ wanted.keys()):
        raise ValueError(f"{key[:60]} is {'missing' if key in wanted else 'not expected here'}")
    for key, (dtype, shape) in wanted.items():
        if found[key] != (dtype, shape):
            raise ValueError(f"{key} is {found[key][0]} {list(found[key][1])}, wanted is {dtype} {list(shape)}")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, "np") as file:
            yield file
    except SafetensorError as error:
        raise ValueError(f"{path.name}: {error}") from None


def sha256(path: Path) -> str:
    """The checksum of a plain file, read piece by piece."""
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def reason(error: Exception) -> str:
    """Why a file could not be read or written, in a few words."""
    said = str(getattr(error, "strerror", None) or error) or type(error).__name__
    return " ".join(said.split())[:120]


# --- plain data ------------------------------------------------------------------------------------------------------


def shown(value: object) -> str:
    """A value as it may stand in a sentence."""
    said = str(value)
    return said if len(said) <= 40 else said[:20] + "..." + said[-17:]


def count(value: object) -> int:
    """A whole number, 0 or more."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{shown(value)} is no count")
    return value


def finite(value: object) -> float:
    """A finite number."""
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{shown(value)} is no finite number")
    return float(value)


def share(value: object) -> float:
    """A number from 0 to 1."""
    if not 0 <= (number := finite(value)) <= 1:
        raise ValueError(f"{number} is not between 0 and 1")
    return number


def flag(value: object) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise ValueError(f"{shown(value)} is neither true nor false")
    return value


def short_text(value: object) -> str:
    """A short text."""
    if not isinstance(value, str) or len(value) > 200:
        raise ValueError(f"{shown(value)} is no name")
    return value


def listed(value: object, most: int) -> list[Any]:
    """A list of at most so many."""
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"{shown(value)} is no list of at most {most}")
    return value


# --- writing ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A draft to write, which then takes the place of `path`: after a crash at any byte, or on a full disk, the file is
    the old one or the new one.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        yield draft
        settle(draft)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    settle(path.parent)


def settle(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk before anything that relies on them is written."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file as it is, no line end changed. OSError if that fails."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file. OSError if that fails."""
    with replacing(path) as draft:
        draft.write_bytes(data)


def write_tensors(path: Path, arrays: Mapping[str, np.ndarray], metadata: dict[str, str] | None = None) -> str:
    """Write a safetensors file; its checksum. OSError if that fails."""
    with replacing(path) as draft:
        try:
            save_file({key: np.asarray(x, order="C") for key, x in arrays.items()}, draft, metadata)
        except SafetensorError as error:
            raise OSError(str(error).removeprefix("Error while serializing: I/O error: ")) from None
        return sha256(draft)
