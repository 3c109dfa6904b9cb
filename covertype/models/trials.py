"""Trials: what a logged model costs and answers in the form in which it serves.

The promotion gate makes its rules of these figures. They are of this machine and one thread.

A trial flattens a forest into a temporary folder and compiles the code that walks it. That takes
some 2 s for the code, 5 s for a forest of 4.7 million nodes, and 140 MB of disk for it beside the
model; the arrays are gone afterwards, the code when the process ends.
"""

import atexit
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from covertype.contract import CLASSES
from covertype.gate.rules import are_valid
from covertype.models.artifact import MODEL_FILE
from covertype.models.flat_forests import ForestArrays
from covertype.models.predictors import (
    Predictor,
    count_unequal,
    open_forest,
    open_predictor,
    save_arrays,
)
from covertype.rows.codes import WIDTH, Codes, to_frame

Probabilities = npt.NDArray[np.float64]
Seconds = npt.NDArray[np.float64]

_WARM_UP_ROWS = 20
_FEWEST_ROUNDS = 2
_MEASURING_SECONDS = 3.0
"""How long rounds go on. A busy neighbour on the machine rests now and then in that time."""


@dataclass(frozen=True)
class ServingFigures:
    """What a model costs in the form that serves, and whether its answers are sound.

    `seconds_per_row` is the time of one answer to one row, without HTTP. `loaded_bytes` are those
    that every worker holds or maps: a forest's arrays, another model's arrays as they are stored
    without compression. Of the `rows`, `errors` raised an error; `unsound` have probabilities that
    are not finite, are negative or do not add up to 1; `unequal` are not answered as scikit-learn's
    own trees answer them, which is 0 for a model that is not a forest.
    """

    is_forest: bool
    rows: int
    errors: int
    seconds_per_row: float
    loaded_bytes: int
    artifact_bytes: int
    unsound: int
    unequal: int


@dataclass(frozen=True)
class Replay:
    """The answers to former requests, beside those that were given.

    `errors` counts the rows that raised an error, `unsound` those with such probabilities as in
    `ServingFigures`; neither counts as changed. `asked` and `changed` count all rows, and those
    with another class than before, by the class of the former answer. The seconds are the
    median of an answer to one row, 0 if there is none.
    """

    rows: int
    errors: int
    unsound: int
    seconds_per_row: float
    asked: Sequence[int]
    changed: Sequence[int]


@dataclass(frozen=True)
class Contender:
    """A logged model in the form in which it would serve."""

    predictor: Predictor
    folder: Path
    loaded_bytes: int

    def measure(self, rows: Codes) -> ServingFigures:
        """Measure it on real observations, codes of shape (n, 12); a few hundred are enough.

        Whatever else the machine does only ever adds to a time. So a row's time is the shortest of
        many rounds over all rows. The figure is the median over the rows, whose paths differ.

        Raises
        ------
        ValueError
            If there is no row.
        """
        if not len(rows):
            raise ValueError("a model is measured on at least one row")
        with _one_thread():
            _answer_each(self.predictor, rows[:_WARM_UP_ROWS])
            end = time.monotonic() + _MEASURING_SECONDS
            answers, seconds = _answer_each(self.predictor, rows)
            rounds = 1
            while rounds < _FEWEST_ROUNDS or time.monotonic() < end:
                seconds = np.minimum(seconds, _answer_each(self.predictor, rows)[1])
                rounds += 1
        failed = np.isnan(seconds)
        forest = open_forest(self.folder)
        stored = forest.probabilities_of(to_frame(rows)) if forest else answers
        return ServingFigures(
            is_forest=forest is not None,
            rows=len(rows),
            errors=int(failed.sum()),
            seconds_per_row=_median(seconds[~failed]),
            loaded_bytes=self.loaded_bytes,
            artifact_bytes=(self.folder / MODEL_FILE).stat().st_size,
            unsound=int((~are_valid(answers[~failed])).sum()),
            unequal=count_unequal(answers[~failed], stored[~failed]),
        )

    def replay(self, requests: Codes) -> Replay:
        """Answer former requests one by one: 10,000 take a forest 0.2 s, and a Pipeline minutes.

        Parameters
        ----------
        requests : Codes, shape (n, 13)
            Observations, each with the class that was answered.
        """
        former = requests[:, WIDTH].astype(np.int64)
        with _one_thread():
            answers, seconds = _answer_each(
                self.predictor, np.ascontiguousarray(requests[:, :WIDTH])
            )
        failed = np.isnan(seconds)
        unsound = ~are_valid(answers) & ~failed
        sound = ~failed & ~unsound
        return Replay(
            rows=len(requests),
            errors=int(failed.sum()),
            unsound=int(unsound.sum()),
            seconds_per_row=_median(seconds[~failed]),
            asked=_by_class(former),
            changed=_by_class(former[sound][answers[sound].argmax(axis=1) != former[sound]]),
        )


@contextmanager
def on_trial(folder: Path) -> Iterator[Contender]:
    """Open the logged model in a folder in the form in which it serves.

    Raises
    ------
    ValueError
        If the folder holds no model of this platform, or a damaged one.
    """
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        served = scratch / "model"
        served.mkdir()
        (served / MODEL_FILE).symlink_to((folder / MODEL_FILE).resolve())
        save_arrays(served)
        arrays = ForestArrays.open(served)
        predictor = open_predictor(served, _folder_for_code())
        yield Contender(
            predictor, folder, arrays.answering_bytes if arrays else _stored_bytes(folder)
        )


@cache
def _folder_for_code() -> Path:
    """Return the folder of the compiled code, which is made once for a process."""
    folder = Path(tempfile.mkdtemp(prefix="compiled-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _answer_each(predictor: Predictor, rows: Codes) -> tuple[Probabilities, Seconds]:
    """Answer row by row; return the probabilities, shape (n, 7), and the seconds, shape (n,).

    Both are NaN where the predictor raised an error.
    """
    answers = np.full((len(rows), len(CLASSES)), np.nan)
    seconds = np.full(len(rows), np.nan)
    for number in range(len(rows)):
        row = rows[number : number + 1]
        start = time.perf_counter()
        try:
            answers[number] = predictor.answer(row)[0]
        except Exception:  # noqa: S112
            # Whatever it is, the service would answer 500.
            continue
        seconds[number] = time.perf_counter() - start
    return answers, seconds


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep a Pipeline's linear algebra to one thread, as that of a busy service is."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def _median(seconds: Seconds) -> float:
    return float(np.median(seconds)) if len(seconds) else 0.0


def _by_class(classes: npt.NDArray[np.int64]) -> list[int]:
    counts: list[int] = np.bincount(classes, minlength=len(CLASSES)).tolist()
    return counts


def _stored_bytes(folder: Path) -> int:
    with zipfile.ZipFile(folder / MODEL_FILE) as archive:
        return sum(member.file_size for member in archive.infolist())
