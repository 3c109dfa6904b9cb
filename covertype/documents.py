"""Documents: small JSON files in one folder, each written once and never changed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covertype.atomic import locked, replacing


@dataclass(frozen=True)
class Documents:
    """The documents of one folder, by name; their order is that of their names."""

    folder: Path

    def add(self, name: str, content: Any) -> bool:
        """Write a document, whole or not at all; return False if one of that name exists.

        Raises
        ------
        Busy
            If another process holds the folder's lock for five minutes.
        DiskUnusable
            If the disk is full or read-only.
        """
        with locked(self.folder / ".lock"):
            path = self.path(name)
            if path.exists():
                return False
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
        return True

    def path(self, name: str) -> Path:
        """Return the file of a document."""
        if not name or name.startswith(".") or "/" in name:
            raise ValueError(f"{name!r} is not the name of a document")
        return self.folder / f"{name}.json"

    def names(self) -> list[str]:
        """Return the names of all documents in their order, none without the folder."""
        return sorted(path.stem for path in self.folder.glob("[!.]*.json"))

    def read(self) -> dict[str, Any]:
        """Return all documents by name, in the order of their names."""
        return {name: self.read_one(name) for name in self.names()}

    def read_one(self, name: str) -> Any:
        """Return one document.

        Raises
        ------
        FileNotFoundError
            If there is none of that name.
        """
        return json.loads(self.path(name).read_text(encoding="utf-8"))
