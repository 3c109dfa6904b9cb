"""Snapshots: immutable copies of the processed rows, so that a whole search sees the same rows.

Snapshots are never removed, because a search may wait or be repeated at any time. They are few: one
is taken when the rows have grown by `RETRAIN_GROWTH`. At the default of a quarter all of them
together take less than five times the newest, which is 7 MB for the whole dataset.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from covertype.storage import Store

# Names of a former release have no sequence number; those snapshots are the oldest.
_NAME = re.compile(r"covertype_(?P<rows>\d+)_(?:(?P<sequence>\d+)_)?(?P<digest>[0-9a-f]{12})")

_ENDING = ".parquet"


@dataclass(frozen=True)
class Snapshot:
    """A training set that never changes: `name` is its path under the datasets root."""

    name: str
    rows: int
    digest: str


def take(folder: Store, content: bytes) -> tuple[str, int, str]:
    """Keep a Parquet file of rows; return the snapshot's name, number of rows and their digest.

    If the newest snapshot already holds the same rows, it is returned instead of a new one.
    """
    count = pq.read_metadata(pa.BufferReader(content)).num_rows
    digest = _digest(content)
    newest = (names(folder) or [""])[-1]
    sequence = _order(newest)[0]
    if newest == _name(count, sequence, digest):
        return newest, count, digest
    name = _name(count, sequence + 1, digest)
    folder.create(name, content)
    return name, count, digest


def names(folder: Store) -> list[str]:
    """Return all snapshots, the newest last; the order does not depend on the clock."""
    return sorted((name for name in folder.names() if name.endswith(_ENDING)), key=_order)


def digest_of(name: str) -> str:
    """Return the beginning of a snapshot's digest, as its name holds it."""
    return PurePosixPath(name).stem.rsplit("_", 1)[-1]


def _digest(content: bytes) -> str:
    """Return the digest of the data pages; the footer, which lists the files read, is left out."""
    footer = int.from_bytes(content[-8:-4], "little")
    return hashlib.sha256(content[: -8 - footer]).hexdigest()


def _name(count: int, sequence: int, digest: str) -> str:
    return f"covertype_{count}_{sequence}_{digest[:12]}{_ENDING}"


def _order(name: str) -> tuple[int, int, str]:
    match = _NAME.fullmatch(name.removesuffix(_ENDING))
    if match is None:
        return 0, 0, name
    return int(match["sequence"] or 0), int(match["rows"]), name
