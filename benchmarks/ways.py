"""The ways to train that `make bench-training` compares, each run as a process of its own.

Usage: `python -m benchmarks.ways WAY DATASETS SNAPSHOT URI`; prints an `Outcome` as JSON. Every way
reads the same snapshot, has the same parts and logs each candidate to the MLflow server.
"""

import argparse
import json
import logging
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.memory import peak_mb
from covertype.contract import CATEGORY_NAMES, FEATURE_NAMES, QUANTITY_NAMES, TARGET
from covertype.data import Datasets
from covertype.models.artifact import MODEL_FILE, TRUSTED_TYPES
from covertype.models.stored_forests import StoredForest
from covertype.registry.logged import model_uri
from covertype.registry.tracking import Batch, Candidate, train_batch
from covertype.training.encoding import one_hot_encoder
from covertype.training.estimators import SEED
from covertype.training.searches import FOREST, LOGREG, LOGREG_GRID, Parameters, Search
from covertype.training.split import Purpose, purposes

_NODES = "nodes"


@dataclass(frozen=True)
class Fit:
    """One candidate: its scores on the selection part, and the seconds of its training.

    The seconds of a way's first candidate include the encoding. `nodes` are those of all trees.
    """

    parameters: Mapping[str, str]
    seconds: float
    accuracy: float
    f1_macro: float
    converged: bool
    nodes: int


@dataclass(frozen=True)
class Outcome:
    """The cost of a way, from reading the snapshot to the last logged model, and its models."""

    seconds: float
    peak_mb: float
    fits: Sequence[Fit]


class Way(Protocol):
    """One way to train."""

    def run(self, datasets: Datasets, snapshot: str) -> list[str]:
        """Train and log; return the runs' ids."""


class Reading:
    """Trains nothing: the cost of a process that only reads the rows."""

    def run(self, datasets: Datasets, snapshot: str) -> list[str]:
        datasets.read_snapshot(snapshot)
        return []


@dataclass(frozen=True)
class Plain:
    """scikit-learn and MLflow used as their tutorials do.

    `make` returns an unfitted model, `encode` the columns that it sees of the twelve; `threads`
    limits those of linear algebra.
    """

    make: Callable[..., Any]
    candidates: Sequence[Parameters]
    encode: Callable[[pd.DataFrame], pd.DataFrame] = lambda observations: observations
    threads: int | None = None

    def run(self, datasets: Datasets, snapshot: str) -> list[str]:
        rows = datasets.read_snapshot(snapshot)
        classes = rows[TARGET.name].to_numpy(np.int64)
        observations = rows[list(FEATURE_NAMES)].astype(dict.fromkeys(QUANTITY_NAMES, np.int64))
        used_for = purposes(observations)
        train, selection = used_for == Purpose.TRAINING, used_for == Purpose.SELECTION
        start = time.perf_counter()
        encoded = self.encode(observations)
        encoding = time.perf_counter() - start
        runs = []
        for parameters in self.candidates:
            model = self.make(**parameters)
            with mlflow.start_run() as run, threadpool_limits(self.threads):
                start = time.perf_counter()
                model.fit(encoded[train], classes[train])
                seconds = time.perf_counter() - start + encoding
                _log(model, parameters, encoded[selection], classes[selection], seconds)
            encoding = 0.0
            runs.append(str(run.info.run_id))
        return runs


def _log(
    model: Any, parameters: Parameters, observations: pd.DataFrame, classes: Any, seconds: float
) -> None:
    predicted = model.predict(observations)
    classifier = model[-1] if isinstance(model, Pipeline) else model
    facts, trees = dict(parameters), getattr(classifier, "estimators_", [])
    if hasattr(classifier, "n_iter_"):
        facts["converged"] = bool(max(classifier.n_iter_) < classifier.max_iter)
    mlflow.log_params(facts)
    mlflow.log_metrics(
        {
            "accuracy": accuracy_score(classes, predicted),
            "f1_macro": f1_score(classes, predicted, average="macro"),
            "training_seconds": seconds,
            _NODES: sum(tree.tree_.node_count for tree in trees),
        }
    )
    mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(observations, predicted),
        skops_trusted_types=TRUSTED_TYPES,
    )


