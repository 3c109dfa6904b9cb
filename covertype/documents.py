"""Documents: small JSON files in one folder, each written once and never changed."""

import json
from dataclasses import dataclass
from typing import Any

from covertype.storage import Store


@dataclass(frozen=True)
class Documents:
    """The documents of one folder, by name; their order is that of their names."""

    folder: Store

    def add(self, name: str, content: Any) -> bool:
        """Write a document, whole or not at all; return False if one of that name exists.

        Raises
        ------
        OSError
            If the store refuses it; the message names the store and the remedy.
        """
        return self.folder.create(_file(name), json.dumps(content, allow_nan=False).encode())

    def names(self) -> list[str]:
        """Return the names of all documents in their order, none without the folder."""
        return sorted(
            file.removesuffix(_ENDING) for file in self.folder.names() if file.endswith(_ENDING)
        )

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
        return json.loads(self.read_text(name))

    def read_text(self, name: str, most_bytes: int = -1) -> bytes:
        """Return the JSON of one document, or its beginning."""
        with self.folder.open(_file(name)) as file:
            return file.read(most_bytes)


_ENDING = ".json"


def _file(name: str) -> str:
    if not name or name.startswith(".") or "/" in name:
        raise ValueError(f"{name!r} is not the name of a document")
    return name + _ENDING
