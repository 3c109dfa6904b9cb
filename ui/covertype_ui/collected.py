"""Summaries of the collected data: sums over the files under the datasets root."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from covertype.contract import CLASSES
from covertype.data import Datasets, RawFile
from covertype.rows.violations import OTHER, Violation

_REMEMBERED_SECONDS = 15
_FILES_REMEMBERED = 20_000
REJECTED_SHOWN = 500


@dataclass(frozen=True)
class CollectedFile:
    """One raw file: what its name says, its rows, and how many valid ones are of each class.

    `file` is None if a person put it there by another name than the platform gives.
    """

    name: str
    file: RawFile | None
    rows: int
    classes: tuple[int, ...]


@dataclass(frozen=True)
class Rejections:
    """Rejected rows: how many break each rule, whatever the value, and the last of the rows."""

    total: int
    by_rule: dict[Violation, int]
    last: pd.DataFrame


def collected_files(root: Path | str) -> list[CollectedFile]:
    """Return what every raw file holds, in the order of collection."""
    return [_read(root, name) for name in Datasets(root).raw_names()]


# A raw file never changes.
@st.cache_data(max_entries=_FILES_REMEMBERED, show_spinner=False)
def _read(root: Path | str, name: str) -> CollectedFile:
    rows, rejected = Datasets(root).read_raw(name)
    classes = np.bincount(rows[:, -1], minlength=len(CLASSES))
    return CollectedFile(name, _named(name), len(rows) + len(rejected), tuple(classes.tolist()))


def _named(name: str) -> RawFile | None:
    try:
        return RawFile.from_name(name)
    except ValueError:
        return None


def by_collection(
    files: Sequence[CollectedFile],
) -> tuple[dict[datetime, int], dict[datetime, list[int]]]:
    """Add up rows, and rows of each class, of the files that were collected together.

    Files whose names don't tell when are left out.
    """
    rows: Counter[datetime] = Counter()
    classes: dict[datetime, list[int]] = {}
    for each in files:
        if each.file is None:
            continue
        when = each.file.collected
        rows[when] += each.rows
        former = classes.get(when, [0] * len(CLASSES))
        classes[when] = [count + more for count, more in zip(former, each.classes, strict=True)]
    return dict(rows), classes


@st.cache_data(ttl=_REMEMBERED_SECONDS, show_spinner=False)
def distinct_rows(root: Path | str) -> int:
    """Return how many valid, distinct rows there are to train on."""
    return len(Datasets(root).read_processed())


@st.cache_data(ttl=_REMEMBERED_SECONDS, show_spinner=False)
def rejections(root: Path | str) -> Rejections:
    """Return what was rejected so far."""
    rows = Datasets(root).read_rejected()
    broken = Counter(
        one if one.rule == OTHER else one._replace(value="")
        for violations in rows["violations"]
        for one in violations
    )
    return Rejections(len(rows), dict(broken), rows.tail(REJECTED_SHOWN)[::-1])
