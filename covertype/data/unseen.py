"""Which batches a snapshot lacks and which is its newest, by the raw files that were read for it.

A snapshot holds the record of the raw files that were read for it. Those that arrived later hold
the rows that a model trained on it has never seen.
"""

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from covertype.contract import GROUPS
from covertype.data.arrivals import Record
from covertype.data.processed import read_parts, read_record
from covertype.data.raw import RawFile, RawFiles
from covertype.rows.arrow import NO_ROWS
from covertype.rows.codes import Codes, distinct, find

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UnseenBatch:
    """A batch of the data API, by number, and its raw files, in order of arrival.

    `is_next` tells that the snapshot holds no file of it: a model trained on the snapshot knows
    nothing of this batch.
    """

    number: int
    sources: tuple[str, ...]
    is_next: bool = True


@dataclass(frozen=True)
class UnseenRows:
    """Rows that a snapshot does not hold.

    Attributes
    ----------
    rows : Codes, shape (n, 13)
        The valid rows, each once.
    read : int
        All rows of the raw files: those that the snapshot holds, duplicates and invalid ones too.
    rejected : int
        The invalid rows among those read.
    """

    rows: Codes
    read: int
    rejected: int

    @property
    def rejected_share(self) -> float:
        return self.rejected / self.read if self.read else 0.0


def batches_after(raw: RawFiles, snapshot: str) -> list[UnseenBatch]:
    """Return the batches that arrived after a snapshot, in order of arrival.

    Files that were copied in by hand under a name without a batch number belong to none.
    """
    record = read_record(raw.root, snapshot) or Record()
    held = {number for name in raw.arrivals.until(record) if (number := _batch(name)) is not None}
    names, _ = raw.arrivals.after(record)
    sources: dict[int, list[str]] = {}
    for name in names:
        if (number := _batch(name)) is not None:
            sources.setdefault(number, []).append(name)
    return [
        UnseenBatch(number, tuple(files), is_next=number not in held)
        for number, files in sources.items()
    ]


def read(raw: RawFiles, snapshot: str, batch: UnseenBatch) -> UnseenRows:
    """Return the rows of a batch that a snapshot does not hold."""
    rows, count, rejected = _read_files(raw, batch.sources)
    known = np.zeros(len(rows), bool)
    for part in read_parts(raw.root, snapshot):
        known[find(part, rows)] = True
    return UnseenRows(rows[~known], count, rejected)


def read_newest_batch(raw: RawFiles, snapshot: str) -> Codes:
    """Return the valid rows of the newest batch that a snapshot holds, each once."""
    record = read_record(raw.root, snapshot) or Record()
    # One collection has a file of each group; a group may be behind the others.
    last = deque(raw.arrivals.until(record), maxlen=len(GROUPS))
    numbers = [number for number in map(_batch, last) if number is not None]
    if not numbers:
        return NO_ROWS
    newest = max(numbers)
    names = [name for name in raw.arrivals.until(record) if _batch(name) == newest]
    return _read_files(raw, names)[0]


def collected_period(raw: RawFiles, snapshot: str) -> tuple[datetime, datetime] | None:
    """Return when the first and the last raw file of a snapshot were collected, None if unknown."""
    times = [
        collected
        for name in raw.arrivals.until(read_record(raw.root, snapshot) or Record())
        if (collected := _collected(name)) is not None
    ]
    return (min(times), max(times)) if times else None


def _read_files(raw: RawFiles, names: Iterable[str]) -> tuple[Codes, int, int]:
    """Return the distinct valid rows of raw files, how many rows they have, and how many invalid.

    Duplicates are dropped file by file, so that the memory is that of the distinct rows.
    """
    rows, count, invalid = NO_ROWS, 0, 0
    for name in names:
        try:
            valid, rejected = raw.read(name)
        except FileNotFoundError:
            log.warning("%s is gone; it is skipped", name)
            continue
        rows = distinct(np.concatenate((rows, valid)))
        count += len(valid) + len(rejected)
        invalid += len(rejected)
    return rows, count, invalid


def _batch(name: str) -> int | None:
    parsed = _parsed(name)
    return None if parsed is None else parsed.batch


def _collected(name: str) -> datetime | None:
    parsed = _parsed(name)
    return None if parsed is None else parsed.collected


def _parsed(name: str) -> RawFile | None:
    try:
        return RawFile.from_name(name)
    except ValueError:
        return None
