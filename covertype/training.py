"""Training and evaluation of one candidate on the fixed parts of a training set."""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from covertype.contract import FEATURE_NAMES, QUANTITY_NAMES, TARGET
from covertype.evaluation import Evaluation, evaluate
from covertype.split import in_test_part


@dataclass(frozen=True)
class Part:
    """Observations and their classes: DataFrame of shape (n, 12), ndarray of int of shape (n,)."""

    observations: pd.DataFrame
    classes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class TrainingSet:
    """The two parts of a training set; no observation is in both."""

    train: Part
    test: Part

    @classmethod
    def from_rows(cls, rows: pd.DataFrame) -> "TrainingSet":
        """Split processed rows, columns as in `COLUMNS`.

        Raises
        ------
        ValueError
            If a part is empty or the training part holds fewer than two classes.
        """
        in_test = in_test_part(rows)
        train, test = _part(rows[~in_test]), _part(rows[in_test])
        if not len(test) or len(np.unique(train.classes)) < 2:
            raise ValueError(
                f"{len(rows)} rows are too few to train on: {len(train)} for training, "
                f"{len(test)} for testing; collect more with descargar_datos_api"
            )
        return cls(train, test)


def _part(rows: pd.DataFrame) -> Part:
    # Plain int64, as MLflow's signature has no narrower whole number than 32 bits.
    observations = rows[list(FEATURE_NAMES)].astype(dict.fromkeys(QUANTITY_NAMES, np.int64))
    return Part(observations, rows[TARGET.name].to_numpy(np.int64))


@dataclass(frozen=True)
class Trained:
    """A fitted candidate, what it scored on the test part, and the seconds of its training."""

    model: Pipeline
    evaluation: Evaluation
    seconds: float


def train(model: Pipeline, data: TrainingSet) -> Trained:
    """Fit `model` on the training part and score it on the test part.

    Linear algebra keeps to one thread: candidates are trained side by side, and its threads would
    wait for each other actively. A forest's own threads are not concerned.
    """
    with threadpool_limits(limits=1):
        start = time.perf_counter()
        model.fit(data.train.observations, data.train.classes)
        seconds = time.perf_counter() - start
        evaluation = evaluate(model, data.test.observations, data.test.classes)
    return Trained(model, evaluation, seconds)
