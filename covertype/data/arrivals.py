"""The log of raw files in order of arrival, and the reader's position in it."""

import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import BinaryIO

from covertype.storage import Store

_LOG = "arrivals.txt"
_FORMER_FOLDER, _FORMER_LIST = "processed", "read_files.txt"
_TAIL = 4096


@dataclass(frozen=True)
class Record:
    """How far the log has been read.

    Attributes
    ----------
    offset : int
        Bytes of the log that have been read.
    last : str
        The last line read, with its digest, which identifies this log.
    files : int
        Lines read.
    listed : int, optional
        The value of `files` when the raw folders were last listed whole.
    """

    offset: int = 0
    last: str = ""
    files: int = 0
    listed: int | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Record":
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Arrivals:
    """A log that is appended to. Each line holds a name and a digest of all lines up to it.

    Each name stands there once. A former release kept the names that it had read in a list, in
    the order of reading: a new log starts with them.
    """

    root: Store

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from appending; create the log if it does not exist."""
        with self.root.locked(f".{_LOG}.lock"):
            if not self.root.exists(_LOG):
                self.append(self._former_names())
            yield

    def append(self, names: Iterable[str]) -> None:
        """Append names; the caller holds the lock."""
        with self.root.appending(_LOG) as file:
            file.writelines(_chain(_cut_half_line(file), names))

    def after(self, record: Record, limit: int | None = None) -> tuple[list[str], Record]:
        """Return at most `limit` names after a record, and the record after them.

        If the record belongs to another log, such as a backup, return names from the beginning.
        """
        if not self.root.exists(_LOG):
            return [], Record()
        with self.root.open(_LOG) as file:
            if not _is_of(file, record):
                record = Record()
            file.seek(record.offset)
            # A line without an end is still being written.
            lines = [line for line in islice(file, limit) if line.endswith(b"\n")]
        if not lines:
            return [], record
        end = record.offset + sum(map(len, lines))
        last = os.fsdecode(lines[-1].removesuffix(b"\n"))
        names = [_name(line) for line in lines]
        return names, Record(end, last, record.files + len(lines), record.listed)

    def until(self, record: Record) -> Iterator[str]:
        """Yield the names that a record counts as read, none if it belongs to another log."""
        if self.root.exists(_LOG):
            with self.root.open(_LOG) as file:
                if _is_of(file, record):
                    file.seek(0)
                    yield from map(_name, islice(file, record.files))

    def without(self, names: Iterable[str]) -> set[str]:
        """Return those of `names` that are not in the log."""
        missing = set(names)
        if missing and self.root.exists(_LOG):
            with self.root.open(_LOG) as file:
                missing.difference_update(map(_name, file))
        return missing

    def last_with(self, start: str, end: str) -> str | None:
        """Return the newest name with this prefix and suffix."""
        content = self.root.read(_LOG) if self.root.exists(_LOG) else b""
        ending, found = os.fsencode(end) + b" ", len(content)
        while (found := content.rfind(ending, 0, found)) >= 0:
            line = content[content.rfind(b"\n", 0, found) + 1 : found + len(ending)]
            if line.startswith(os.fsencode(start)):
                return _name(line)
        return None

    def record_of_former_release(self) -> Record:
        """Return the record of a former release, empty if it left no list."""
        lines = list(_chain(b"", self._former_names()))
        if not lines:
            return Record()
        return Record(sum(map(len, lines)), os.fsdecode(lines[-1][:-1]), len(lines))

    def forget_former_release(self) -> None:
        """Remove the former release's list; the record is stored with the rows now."""
        self._former.remove(_FORMER_LIST)

    @property
    def _former(self) -> Store:
        return self.root.at(_FORMER_FOLDER)

    def _former_names(self) -> list[str]:
        if not self._former.exists(_FORMER_LIST):
            return []
        return [os.fsdecode(line) for line in self._former.read(_FORMER_LIST).splitlines()]


def _chain(last: bytes, names: Iterable[str]) -> Iterator[bytes]:
    digest = last.rpartition(b" ")[2]
    for name in names:
        encoded = os.fsencode(name)
        digest = hashlib.sha256(digest + b" " + encoded).hexdigest()[:16].encode()
        yield encoded + b" " + digest + b"\n"


def _name(line: bytes) -> str:
    return os.fsdecode(line.rpartition(b" ")[0])


def _is_of(file: BinaryIO, record: Record) -> bool:
    line = os.fsencode(record.last) + b"\n"
    start = record.offset - len(line)
    if record.offset == 0:
        return True
    if start < 0:
        return False
    file.seek(start)
    return file.read(len(line)) == line


def _cut_half_line(file: BinaryIO) -> bytes:
    """Remove an incomplete last line, which a power failure can leave; return the line before it.

    The file that it named is found when the folders are listed.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _TAIL))
    whole, end, half = file.read().rpartition(b"\n")
    if half:
        file.truncate(size - len(half))
    file.seek(0, io.SEEK_END)
    return whole.rpartition(b"\n")[2] if end else b""
