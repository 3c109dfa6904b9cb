"""Snapshots: immutable copies of the processed rows, so that a whole search sees the same rows.

Snapshots are never removed, because a search may wait or be repeated at any time. They are few: one
is taken when the rows have grown by `RETRAIN_GROWTH`. At the default of a quarter all of them
together take less than five times the newest, which is 7 MB for the whole dataset.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from covertype.atomic import replacing

# Names of a former release have no sequence number; those snapshots are the oldest.
_NAME = re.compile(r"covertype_(?P<rows>\d+)_(?:(?P<sequence>\d+)_)?(?P<digest>[0-9a-f]{12})")


@dataclass(frozen=True)
class Snapshot:
    """A training set that never changes: `name` is its path under the datasets root."""

    name: str
    rows: int
    digest: str


def take(folder: Path, parquet: Path) -> tuple[Path, int, str]:
    """Copy a Parquet file of rows; return the copy, its number of rows and their digest.

    If the newest snapshot already holds the same rows, it is returned instead of a copy.
    """
    content = parquet.read_bytes()
    count = pq.read_metadata(pa.BufferReader(content)).num_rows
    digest = _digest(content)
    newest = max(folder.glob("*.parquet"), key=_order, default=None)
    sequence = _order(newest)[0] if newest else 0
    if newest and newest.stem == _stem(count, sequence, digest):
        return newest, count, digest
    path = folder / f"{_stem(count, sequence + 1, digest)}.parquet"
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path, count, digest


def paths(folder: Path) -> list[Path]:
    """Return all snapshots, the newest last; the order does not depend on the clock."""
    return sorted(folder.glob("*.parquet"), key=_order)


def digest_of(name: str) -> str:
    """Return the beginning of a snapshot's digest, as its name holds it."""
    return Path(name).stem.rsplit("_", 1)[-1]


def _digest(content: bytes) -> str:
    """Return the digest of the data pages; the footer, which lists the files read, is left out."""
    footer = int.from_bytes(content[-8:-4], "little")
    return hashlib.sha256(content[: -8 - footer]).hexdigest()


def _stem(count: int, sequence: int, digest: str) -> str:
    return f"covertype_{count}_{sequence}_{digest[:12]}"


def _order(path: Path) -> tuple[int, int, str]:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return 0, 0, path.name
    return int(match["sequence"] or 0), int(match["rows"]), path.name
