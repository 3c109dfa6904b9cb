"""Trains a version again from its snapshot, and compares what both answer."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow import MlflowClient
from sklearn.pipeline import Pipeline

from covertype.data import Datasets
from covertype.models.artifact import MODEL_FILE, dump_model
from covertype.registry.logged import LoggedModel
from covertype.registry.production import version_uri
from covertype.registry.promotion import run_of
from covertype.registry.tracking import (
    PARAMETERS_TAG,
    SNAPSHOT_TAG,
    TRAINED_BY,
    answers_of,
    fetch_answers,
)
from covertype.rows.codes import to_frame
from covertype.training.estimators import build, library_of
from covertype.training.fitting import TrainingSet, judgement_rows, train
from covertype.training.searches import FOREST


class NotReproducible(ValueError):
    """The version can't be trained again here; the message says what is missing."""


@dataclass(frozen=True)
class Reproduction:
    """The answers of a version and of its like, trained again, to the same rows.

    `equal` of the `rows` have the same probabilities to the last bit, `same_class` the same class;
    `largest` is the largest difference of a probability. `then` and `now` name the libraries that
    trained them.
    """

    version: str
    rows: int
    equal: int
    same_class: int
    largest: float
    then: str
    now: str

    @property
    def is_exact(self) -> bool:
        return self.equal == self.rows

    def __str__(self) -> str:
        library = self.then if self.then == self.now else f"{self.then} then and {self.now} now"
        return (
            f"Version {self.version}, trained again by {library}: {self.equal} of {self.rows} rows "
            f"have the same probabilities to the last bit, {self.same_class} the same class; the "
            f"largest difference of a probability is {self.largest:.2g}"
        )


def reproduce(version: str, datasets: Datasets) -> Reproduction:
    """Train a version again, and compare the answers to the judgement part of its snapshot.

    Training takes as long and as much memory as it took then.

    Raises
    ------
    NotReproducible
        If the snapshot or the parameters are not known any more.
    """
    run = MlflowClient().get_run(run_of(version))
    snapshot = run.data.tags.get(SNAPSHOT_TAG)
    written = run.data.tags.get(PARAMETERS_TAG)
    if snapshot not in datasets.snapshot_names():
        raise NotReproducible(
            f"Version {version} was trained on {snapshot or 'unknown data'}, which is not among "
            f"the datasets under {datasets.root}"
        )
    if written is None:
        raise NotReproducible(
            f"Version {version} was logged by a release that did not store its parameters"
        )
    parameters = json.loads(written)
    rows = datasets.read_snapshot(snapshot)
    trained = train(build(FOREST, parameters), TrainingSet.from_rows(rows), library_of(parameters))
    observations = to_frame(judgement_rows(rows))
    now = _answers(trained.model, observations)
    then = fetch_answers(version_uri(version), observations)
    differences = np.abs(now - then).max(axis=1)
    return Reproduction(
        version,
        rows=len(observations),
        equal=int((differences == 0).sum()),
        same_class=int((now.argmax(axis=1) == then.argmax(axis=1)).sum()),
        largest=float(differences.max()),
        then=run.data.params.get(TRAINED_BY, "an unknown library"),
        now=trained.trained_by,
    )


def _answers(model: Pipeline, observations: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Let a model answer as a logged one does: the order of a sum decides its last bit."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        dump_model(model, folder / MODEL_FILE)
        return answers_of(LoggedModel(folder), observations)