@dataclass(frozen=True)
class Project:
    """Candidates of a search, by number, trained and logged as the DAGs' tasks do."""

    search: Search
    numbers: Sequence[int]

    def run(self, datasets: Datasets, snapshot: str) -> list[str]:
        runs = []
        for numbers in self.search.batches(self.search.candidates):
            chosen = [
                Candidate(number, self.search.candidates[number])
                for number in numbers
                if number in self.numbers
            ]
            if chosen:
                batch = Batch(self.search, uuid.uuid4().hex, snapshot, chosen)
                runs += train_batch(batch, datasets)
        return runs


def _dummies(observations: pd.DataFrame) -> pd.DataFrame:
    return pd.get_dummies(observations, columns=list(CATEGORY_NAMES))


def _forests(*sizes: tuple[int, int | None]) -> list[Parameters]:
    return [{"n_estimators": trees, "max_depth": depth} for trees, depth in sizes]


def _one_thread_forest(**parameters: Any) -> RandomForestClassifier:
    return RandomForestClassifier(random_state=SEED, **parameters)


def _default_forest(**parameters: Any) -> RandomForestClassifier:
    return RandomForestClassifier(n_jobs=-1, random_state=SEED, **parameters)


def _former_forest(**parameters: Any) -> Pipeline:
    return make_pipeline(one_hot_encoder(), _default_forest(max_features=0.3, **parameters))


def _unscaled_regression(**parameters: Any) -> LogisticRegression:
    return LogisticRegression(max_iter=200, **parameters)


def _former_regression(**parameters: Any) -> Pipeline:
    classifier = LogisticRegression(max_iter=300, **parameters)
    return make_pipeline(one_hot_encoder(), StandardScaler(), classifier)


REFERENCE_FORESTS = _forests((50, 5), (50, 10), (100, 10), (100, 20), (150, 20))
FORMER_FORESTS = _forests((50, 20), (50, None), (100, 10), (100, 20), (100, None))
NEW_FORESTS = range(2, len(FOREST.candidates))

READING = "reading"
WAYS: Mapping[str, Way] = {
    READING: Reading(),
    "reference-forests": Plain(_one_thread_forest, REFERENCE_FORESTS, _dummies),
    "former-forests": Plain(_former_forest, FORMER_FORESTS),
    "new-forests": Project(FOREST, NEW_FORESTS),
    "reference-regressions": Plain(_unscaled_regression, LOGREG.candidates, _dummies),
    "reference-regressions-on-one-thread": Plain(
        _unscaled_regression, LOGREG.candidates, _dummies, threads=1
    ),
    "former-regressions": Plain(_former_regression, LOGREG.candidates, threads=1),
    "forest-search": Project(FOREST, range(len(FOREST.candidates))),
    "new-regressions": Project(LOGREG, range(len(LOGREG.candidates))),
    "regression-grid": Project(LOGREG_GRID, range(len(LOGREG_GRID.candidates))),
    "default-forest": Plain(_default_forest, [{"n_estimators": 100}], _dummies),
    "former-best-forest": Plain(_former_forest, _forests((100, None))),
    **{
        FOREST.run_name(number): Project(FOREST, [number])
        for number in range(len(FOREST.candidates))
    },
}
"""The ways by name; a candidate of the project's forests has the name of its run."""


def _fit(run_id: str) -> Fit:
    run = MlflowClient().get_run(run_id)
    parameters, metrics = run.data.params, run.data.metrics
    nodes = metrics[_NODES] if _NODES in metrics else _stored_nodes(model_uri(run))
    return Fit(
        parameters,
        metrics["training_seconds"],
        metrics["accuracy"],
        metrics["f1_macro"],
        parameters.get("converged") != "False",
        int(nodes),
    )


def _stored_nodes(uri: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
        forest = StoredForest.open(model / MODEL_FILE)
        return sum(forest.node_counts) if forest else 0


def main() -> None:
    """Run one way and print its outcome."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ways", description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("datasets", type=Path)
    parser.add_argument("snapshot")
    parser.add_argument("uri", help="the tracking server")
    given = parser.parse_args()
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    warnings.filterwarnings("ignore", message=".*integer column", category=UserWarning)
    mlflow.set_tracking_uri(given.uri)
    mlflow.set_experiment(given.way)
    start = time.perf_counter()
    runs = WAYS[given.way].run(Datasets(given.datasets), given.snapshot)
    seconds, peak = time.perf_counter() - start, peak_mb()
    print(json.dumps(asdict(Outcome(seconds, peak, [_fit(run) for run in runs]))))


if __name__ == "__main__":
    main()
