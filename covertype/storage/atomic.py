"""Atomic writes, and locks between processes."""

import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WAIT_SECONDS = 300
_PAUSE_SECONDS = 0.02


class Busy(TimeoutError):
    """Another process holds a lock; the message names the lock's file and the process."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a hidden path beside `path`; on a clean exit it takes the place of `path`.

    Readers see the former file or the whole new one. On an error the former stays as it was.
    """
    with staging(path) as temporary:
        yield temporary
        commit(temporary, path)


@contextmanager
def staging(path: Path) -> Iterator[Path]:
    """Yield a hidden path beside `path`, for `commit`; what is left there is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def commit(temporary: Path, path: Path) -> None:
    """Put a written file in the place of `path`, in a way that survives a power failure."""
    with temporary.open("rb+") as written:
        os.fsync(written.fileno())
    temporary.chmod(0o644)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, seconds: float = _WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of the file `path`; the system lets it go when the process ends.

    Raises
    ------
    Busy
        If another process holds it for longer than `seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
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
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
