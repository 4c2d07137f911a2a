"""Safe file access below a folder that you name and whose contents you do not trust.

The path of the folder itself may contain links. Below it no link is followed at any level, whether a file is read,
written or removed: each level is opened from the one above it, so nothing can be swapped in between (Windows cannot do
this; there each level is checked first). Only regular files are read or written, never pipes or devices, and a file is
opened for writing in place only if it has no second name. Every fault is an OSError whose `strerror` is one short
phrase.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from omg_lib.words import _

LEVEL_BY_LEVEL = shutil.rmtree.avoids_symlink_attacks and os.supports_dir_fd >= {os.open, os.mkdir, os.rename}
FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", os.O_RDONLY)  # O_PATH: search without listing
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What writing says on a full disk, or beyond a quota or the largest file that is allowed."""
CAREFUL = sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"))


@dataclass(frozen=True)
class Place:
    """A file or folder below a named folder (`root`); without parts it is that folder."""

    root: Path
    parts: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: str | Path | Place) -> Place:
        """Return the place of a file that the caller names: its folder may be a link, the file itself must not be."""
        return path if isinstance(path, Place) else cls(Path(path).parent, (Path(path).name,))

    def __truediv__(self, name: str) -> Place:
        return Place(self.root, (*self.parts, name))

    @property
    def name(self) -> str:
        return self.parts[-1] if self.parts else self.root.name

    @property
    def path(self) -> Path:
        """The path to show to people; opening a file by it follows links."""
        return self.root.joinpath(*self.parts)

    @property
    def folder(self) -> Place:
        return Place(self.root, self.parts[:-1])

    def is_file(self) -> bool:
        """Return whether a regular file is there, not reached through a link."""
        return stat.S_ISREG(self._mode())

    def is_folder(self) -> bool:
        """Return whether a folder is there, not reached through a link; the named one may be a link."""
        return stat.S_ISDIR(self._mode()) if self.parts else self.root.is_dir()

    def _mode(self) -> int:
        with contextlib.suppress(OSError, ValueError), opened(self.folder) as here:
            return here.look(self.name).st_mode
        return 0


class Opened:
    """A folder held open: names are looked up in it, even if its path changes meanwhile."""

    def __init__(self, root: Path) -> None:
        check_name(str(root))
        self.path, self.fd = root, os.open(root, FOLDER) if LEVEL_BY_LEVEL else None

    def at(self, name: str) -> str:
        """Return the path argument for a function of `os`, for use with `dir_fd=self.fd`."""
        if not name or name in (os.curdir, os.pardir) or len(Path(name).parts) != 1:
            raise OSError(errno.EINVAL, _("{name!r} is not a file name").format(name=name[:40]))
        check_name(name)
        return name if LEVEL_BY_LEVEL else str(self.path / name)

    def look(self, name: str) -> os.stat_result:
        """Return the status of a name, without following a link. FileNotFoundError if there is nothing."""
        return os.stat(self.at(name), dir_fd=self.fd, follow_symlinks=False)

    def holds(self, name: str) -> bool:
        """Return whether a regular file is there. OSError if something else is."""
        try:
            check_plain(name, self.look(name))
        except FileNotFoundError:
            return False
        return True

    def down(self, name: str) -> None:
        """Descend to the subfolder with this name."""
        mode = self.look(name).st_mode
        if not stat.S_ISDIR(mode):
            what = _("a link, which is not followed") if stat.S_ISLNK(mode) else _("not a folder")
            raise OSError(errno.ENOTDIR, _("{name} is {what}").format(name=name, what=what))
        if LEVEL_BY_LEVEL:
            below = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=self.fd)
            self.close()
            self.fd = below
        self.path /= name

    def open(self, name: str, flags: int) -> int:
        """Return a descriptor of a regular file; with O_CREAT a missing one is created with the umask's mode."""
        if not self.holds(name) and not flags & os.O_CREAT:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        fd = os.open(self.at(name), flags | CAREFUL, 0o666, dir_fd=self.fd)
        try:
            found = os.fstat(fd)
            check_plain(name, found)
            if flags & (os.O_WRONLY | os.O_RDWR) and found.st_nlink > 1:
                raise OSError(errno.EMLINK, _("{name} also has another name (a hard link)").format(name=name))
        except BaseException:
            os.close(fd)
            raise
        return fd

    def listing(self) -> list[str]:
        """Return all names in the folder, sorted."""
        if not LEVEL_BY_LEVEL:
            return sorted(os.listdir(self.path))
        with _listed(os.curdir, self.fd) as fd:
            return sorted(os.listdir(fd))

    def settle(self) -> None:
        """Flush the folder's names to disk before writing anything that relies on them."""
        if LEVEL_BY_LEVEL:  # Windows cannot open folders
            with _listed(os.curdir, self.fd) as fd:
                os.fsync(fd)

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)


@contextlib.contextmanager
def opened(folder: Place) -> Iterator[Opened]:
    """Open a folder level by level from the named one."""
    here = Opened(folder.root)
    try:
        for part in folder.parts:
            here.down(part)
        yield here
    finally:
        here.close()


def check_name(name: str) -> None:
    """Raise OSError for a name that no system takes, where functions of `os` raise ValueError."""
    try:
        taken = b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        taken = False
    if not taken:
        raise OSError(errno.EINVAL, _("{name!r} is not a file name").format(name=name[:40]))


def check_plain(name: str, found: os.stat_result) -> None:
    """Raise OSError for a link, a folder, a pipe, a socket or a device."""
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, _("{name} is a link, which is not followed").format(name=name))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, _("{name} is not a regular file").format(name=name))


