"""Atomic writes, and locks between processes."""

import errno
import fcntl
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WAIT_SECONDS = 300
_PAUSE_SECONDS = 0.02
_MB = 1_000_000
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What file systems without hard links say."""

_FULL_BELOW = 65_536
"""Bytes that a disk may have free although it counts as full."""


class Busy(TimeoutError):
    """Another process holds a lock; the message names the lock's file and the process."""


class DiskUnusable(OSError):
    """A disk is full or read-only; the message names its folder, its room and the remedy."""

    @classmethod
    def of(cls, folder: Path, code: int) -> "DiskUnusable":
        """Return the error of the disk of a folder, for ENOSPC, EDQUOT or EROFS."""
        usage = _usage(folder)
        room = f"{usage.free / _MB:.1f} of {usage.total / _MB:.1f} MB are free"
        what, remedy = {
            errno.ENOSPC: (f"is full ({room})", "free some room there"),
            errno.EDQUOT: (f"gives this user no more room ({room})", "raise the quota"),
            errno.EROFS: ("is read-only", "make it writable"),
        }[code]
        message = f"the disk of {folder} {what}: {remedy}, then try again; what it holds is whole"
        return cls(code, message)


@contextmanager
def naming_disk(folder: Path) -> Iterator[None]:
    """Raise `DiskUnusable` for errors that the disk of a folder causes.

    The system's own message, such as "No space left on device", does not name the disk.
    """
    try:
        yield
    except DiskUnusable:
        raise
    except OSError as error:
        code = error.errno
        if type(error) is OSError and code is None and _usage(folder).free < _FULL_BELOW:
            # NumPy reports only how much of an array it wrote.
            code = errno.ENOSPC
        if code in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise DiskUnusable.of(folder, code) from error
        raise


def _usage(folder: Path) -> "shutil._ntuple_diskusage":
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there)


@contextmanager
def replacing(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """Yield a hidden path beside `path`; on a clean exit it replaces `path` atomically.

    Readers see the former file or the whole new one. On an error the former stays as it was. Until
    it has its place, its owner alone may read it; then `mode` is in force.

    Raises
    ------
    DiskUnusable
        If the disk is full or read-only.
    """
    with staging(path) as temporary:
        yield temporary
        commit(temporary, path, mode)


@contextmanager
def staging(path: Path) -> Iterator[Path]:
    """Yield a hidden path beside `path`, for `commit`; remove it afterwards if it still exists."""
    with naming_disk(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(descriptor)
    temporary = Path(name)
    try:
        # Before the removal, which frees space.
        with naming_disk(path.parent):
            yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def commit(temporary: Path, path: Path, mode: int = 0o644, *, exclusive: bool = False) -> bool:
    """Replace `path` by a written file, so that it survives a power failure.

    Returns
    -------
    bool
        False if it is `exclusive` and `path` exists: then nothing was changed.
    """
    with temporary.open("rb+") as written:
        os.fsync(written.fileno())
    temporary.chmod(mode)
    if exclusive:
        # A rename would replace it.
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with locked(path.parent / ".lock"):
                if path.exists():
                    return False
                temporary.replace(path)
    else:
        temporary.replace(path)
    sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, seconds: float = _WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of the file `path`; the system releases it when the process ends.

    Raises
    ------
    Busy
        If another process holds it for longer than `seconds`.
    DiskUnusable
        If the disk is full or read-only.
    """
    with naming_disk(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without a buffer: a failed write would be repeated on close.
        file = path.open("ab+", buffering=0)
    with file:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Busy(
                        f"{path} has been locked for {seconds:g} s by {path.read_text()}: "
                        "wait until that process is done, or end it"
                    ) from None
                time.sleep(_PAUSE_SECONDS)
        with naming_disk(path.parent):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
