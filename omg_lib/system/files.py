"""Files are data: JSON, CSV and safetensors, checked before use, and written whole or not at all.

Input can come from anywhere. So a file must be a regular file (see `places`), its size and header are checked before
anything is allocated, and a tensor is accepted only with the name, dtype and shape that the reader asked for, without
NaN or infinity. Every fault is an OSError or a ValueError with one short phrase as its text.

Tensors use the format of the safetensors library but not the library: it maps files into memory, and a file that is
truncated while mapped kills the process.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from omg_lib.errors import ConfigError, printable
from omg_lib.system.places import Place, reading, replacing
from omg_lib.words import _

JSON_BYTES = 4 * 2**20
DEEPEST = 40
"""Most levels of a JSON file; ours have less than ten."""
TABLE_BYTES = 64 * 2**20
HEADER_BYTES = 2**20
DTYPES = {"F32": "float32", "F64": "float64", "I64": "int64", "U8": "uint8", "BOOL": "bool"}
"""safetensors' name of a dtype -> numpy's name; other dtypes are not read."""
Layout = dict[str, tuple[str, tuple[int, ...]]]
"""Name of a tensor -> its numpy dtype name and its shape."""
FORMULA = re.compile(r"(^|[;\t\r\n])(?=\s*[=+\-@＝＋－＠]|[\t\r\n])")
"""Where a spreadsheet starts a formula: at the start of a cell, and in many countries also after a semicolon."""
File = str | Path | Place
"""A path is a file that the caller names; a place is below a folder that the caller names."""


# --- reading ---------------------------------------------------------------------------------------------------------


def read_bytes(path: File, most: int) -> bytes:
    """Read a file of at most `most` bytes."""
    with reading(path, most) as file:
        data = file.read(most + 1)
    if len(data) > most:  # it has grown
        raise ValueError(
            _("{name} is larger than the limit of {most:,} bytes").format(name=Place.of(path).name, most=most)
        )
    return data


def read_text(path: File, most: int = JSON_BYTES) -> str:
    """Read the UTF-8 text of a file of at most `most` bytes."""
    return read_bytes(path, most).decode()


def read_json(path: File, most: int = JSON_BYTES) -> dict[str, Any]:
    """Read the object in a JSON file of at most `most` bytes; see `parse_json`."""
    return parse_json(read_text(path, most))


def parse_json(text: str) -> dict[str, Any]:
    """Parse a JSON object. Its numbers must be finite and, if whole, fit into 64 bits; no name may be there twice."""
    try:
        values = json.loads(
            text, parse_constant=_number, parse_float=_number, parse_int=_whole, object_pairs_hook=_once
        )
    except RecursionError:
        values = None
    if values is None or deeper(values, DEEPEST):  # so nothing that walks through it runs out of stack
        raise ValueError(_("it is nested too deeply"))
    if not isinstance(values, dict):
        raise ValueError(_("not a JSON object"))
    return values


def deeper(x: object, most: int) -> bool:
    """Return whether plain data is nested more than `most` levels deep."""
    level = [x]
    for __ in range(most):
        level = [part for one in level if isinstance(one, (dict, list))
                 for part in (one.values() if isinstance(one, dict) else one)]  # fmt: skip
    return bool(level)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((name, __),) = Counter(name for name, __ in pairs).most_common(1)
        raise ValueError(_("{name} is there twice").format(name=name[:40]))
    return found


def _number(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(_("the number {text} is not finite").format(text=text[:20]))
    return value


def _whole(text: str) -> int:
    if len(text) > 19 or abs(value := int(text)) >= 2**63:
        raise ValueError(_("the whole number {text}... is too large").format(text=text[:20]))
    return value


def read_rows(path: File) -> list[dict[str, str]]:
    """Read the rows of a CSV file with a header line; each row has a cell for every name."""
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path, TABLE_BYTES), newline=""), strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from None
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise ValueError(_("row {number} does not have one cell per name").format(number=number))
    return rows


def read_table(path: File) -> list[dict[str, str]]:
    """Read the rows of a recorded CSV table; see `read_rows`. ConfigError if it cannot be read."""
    try:
        return read_rows(path)
    except (OSError, ValueError) as error:
        allowed = _("is not a readable table ({reason}); allowed is a CSV file").format(reason=reason(error)[:80])
        raise ConfigError("path", str(path), allowed) from None


class TensorFile:
    """An open safetensors file. Its header is read and checked against its size; its tensors are not read yet.

    `layout` keeps unknown dtypes under the names in the file.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self.name, self.size = file, name, os.fstat(file.fileno()).st_size
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(HEADER_BYTES, self.size - 8):
            raise ValueError(
                _("{name} is truncated, or its header is longer than {most:,} bytes").format(
                    name=name, most=HEADER_BYTES
                )
            )
        header = parse_json(file.read(length).decode())
        self.metadata = {key: str(value) for key, value in header.pop("__metadata__", {}).items()}
        self.layout: Layout = {}
        self._spans = {}
        for key, entry in header.items():
            shape = tuple(count(size) for size in listed(entry["shape"], 8))
            self.layout[key] = DTYPES.get(entry["dtype"], short_text(entry["dtype"])), shape
            self._spans[key] = tuple(8 + length + count(byte) for byte in listed(entry["data_offsets"], 2))
        spans = sorted(self._spans.values())
        ends = [(0, 8 + length), *spans, (self.size, self.size)]
        if any(len(span) != 2 or before[1] != span[0] for before, span in pairwise(ends)):
            raise ValueError(_("{name} is truncated, or its tensors are not contiguous").format(name=name))
        for key in self.layout:  # so a file that has the wanted layout has its size too, before anything reads it whole
            self._check_size(key)

    def arrays(self, wanted: Layout) -> dict[str, np.ndarray]:
        """Read the tensors, which must be exactly these, all finite."""
        check_layout(self.layout, wanted)
        return {key: self._array(key, *wanted[key]) for key in wanted}

    def _check_size(self, key: str) -> None:
        (dtype, shape), (start, end) = self.layout[key], self._spans[key]
        if dtype in DTYPES.values() and math.prod(shape) * np.dtype(dtype).itemsize != end - start:
            raise ValueError(
                _("{key} has {size} bytes, too few or too many for {dtype} {shape}").format(
                    key=key[:60], size=end - start, dtype=dtype, shape=list(shape)
                )
            )

    def _array(self, key: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        start, end = self._spans[key]
        x = np.empty(shape, dtype)
        self._file.seek(start)
        if self._file.readinto(x.reshape(-1).view(np.uint8)) < end - start:
            raise ValueError(_("{name} is truncated").format(name=self.name))
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            raise ValueError(_("{key} contain NaN or infinity").format(key=key))
        if x.dtype.kind == "b" and x.size and x.view(np.uint8).max() > 1:
            raise ValueError(_("{key} contains bytes that are neither true nor false").format(key=key))
        return x


@contextlib.contextmanager
def open_tensors(path: File) -> Iterator[TensorFile]:
    """Open a safetensors file to read. ValueError if it is not one."""
    with reading(path) as file:
        try:
            found = TensorFile(file, Place.of(path).name)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                _("the header of {name} is damaged ({reason})").format(name=Place.of(path).name, reason=reason(error))
            ) from None
        yield found