# --- files -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def reading(path: str | Path | Place, most: int | None = None) -> Iterator[BinaryIO]:
    """Open a regular file of at most `most` bytes to read."""
    place = Place.of(path)
    with opened(place.folder) as here:
        fd = here.open(place.name, os.O_RDONLY)
    with os.fdopen(fd, "rb") as file:
        if most is not None and os.fstat(fd).st_size > most:
            raise OSError(
                errno.EINVAL, _("{name} is larger than the limit of {most:,} bytes").format(name=place.name, most=most)
            )
        yield file


def check_target(path: str | Path | Place) -> None:
    """Raise OSError if it is already clear that `replacing` cannot write there."""
    place = Place.of(path)
    with opened(place.folder) as here:
        here.holds(place.name)
    if not os.access(place.folder.path, os.W_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


@contextlib.contextmanager
def replacing(path: str | Path | Place) -> Iterator[BinaryIO]:
    """Open a draft to write, which then replaces the regular file, if there is one.

    After a crash at any byte, or on a full disk, the file is either the old one or the new one.
    """
    place = Place.of(path)
    with opened(place.folder) as here:
        here.holds(place.name)
        draft = f".{place.name[:40]}.{secrets.token_hex(8)}.draft"
        try:
            with os.fdopen(here.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(here.at(draft), here.at(place.name), src_dir_fd=here.fd, dst_dir_fd=here.fd)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(here.at(draft), dir_fd=here.fd)
            raise
        here.settle()


def append(path: str | Path | Place, data: bytes, create: bool = False) -> None:
    """Append bytes to a file in one write; if they do not all fit, none of them stay."""
    place = Place.of(path)
    with opened(place.folder) as here:
        fd = here.open(place.name, os.O_WRONLY | os.O_APPEND | (os.O_CREAT if create else 0))
    try:
        written = os.write(fd, data)
        if written < len(data):
            os.ftruncate(fd, os.fstat(fd).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(fd)


# --- folders and names -----------------------------------------------------------------------------------------------


def names(folder: Place) -> list[str]:
    """Return the names in a folder, sorted; [] if there is no such folder."""
    try:
        with opened(folder) as here:
            return here.listing()
    except FileNotFoundError:
        return []


def refuse_links(folder: Place) -> None:
    """Raise OSError if a folder or anything below it is a link: check before a program that follows links writes."""
    with contextlib.suppress(FileNotFoundError), opened(folder.folder) as here:
        if not stat.S_ISDIR(here.look(folder.name).st_mode):
            here.down(folder.name)  # raises for anything but a folder
    for __, entries in walk(folder.path):
        for entry in entries:
            if entry.is_symlink():
                said = _("{name} in {folder} is a link, which is not followed")
                raise OSError(errno.ELOOP, said.format(name=entry.name, folder=folder.name))


def walk(folder: Path) -> Iterator[tuple[Path, list[os.DirEntry[str]]]]:
    """Yield a folder and every folder below it, with its entries. No link is followed, and no entry is entered that you
    remove from the list. Unlike Python 3.11's os.walk it takes folders of any depth.
    """
    todo = [os.fspath(folder)]
    while todo:
        path, entries = todo.pop(), []
        with contextlib.suppress(OSError, ValueError), os.scandir(path) as found:  # ValueError: see `check_name`
            entries = list(found)
        yield Path(path), entries
        todo += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]


def make_folder(place: Place) -> None:
    """Create one folder if it does not exist; its parent must exist."""
    with opened(place.folder) as here:
        with contextlib.suppress(FileExistsError):
            os.mkdir(here.at(place.name), dir_fd=here.fd)
        here.down(place.name)


def rename(place: Place, name: str) -> None:
    """Rename something within its folder; a file that already has the name is replaced."""
    with opened(place.folder) as here:
        os.replace(here.at(place.name), here.at(name), src_dir_fd=here.fd, dst_dir_fd=here.fd)


def remove(place: Place) -> None:
    """Remove a file, a link (not its target), or a folder with its contents; do nothing if there is nothing."""
    with contextlib.suppress(FileNotFoundError), opened(place.folder) as here:
        if not stat.S_ISDIR(here.look(place.name).st_mode):
            os.unlink(here.at(place.name), dir_fd=here.fd)
            return
        if not LEVEL_BY_LEVEL:
            shutil.rmtree(here.at(place.name))
            return
        with _listed(place.name, here.fd) as top:
            _empty(top)
        os.rmdir(place.name, dir_fd=here.fd)


def _empty(top: int) -> None:
    """Remove all that an open folder holds. Folders in its folders are moved up first, so that no depth is too deep."""
    while found := os.listdir(top):
        for name in found:
            if not _is_folder(name, top):
                os.unlink(name, dir_fd=top)
                continue
            with _listed(name, top) as below:
                for inner in os.listdir(below):
                    if _is_folder(inner, below):
                        os.rename(inner, secrets.token_hex(16), src_dir_fd=below, dst_dir_fd=top)
                    else:
                        os.unlink(inner, dir_fd=below)
            os.rmdir(name, dir_fd=top)


def _is_folder(name: str, inside: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=inside, follow_symlinks=False).st_mode)


@contextlib.contextmanager
def _listed(name: str, inside: int | None) -> Iterator[int]:
    """Open a folder in an open one to list it, without following a link."""
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | getattr(os, "O_NOFOLLOW", 0), dir_fd=inside)
    try:
        yield fd
    finally:
        os.close(fd)


def settle(folder: Place) -> None:
    """Flush the names in a folder to disk."""
    with opened(folder) as here:
        here.settle()
