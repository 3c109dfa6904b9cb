"""Training and evaluation of one candidate on the fixed parts of a training set."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

from covertype.contract import FEATURE_NAMES, QUANTITY_NAMES, TARGET
from covertype.models.artifact import class_probabilities
from covertype.rows.arrow import from_frame
from covertype.rows.codes import Codes
from covertype.training import acceleration
from covertype.training.evaluation import Evaluation, score
from covertype.training.searches import Library
from covertype.training.split import Purpose, purposes


@dataclass(frozen=True)
class Part:
    """Observations and their classes: DataFrame of shape (n, 12), ndarray of int of shape (n,)."""

    observations: pd.DataFrame
    classes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class TrainingSet:
    """What a candidate is trained on, and what it is selected by; no observation is in both.

    The quantities of the training part are int16, as the encoders then make float32 of them and
    nothing wider. Those of the selection part are int64, as the services ask by and MLflow's
    signature says.
    """

    train: Part
    selection: Part

    @classmethod
    def from_rows(cls, rows: pd.DataFrame) -> "TrainingSet":
        """Split processed rows, columns as in `COLUMNS`.

        Raises
        ------
        ValueError
            If a part is empty or the training part holds fewer than two classes.
        """
        used_for = purposes(rows)
        # Similar rows stay together deep into a tree; adjacent in memory, they are read faster.
        by_likeness = [TARGET.name, QUANTITY_NAMES[0]]
        alike = rows[used_for == Purpose.TRAINING].sort_values(by_likeness, kind="stable")
        train = _part(alike, np.int16)
        selection = _part(rows[used_for == Purpose.SELECTION], np.int64)
        if not len(selection) or len(np.unique(train.classes)) < 2:
            raise ValueError(
                f"{len(rows)} rows are too few to train on: {len(train)} for training, "
                f"{len(selection)} for selection; collect more with descargar_datos_api"
            )
        return cls(train, selection)


def judgement_rows(rows: pd.DataFrame) -> Codes:
    """Return those of processed rows that the promotion gate judges on, shape (n, 13).

    No model is trained on these observations, and nothing is selected by them.
    """
    return from_frame(rows[purposes(rows) == Purpose.JUDGEMENT])


def _part(rows: pd.DataFrame, whole: type[np.integer]) -> Part:
    observations = rows[list(FEATURE_NAMES)].astype(dict.fromkeys(QUANTITY_NAMES, whole))
    return Part(observations, rows[TARGET.name].to_numpy(np.int64))


@dataclass(frozen=True)
class Trained:
    """A fitted candidate, its scores on the selection part, and the seconds of its training.

    `is_warm` tells whether the training started from the candidate before.
    """

    model: Pipeline
    evaluation: Evaluation
    seconds: float
    trained_by: str
    is_warm: bool


def train(model: Pipeline, data: TrainingSet, library: Library = Library.FASTEST) -> Trained:
    """Fit one candidate on the training part and score it on the selection part."""
    return next(train_each([(model, library)], data))


def train_each(
    candidates: Iterable[tuple[Pipeline, Library]], data: TrainingSet
) -> Iterator[Trained]:
    """Fit candidates on the training part one after another, and score each on the selection part.

    Parameters
    ----------
    candidates : iterable of (Pipeline, Library)
        Unfitted; they differ in their last step alone, as each part is encoded once for all. Each
        starts from the one before, if `acceleration.can_start_from` allows it.
    data : TrainingSet

    Yields
    ------
    Trained
        The seconds of the first include the encoding.
    """
    prepared = selection = former = its_library = None
    for model, library in candidates:
        start = time.perf_counter()
        if prepared is None:
            prepared = model[:-1]
            encoded = prepared.fit_transform(data.train.observations)
        is_warm = library is its_library and acceleration.can_start_from(model[-1], former)
        classifier = acceleration.fit(
            *(model[-1], encoded, data.train.classes),
            library=library,
            former=former if is_warm else None,
        )
        seconds = time.perf_counter() - start
        former, its_library = classifier, library
        if selection is None:
            selection = prepared.transform(data.selection.observations)
        evaluation = score(class_probabilities(classifier, selection), data.selection.classes)
        fitted = Pipeline([*prepared.steps, (model.steps[-1][0], classifier)])
        trained_by = acceleration.trainer(classifier, library)
        yield Trained(fitted, evaluation, seconds, trained_by, is_warm)
