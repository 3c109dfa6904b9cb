"""From raw files to the rows that training reads."""

import logging
from dataclasses import dataclass

import numpy as np

from covertype.data import Datasets, Processed
from covertype.rows.arrow import NO_ROWS
from covertype.rows.codes import Codes

log = logging.getLogger(__name__)

_FILES_AT_ONCE = 50
"""Files merged by one write, to bound the memory."""


@dataclass(frozen=True)
class Preprocessed:
    """The result of one preprocessing, in rows and files."""

    files: int
    read: int
    rejected: int
    duplicates: int
    total: int

    def __str__(self) -> str:
        return (
            f"{self.files} new files with {self.read} rows: {self.rejected} rejected, "
            f"{self.duplicates} duplicates; {self.total} rows in all"
        )


def preprocess(datasets: Datasets) -> Preprocessed:
    """Read the unread raw files, reject invalid rows, and merge the others without duplicates.

    It is idempotent: a run after an interruption at any point gives the same files. Concurrent runs
    wait for each other.

    Raises
    ------
    Busy
        If another run does not end within five minutes.
    Damaged
        If the processed rows can't be read.
    """
    with datasets.processed.locked():
        done = merge_unread(datasets, datasets.processed)
        if done.files:
            datasets.raw.arrivals.forget_former_release()
    return done


def merge_unread(datasets: Datasets, processed: Processed) -> Preprocessed:
    """Merge the raw files that `processed` does not hold yet; the caller holds its lock."""
    processed.remove_half_written()
    before = total = processed.count()
    files = read = rejected = 0
    unread = True
    while unread:
        names, record = datasets.unread(processed, _FILES_AT_ONCE)
        parts = [NO_ROWS]
        for name in names:
            if (found := _read(datasets, name)) is None:
                log.warning("%s is gone; it is skipped", name)
                continue
            valid, rejected_here = found
            parts.append(valid)
            files += 1
            read += len(valid) + rejected_here
            rejected += rejected_here
        if names:
            total = processed.append(np.concatenate(parts), record)
            log.info("%d files read, %d rows in all", files, total)
        unread = len(names) == _FILES_AT_ONCE
    processed.mend_csv()
    return Preprocessed(files, read, rejected, before + read - rejected - total, total)


def _read(datasets: Datasets, name: str) -> tuple[Codes, int] | None:
    """Return a raw file's valid rows and the number of rejected ones; None if it is gone."""
    try:
        valid, rejected = datasets.read_raw(name)
    except FileNotFoundError:
        return None
    datasets.write_rejected(name, rejected)
    if rejected:
        log.warning("%s: %d rows rejected, see rejected/", name, len(rejected))
    return valid, len(rejected)
