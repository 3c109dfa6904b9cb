"""What `monitor_data_drift` found, from its documents under the datasets root.

A field with a default may be missing in a document of a former release, or of a batch in which
nothing was new.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import streamlit as st
from msgspec import Struct

from covertype.contract import TARGET
from covertype.data import Datasets
from covertype.documents import Documents

log = logging.getLogger(__name__)

DOCUMENTS_READ = 200
"""The newest of each kind."""
_LARGEST_BYTES = 200_000
"""A document has some ten thousand bytes; what is much larger is none."""
_REMEMBERED_SECONDS = 15

Document = TypeVar("Document", bound=Struct)


class Shift(Struct, frozen=True):
    """How far a column is from the training data; without a column it is of all rows."""

    measure: Literal["psi", "tv", "rejected"]
    column: str
    value: float
    limit: float
    finding: bool


class Histogram(Struct, frozen=True):
    """Rows by bin, then and now; `edges` are the last values of a quantity's bins but the last."""

    edges: list[int]
    reference: list[int]
    window: list[int]

    def __post_init__(self) -> None:
        # A decoder reports a ValueError as an invalid document.
        bins = len(self.edges) + 1 if self.edges else len(self.reference)
        if not len(self.reference) == len(self.window) == bins:
            raise ValueError("bins don't match their edges")

    @property
    def shares(self) -> list[tuple[float, float]]:
        """The shares of rows in each bin, then and now."""
        then, now = max(sum(self.reference), 1), max(sum(self.window), 1)
        return [
            (reference / then, window / now)
            for reference, window in zip(self.reference, self.window, strict=True)
        ]


class Comparison(Struct, frozen=True, kw_only=True):
    """Rows compared with the training data of a version."""

    version: str
    rows: int
    shifts: list[Shift]
    histograms: dict[str, Histogram]
    run_id: str = ""
    experiment_id: str = ""

    @property
    def findings(self) -> list[Shift]:
        """The shifts that matter, the largest first."""
        return sorted((one for one in self.shifts if one.finding), key=lambda one: -one.value)

    @property
    def classes(self) -> Histogram | None:
        return self.histograms.get(TARGET.name)

    def worst(self, count: int) -> list[Shift]:
        """Return the features that are farthest from the training data, the farthest first."""
        features = [one for one in self.shifts if one.measure == "psi"]
        return sorted(features, key=lambda one: -one.value)[:count]


class Batch(Comparison, frozen=True, kw_only=True):
    """Rows of a batch that a version had never seen: its metrics there, and on the holdout.

    `is_next` tells that it was trained on no other row of the batch either.
    """

    batch: int
    is_next: bool = True
    read: int
    rejected: int
    metrics: dict[str, float] = {}
    holdout: dict[str, float] = {}

    @property
    def accuracy(self) -> float | None:
        return self.metrics.get("accuracy")

    @property
    def holdout_accuracy(self) -> float | None:
        return self.holdout.get("accuracy")


class Hour(Comparison, frozen=True, kw_only=True):
    """What was asked in an hour; the classes are the answered ones."""

    hour: datetime


class Live(Struct, frozen=True):
    """How often a version was right by feedback, with the bounds of the 95 % interval."""

    rows: int
    accuracy: float
    low: float
    high: float


class Feedback(Struct, frozen=True):
    """Live accuracy by version, of the feedback since a day."""

    hour: datetime
    since: date
    versions: dict[str, Live]


@dataclass(frozen=True)
class Monitored:
    """The newest documents, the newest last; `unreadable` are the names of damaged ones."""

    batches: Sequence[Batch]
    hours: Sequence[Hour]
    feedback: Feedback | None
    unreadable: Sequence[str]

    @property
    def is_empty(self) -> bool:
        return not (self.batches or self.hours or self.feedback or self.unreadable)

    def batches_of(self, version: str) -> list[Batch]:
        return [one for one in self.batches if one.version == version]


@st.cache_data(ttl=_REMEMBERED_SECONDS, show_spinner=False)
def read_monitored(root: Path | str) -> Monitored:
    """Return what was found so far, without the documents that can't be read.

    Of a batch that was scored more than once with a version, the last time counts.

    Raises
    ------
    OSError
        If the datasets can't be read.
    """
    datasets = Datasets(root)
    of_batches, of_hours = datasets.monitored_batches, datasets.monitored_hours
    of_feedback = datasets.monitored_feedback
    last = _last_of_each(of_batches.names())[-DOCUMENTS_READ:]
    batches, broken_batches = _read_all(of_batches, last, Batch)
    hours, broken_hours = _read_all(of_hours, of_hours.names()[-DOCUMENTS_READ:], Hour)
    feedback, broken_feedback = _read_all(of_feedback, of_feedback.names()[-1:], Feedback)
    return Monitored(
        batches,
        hours,
        feedback[-1] if feedback else None,
        [*broken_batches, *broken_hours, *broken_feedback],
    )


def _last_of_each(names: Sequence[str]) -> list[str]:
    """Return the names of the documents on the most files of each version and batch."""
    return list({name.rpartition("_files_")[0]: name for name in names}.values())


def _read_all(
    documents: Documents, names: Sequence[str], kind: type[Document]
) -> tuple[list[Document], list[str]]:
    """Return what documents hold, and the names of damaged ones."""
    found, broken = [], []
    for name in names:
        try:
            found.append(_read(documents, name, kind))
        except ValueError as error:
            folder = documents.folder.url
            log.warning("The document %s in %s can't be read: %s", name, folder, error)
            broken.append(f"{folder.rpartition('/')[2]}/{name}.json")
    return found, broken


def _read(documents: Documents, name: str, kind: type[Document]) -> Document:
    content = documents.read_text(name, _LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise ValueError(f"it has more than {_LARGEST_BYTES} bytes")
    return msgspec.json.decode(content, type=kind)
