"""From raw files to the rows that training reads."""

import logging
from dataclasses import dataclass

import pandas as pd

from covertype.contract import COLUMNS
from covertype.storage import Datasets
from covertype.validation import REASON, split_valid

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preprocessed:
    """What one preprocessing did, in rows and files."""

    files: int
    read: int
    rejected: int
    duplicates: int
    total: int

    def __str__(self) -> str:
        return (
            f"{self.files} new files with {self.read} rows: {self.rejected} rejected, "
            f"{self.duplicates} known already; {self.total} rows in all"
        )


def preprocess(datasets: Datasets) -> Preprocessed:
    """Read the raw files not read yet, set bad rows aside, merge the others without duplicates.

    Running it again, after a stop at any point, gives the same files.
    """
    names = datasets.unread_names()
    processed = datasets.read_processed()
    parts, read, refused = [processed], 0, 0
    for name in names:
        rows, misshapen = datasets.read_raw(name)
        valid, invalid = split_valid(rows)
        rejected = pd.concat([misshapen, _as_text(invalid)]).sort_index()
        if len(rejected):
            datasets.write_rejected(name, rejected)
            log.warning("%s: %d rows rejected, see rejected/", name, len(rejected))
        parts.append(valid)
        read += len(rows) + len(misshapen)
        refused += len(rejected)
    merged = pd.concat([part for part in parts if len(part)] or [processed], ignore_index=True)
    merged = merged.drop_duplicates(ignore_index=True)
    if names:
        datasets.write_processed(merged, names)
    duplicates = len(processed) + read - refused - len(merged)
    return Preprocessed(len(names), read, refused, duplicates, len(merged))


def _as_text(invalid: pd.DataFrame) -> pd.DataFrame:
    text = invalid[list(COLUMNS)].fillna("").agg(",".join, axis=1) if len(invalid) else ""
    return invalid.assign(text=text)[["text", REASON]]


def grown_enough(rows: int, announced: int | None, growth: float) -> bool:
    """Tell if the training data is worth training on again.

    Parameters
    ----------
    rows, announced : int
        Rows now, and at the last announcement (None before the first).
    growth : float
        The share by which the rows must have grown since then.
    """
    if announced is None:
        return rows > 0
    return rows > announced and rows >= announced * (1 + growth)
