"""The folder of served models: one follower writes it, all workers read it.

    versions/<version>-<run>/   a proven version: `inference.model.kept`
    compiled/                   machine code, which is the same for all models
    current                     the names of the kept folders: the served one, the one before
    registry.json               the result of the last check of the registry

A version's folder appears atomically, and `current` moves to it afterwards.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from covertype.atomic import naming_disk, replacing
from inference.model.cards import RegistryReport, write

_KEPT_VERSIONS = 2


class ModelStore:
    """The models under one folder, which is created if it is missing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.compiled = root / "compiled"
        self._versions = root / "versions"
        self._pointer = root / "current"
        self._report = root / "registry.json"
        self._versions.mkdir(parents=True, exist_ok=True)

    @property
    def current(self) -> str | None:
        """The name of the folder of the served version, None if there is none."""
        return next(iter(self._kept()), None)

    def _kept(self) -> list[str]:
        try:
            return self._pointer.read_text().split()
        except FileNotFoundError:
            return []

    def folder(self, name: str) -> Path:
        """Return the folder of a kept version."""
        return self._versions / name

    @contextmanager
    def incoming(self, name: str) -> Iterator[Path]:
        """Yield an empty folder; on a clean exit it becomes the current version's."""
        for left in self._versions.glob(".incoming-*"):
            shutil.rmtree(left, ignore_errors=True)
        with (
            naming_disk(self._versions),
            tempfile.TemporaryDirectory(
                dir=self._versions, prefix=".incoming-", ignore_cleanup_errors=True
            ) as made,
            # Here as well, because removing the folder frees the space that was short.
            naming_disk(self._versions),
        ):
            part = Path(made) / name
            part.mkdir()
            yield part
            _flush(part)
            if self.folder(name).exists():
                shutil.rmtree(self.folder(name))
            part.rename(self.folder(name))
        self.point_to(name)

    def point_to(self, name: str) -> None:
        """Make a kept version the current one; keep the one before it and remove the others."""
        kept = list(dict.fromkeys((name, *self._kept())))[:_KEPT_VERSIONS]
        with replacing(self._pointer) as temporary:
            temporary.write_text("".join(f"{name}\n" for name in kept))
        for folder in self._versions.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def write_report(self, report: RegistryReport) -> None:
        write(self._report, report)

    def read_report(self) -> RegistryReport | None:
        """Return the result of the last check of the registry, None before the first."""
        try:
            report = msgspec.json.decode(self._report.read_bytes(), type=RegistryReport)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return report.as_of_now()


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
