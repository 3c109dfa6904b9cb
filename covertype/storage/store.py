"""The interface of a store, and how its address is read."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

LOCK_SECONDS = 300.0
"""How long a lock is waited for."""

_S3 = "s3"


class Unavailable(OSError):
    """A store can't be reached or used; the message names it, the cause and the remedy."""


class Store(Protocol):
    """A folder of files, on a disk or in S3.

    The names of files are relative to it. Those that begin with a dot are the store's own: they are
    not listed. Reading a file that is not there raises `FileNotFoundError`; all other trouble with
    a disk or a server is an `OSError` whose message names it.
    """

    @property
    def url(self) -> str:
        """Where it is: a path, or `s3://bucket/prefix`."""
        ...

    def at(self, folder: str) -> "Store":
        """Return a folder below this one, which need not exist."""
        ...

    # Reading.

    def names(self) -> Iterator[str]:
        """Yield the names of the files right in this folder, in no order."""
        ...

    def folders(self) -> list[str]:
        """Return the names of the folders right in this one, sorted."""
        ...

    def sizes(self) -> Mapping[str, int]:
        """Return the size in bytes of each file right in this folder, the store's own too."""
        ...

    def exists(self, name: str) -> bool: ...

    def read(self, name: str) -> bytes: ...

    def open(self, name: str) -> BinaryIO:
        """Open a file, to read at any place of it; what replaces it meanwhile is not seen."""
        ...

    # Writing: readers see the former file or the whole new one.

    def replacing(self, name: str, made_from: str | None = None) -> AbstractContextManager[Path]:
        """Yield a path to write to; on a clean exit what it holds replaces the file atomically.

        Parameters
        ----------
        made_from : str, optional
            Another file of this folder, for `is_made_from`.
        """
        ...

    def is_made_from(self, name: str, source: str) -> bool:
        """Return whether a file was made from another one as that is now."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless it exists; return whether this call wrote it.

        Of several processes that create it at once, one does.
        """
        ...

    def appending(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Yield a file, at its end, to read, cut and append; the caller holds a lock."""
        ...

    def move(self, name: str, to: "Store") -> None:
        """Put a file in the place of that of another folder of the same disk or bucket."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; it may be missing."""
        ...

    def remove_unfinished(self, name: str) -> None:
        """Remove what killed writers of a file left; the caller holds the lock of these writers."""
        ...

    # Locks.

    def locked(self, name: str, seconds: float = LOCK_SECONDS) -> AbstractContextManager[None]:
        """Hold a lock among all processes that use this store.

        If the process ends, it is free: at once in a folder, in S3 when its lease has ended.

        Parameters
        ----------
        name : str
            It begins with a dot.

        Raises
        ------
        Busy
            If another process holds it for longer than `seconds`.
        """
        ...


def open_store(url: str | Path) -> Store:
    """Return the store at an address: a folder's path, or `s3://bucket` with or without a prefix.

    The environment holds the keys and the endpoint of S3, under AWS's own names.

    Raises
    ------
    ValueError
        If it is neither.
    """
    text = str(url)
    if not text.startswith(f"{_S3}:") and "://" not in text:
        from covertype.storage.folder import Folder

        return Folder(Path(url))
    parts = urlsplit(text)
    if parts.scheme != _S3 or not parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is neither a folder nor s3://<bucket>[/<prefix>]")
    return _bucket(parts.netloc, parts.path.strip("/"))


@cache
def _bucket(name: str, prefix: str) -> Store:
    # Imported only where it is used; and one client for the process, which keeps its connections.
    from covertype.storage.s3 import Bucket

    return Bucket.from_environment(name, prefix)
