"""The right to write in a folder: one run at a time, of this process or another, holds the folder's lock."""

from __future__ import annotations

import contextlib
import errno
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

from omg_lib.config import ConfigError
from omg_lib.system.files import reason
from omg_lib.system.places import Place, check_target, opened
from omg_lib.words import _

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK = ".lock"


class Claim:
    """The right to write in a folder, by a lock on its file `.lock`.

    It ends with `release`, with this object, and with the process, however it ends. If the system or the file system
    has no locks, there is no protection.
    """

    def __init__(self, folder: Place) -> None:
        self._folder = folder
        self._lock: int | None = None
        self._close = weakref.finalize(self, int)  # nothing to close yet

    @property
    def held(self) -> bool:
        return self._lock is not None

    def take(self) -> None:
        """Claim the folder. BlockingIOError if another run holds it; another OSError if it cannot be written."""
        with opened(self._folder) as here:
            lock = here.open(LOCK, os.O_RDWR | os.O_CREAT)
        try:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise
        except OSError:  # a file system without locks
            pass
        self._lock, self._close = lock, weakref.finalize(self, os.close, lock)

    def check(self) -> None:
        """Raise OSError if the claimed folder no longer has its name."""
        try:
            with opened(self._folder) as here:
                same = os.path.samestat(os.fstat(self._lock), here.look(LOCK))
        except FileNotFoundError:
            same = False
        if not same:
            raise OSError(errno.ENOENT, _("the folder was removed, moved or replaced"))

    def release(self) -> None:
        """Release the folder."""
        self._close()
        self._lock = None


@contextlib.contextmanager
def claimed(path: str | Path) -> Iterator[Claim]:
    """Make the folder of `--out` and hold it. ConfigError if it cannot be written, or another run holds it."""
    claim = Claim(Place(Path(path)))
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        claim.take()
        check_target(Path(path) / LOCK)
    except BlockingIOError:
        raise busy("out", path) from None
    except (OSError, ValueError) as error:  # ValueError: a name that no system takes
        claim.release()
        allowed = _("cannot be written ({reason}); allowed is a writable folder").format(reason=reason(error))
        raise ConfigError("out", str(path), allowed) from None
    try:
        yield claim
    finally:
        claim.release()


def busy(name: str, path: str | Path) -> ConfigError:
    """Return the error that another run holds a folder."""
    who = _("another run, in this process or another, is training in this folder")
    return ConfigError(name, str(path), _("{who}; allowed is another folder, or to wait").format(who=who))