def check_layout(found: Layout, wanted: Layout) -> None:
    """Raise ValueError naming the first tensor that is missing, unexpected, or of another dtype or shape."""
    for key in sorted(found.keys() ^ wanted.keys()):
        said = _("{key} is missing") if key in wanted else _("{key} is unexpected")
        raise ValueError(said.format(key=key[:60]))
    for key, (dtype, shape) in wanted.items():
        if found[key] != (dtype, shape):
            raise ValueError(
                _("{key} is {dtype} {shape}, expected is {right} {wanted}").format(
                    key=key, dtype=found[key][0], shape=list(found[key][1]), right=dtype, wanted=list(shape)
                )
            )


def sha256(path: File, most: int | None = None) -> str:
    """Return the checksum of a file of at most `most` bytes, read piece by piece."""
    with reading(path, most) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def reason(error: Exception) -> str:
    """Return in a few words why a file could not be read or written."""
    said = str(getattr(error, "strerror", None) or error) or type(error).__name__
    return " ".join(printable(said).split())[:120]


# --- plain data ------------------------------------------------------------------------------------------------------


def shown(value: object) -> str:
    """Format a value for use in a sentence."""
    said = str(value)
    return said if len(said) <= 40 else said[:20] + "..." + said[-17:]


def count(value: object) -> int:
    """Check a whole number, 0 or more."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(_("{value} is not a count").format(value=shown(value)))
    return value


def finite(value: object) -> float:
    """Check a finite number."""
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(_("{value} is not a finite number").format(value=shown(value)))
    return float(value)


def share(value: object) -> float:
    """Check a number from 0 to 1."""
    if not 0 <= (number := finite(value)) <= 1:
        raise ValueError(_("{number} is not between 0 and 1").format(number=number))
    return number


def flag(value: object) -> bool:
    """Check a boolean."""
    if type(value) is not bool:
        raise ValueError(_("{value} is neither true nor false").format(value=shown(value)))
    return value


def short_text(value: object) -> str:
    """Check a short text that can be printed on any terminal."""
    if not isinstance(value, str) or len(value) > 200 or not value.isprintable():
        raise ValueError(_("{value} is not a name").format(value=shown(value)))
    return value


def listed(value: object, most: int) -> list[Any]:
    """Check a list of at most `most` values."""
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(_("{value} is not a list of at most {most} values").format(value=shown(value), most=most))
    return value


# --- writing ---------------------------------------------------------------------------------------------------------


def write_text(path: File, text: str) -> None:
    """Write a UTF-8 text file without changing line ends. OSError if that fails."""
    write_bytes(path, text.encode())


def write_bytes(path: File, data: bytes) -> None:
    """Write a file. OSError if that fails."""
    with replacing(path) as file:
        file.write(data)


def write_rows(path: File, rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Write a CSV file with a header line, and no formula in it: see `defused`. OSError if that fails."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns)
    writer.writerow({name: no_formula(name) for name in columns})
    for row in rows:
        writer.writerow({name: no_formula(value) if isinstance(value, str) else value for name, value in row.items()})
    write_text(path, out.getvalue())


def defused(text: str) -> str:
    """Return a text unchanged, but with a ' before anything that a spreadsheet would take for a formula."""
    return FORMULA.sub(r"\1'", text)


def no_formula(text: str) -> str:
    """Return the text of a cell unchanged if it is a number, such as -0.5, else without a formula."""
    try:
        float(text)
    except ValueError:
        return defused(text)
    return text


def write_tensors(path: File, arrays: Mapping[str, np.ndarray], metadata: dict[str, str] | None = None) -> str:
    """Write a safetensors file piece by piece and return its checksum. OSError if that fails."""
    codes = {name: code for code, name in DTYPES.items()}
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for key, x in arrays.items():
        start, end = end, end + x.nbytes
        header[key] = {"dtype": codes[x.dtype.name], "shape": x.shape, "data_offsets": (start, end)}
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    digest = hashlib.sha256()
    with replacing(path) as file:
        for part in (len(head).to_bytes(8, "little"), head, *(_bytes(x) for x in arrays.values())):
            file.write(part)
            digest.update(part)
    return digest.hexdigest()


def _bytes(x: np.ndarray) -> np.ndarray:
    """Return the bytes of an array, without a copy if it is contiguous."""
    return np.ascontiguousarray(x).reshape(-1).view(np.uint8)
