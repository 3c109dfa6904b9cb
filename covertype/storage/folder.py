"""A store in a folder on a disk."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from covertype.atomic import commit, locked, naming_disk, staging, sync_folder
from covertype.storage.store import LOCK_SECONDS, Store


@dataclass(frozen=True)
class Folder:
    """A folder on a disk; see `Store`. It need not exist: the first write makes it."""

    path: Path

    @property
    def url(self) -> str:
        return str(self.path)

    def at(self, folder: str) -> "Folder":
        return Folder(self.path / folder)

    def names(self) -> Iterator[str]:
        for entry in self._entries():
            if not entry.name.startswith(".") and entry.is_file():
                yield entry.name

    def folders(self) -> list[str]:
        return sorted(
            entry.name
            for entry in self._entries()
            if not entry.name.startswith(".") and entry.is_dir()
        )

    def sizes(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for entry in self._entries():
            # Another writer may replace its file meanwhile.
            with suppress(FileNotFoundError):
                found[entry.name] = entry.stat().st_size
        return found

    def exists(self, name: str) -> bool:
        return (self.path / name).exists()

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def open(self, name: str) -> BinaryIO:
        return (self.path / name).open("rb")

    @contextmanager
    def replacing(self, name: str, made_from: str | None = None) -> Iterator[Path]:
        with staging(self.path / name) as temporary:
            yield temporary
            if made_from:
                # The time of its source marks it.
                stamp = self._modified(made_from)
                os.utime(temporary, ns=(stamp, stamp))
            commit(temporary, self.path / name)

    def is_made_from(self, name: str, source: str) -> bool:
        try:
            return self._modified(name) == self._modified(source)
        except FileNotFoundError:
            return False

    def create(self, name: str, content: bytes) -> bool:
        path = self.path / name
        with staging(path) as temporary:
            temporary.write_bytes(content)
            return commit(temporary, path, exclusive=True)

    @contextmanager
    def appending(self, name: str) -> Iterator[BinaryIO]:
        with naming_disk(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            is_new = not self.exists(name)
            with (self.path / name).open("a+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if is_new:
                sync_folder(self.path)

    def move(self, name: str, to: Store) -> None:
        if not isinstance(to, Folder):
            raise TypeError(f"{name} can't be moved from {self.url} to {to.url}")
        commit(self.path / name, to.path / name)

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def remove_unfinished(self, name: str) -> None:
        for left in self.path.glob(f".{name}.*"):
            left.unlink(missing_ok=True)

    def locked(self, name: str, seconds: float = LOCK_SECONDS) -> AbstractContextManager[None]:
        return locked(self.path / name, seconds)

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        with suppress(FileNotFoundError), os.scandir(self.path) as entries:
            yield from entries

    def _modified(self, name: str) -> int:
        return (self.path / name).stat().st_mtime_ns
