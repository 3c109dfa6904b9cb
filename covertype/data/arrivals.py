"""The log of raw files in order of arrival, and the reader's position in it."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from covertype.atomic import locked, naming_disk, sync_folder

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
    """An append-only file. Each line holds a name and a digest of all lines up to it.

    Each name stands there once. A former release kept the names that it had read in `former`, in
    the order of reading: a new log starts with them.
    """

    path: Path
    former: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from appending; create the log if it does not exist."""
        with locked(self.path.with_name(f".{self.path.name}.lock")):
            if not self.path.exists():
                self.append(self._former_names())
                sync_folder(self.path.parent)
            yield

    def append(self, names: Iterable[str]) -> None:
        """Append names; the caller holds the lock."""
        with naming_disk(self.path.parent), self.path.open("a+b") as file:
            file.writelines(_chain(_cut_half_line(file.fileno()), names))
            file.flush()
            os.fsync(file.fileno())

    def after(self, record: Record, limit: int | None = None) -> tuple[list[str], Record]:
        """Return at most `limit` names after a record, and the record after them.

        If the record belongs to another log, such as a backup, return names from the beginning.
        """
        if not self.path.exists():
            return [], Record()
        with self.path.open("rb") as file:
            if not _is_of(file.fileno(), record):
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
        if self.path.exists():
            with self.path.open("rb") as file:
                if _is_of(file.fileno(), record):
                    yield from map(_name, islice(file, record.files))

    def without(self, names: Iterable[str]) -> set[str]:
        """Return those of `names` that are not in the log."""
        missing = set(names)
        if missing and self.path.exists():
            with self.path.open("rb") as file:
                missing.difference_update(map(_name, file))
        return missing

    def last_with(self, start: str, end: str) -> str | None:
        """Return the newest name with this prefix and suffix."""
        content = self.path.read_bytes() if self.path.exists() else b""
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
        self.former.unlink(missing_ok=True)

    def _former_names(self) -> list[str]:
        if not self.former.exists():
            return []
        return [os.fsdecode(line) for line in self.former.read_bytes().splitlines()]


def _chain(last: bytes, names: Iterable[str]) -> Iterator[bytes]:
    digest = last.rpartition(b" ")[2]
    for name in names:
        encoded = os.fsencode(name)
        digest = hashlib.sha256(digest + b" " + encoded).hexdigest()[:16].encode()
        yield encoded + b" " + digest + b"\n"


def _name(line: bytes) -> str:
    return os.fsdecode(line.rpartition(b" ")[0])


def _is_of(descriptor: int, record: Record) -> bool:
    line = os.fsencode(record.last) + b"\n"
    start = record.offset - len(line)
    return record.offset == 0 or (start >= 0 and os.pread(descriptor, len(line), start) == line)


def _cut_half_line(descriptor: int) -> bytes:
    """Remove an incomplete last line, which a power failure can leave; return the line before it.

    The file that it named is found when the folders are listed.
    """
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _TAIL, max(0, size - _TAIL))
    whole, end, half = tail.rpartition(b"\n")
    if half:
        os.ftruncate(descriptor, size - len(half))
    return whole.rpartition(b"\n")[2] if end else b""
