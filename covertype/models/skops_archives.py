"""skops archives, read in parts without skops.

An archive is a zip file: `schema.json` describes the object, other members hold its arrays. An
object is stored as

    {"__class__": "Pipeline", "content": {"content": {attribute: object, …}}, …}

a list as `{"content": [object, …]}`, an array as `{"file": member}`, a number as
`{"content": text}`.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SCHEMA = "schema.json"

_LARGEST_SCHEMA = 2**25
_LARGEST_ARRAY = 2**28
"""In bytes. The largest possible tree has a leaf for each row; its nodes take 75 million."""


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; anything wrong in it raises ValueError."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError),
        *(LookupError, TypeError, AttributeError, RuntimeError),
    ) as error:
        raise ValueError(f"{path.name} is damaged: {type(error).__name__} {error}") from error


def read_schema(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Return the schema of an archive.

    Raises
    ------
    ValueError
        If it is too large, or not JSON.
    """
    schema: dict[str, Any] = json.loads(_read(archive, SCHEMA, _LARGEST_SCHEMA))
    return schema


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return the bytes of a member; raises ValueError if there are too many."""
    return _read(archive, name, _LARGEST_ARRAY)


def _read(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    member = archive.getinfo(name)
    if member.file_size > limit:
        raise ValueError(f"{name} claims {member.file_size} bytes; at most {limit} are read")
    with archive.open(member) as file:
        # Without a size, a member could grow past the size that it claims.
        return file.read(member.file_size)


def read_array(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    """Return an array; raises ValueError if it is not one of NumPy's format 1.0, by rows."""
    content = read_member(archive, name)
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{name} is not of NumPy's format 1.0")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if is_fortran:
        raise ValueError(f"{name} is stored by columns")
    # Uses only the bytes that are there, whatever shape the header claims.
    return np.frombuffer(content, dtype, offset=file.tell()).reshape(shape)


def attributes(state: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of an object that skops stored."""
    found: dict[str, Any] = state["content"]["content"]
    return found


def integer(state: dict[str, Any]) -> int:
    """Return a whole number that skops stored."""
    return int(json.loads(state["content"]))


def member_names(state: Any) -> Iterator[str]:
    """Yield the archive members that a part of the schema refers to."""
    if isinstance(state, dict):
        if "file" in state:
            yield state["file"]
        for part in state.values():
            yield from member_names(part)
    elif isinstance(state, list):
        for part in state:
            yield from member_names(part)
