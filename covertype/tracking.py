"""Candidates in MLflow: one finished run each, however often its task is tried."""

import logging
import pickle
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.models import infer_signature
from sklearn.pipeline import Pipeline

from covertype.contract import QUANTITY_NAMES, TARGET
from covertype.estimators import build
from covertype.evaluation import importances
from covertype.figures import draw_confusion, draw_importances
from covertype.models import (
    GOLDEN_PROBABILITIES,
    GOLDEN_ROWS,
    TRAINING_RANGES,
    TRUSTED_TYPES,
    class_probabilities,
    load_model,
)
from covertype.searches import Parameters, Search
from covertype.storage import Datasets, replacing
from covertype.training import Trained, TrainingSet, train

log = logging.getLogger(__name__)

_GOLDEN_COUNT = 32
_SEARCH_TAG = "covertype.search"
_SNAPSHOT_TAG = "covertype.snapshot"
_SOURCE = {"mlflow.source.name": "airflow", "mlflow.source.type": "JOB"}
_REQUIREMENTS = [f"{name}=={version(name)}" for name in ("scikit-learn", "skops", "pandas")]


@dataclass(frozen=True)
class Candidate:
    """One candidate of one carrying out of a search.

    `search_id` names that carrying out, and is the same when a task is tried again; `snapshot`
    names the training data.
    """

    search: Search
    number: int
    parameters: Parameters
    search_id: str
    snapshot: str

    @property
    def run_name(self) -> str:
        return self.search.run_name(self.number)


def train_candidate(candidate: Candidate, datasets: Datasets) -> str:
    """Train, evaluate and log one candidate; return its run's id.

    A finished run of the same candidate is kept; what an unfinished try left is deleted first.
    """
    experiment = mlflow.set_experiment(candidate.search.experiment)
    name = candidate.run_name
    for run in _former_tries(candidate, experiment.experiment_id):
        if run.info.status == "FINISHED":
            log.info("%s is finished from an earlier try: run %s", name, run.info.run_id)
            return str(run.info.run_id)
        log.warning("%s: an earlier try left run %s unfinished, deleted", name, run.info.run_id)
        MlflowClient().delete_run(run.info.run_id)
    data = TrainingSet.from_rows(datasets.read_snapshot(candidate.snapshot))
    tags = {_SEARCH_TAG: candidate.search_id, _SNAPSHOT_TAG: candidate.snapshot, **_SOURCE}
    with mlflow.start_run(run_name=name, tags=tags) as run:
        trained = train(build(candidate.search, candidate.parameters), data)
        with _without_advice():
            _log(candidate, data, trained)
    log.info(
        "%s %s: accuracy %.4f on %d test rows, trained on %d in %.1f s",
        *(name, dict(candidate.parameters), trained.evaluation.metrics["accuracy"]),
        *(len(data.test), len(data.train), trained.seconds),
    )
    return str(run.info.run_id)


def _former_tries(candidate: Candidate, experiment_id: str) -> Sequence[Run]:
    query = (
        f"tags.`{_SEARCH_TAG}` = '{candidate.search_id}' "
        f"and attributes.run_name = '{candidate.run_name}'"
    )
    runs: Sequence[Run] = MlflowClient().search_runs([experiment_id], query)
    return runs


def _log(candidate: Candidate, data: TrainingSet, trained: Trained) -> None:
    mlflow.log_params(
        {**candidate.parameters, "train_rows": len(data.train), "test_rows": len(data.test)}
    )
    mlflow.log_metrics({**trained.evaluation.metrics, "training_seconds": trained.seconds})
    digest = Path(candidate.snapshot).stem.rsplit("_", 1)[-1]
    for context, part in (("training", data.train), ("testing", data.test)):
        dataset = mlflow.data.from_pandas(
            part.observations.assign(**{TARGET.name: part.classes}),
            source=candidate.snapshot,
            targets=TARGET.name,
            name="covertype",
            digest=f"{digest}-{context}",
        )
        mlflow.log_input(dataset, context=context)
    mlflow.log_figure(draw_confusion(trained.evaluation.confusion), "confusion_matrix.png")
    mlflow.log_dict(trained.evaluation.confusion.tolist(), "confusion_matrix.json")
    weights = importances(trained.model)
    mlflow.log_figure(draw_importances(weights), "importances.png")
    mlflow.log_dict(weights.to_dict(), "importances.json")
    log_model(trained.model, candidate.search.model_name, data)


def log_model(model: Pipeline, name: str, data: TrainingSet) -> None:
    """Log a fitted model to the active run, with what is needed to prove a loaded copy right.

    Its metadata hold `golden_rows` (test observations, as lists of 12) with the probabilities
    (lists of 7) that this model answers, and `training_ranges` (lowest and highest by quantity).
    """
    golden = data.test.observations.head(_GOLDEN_COUNT)
    trained_on = data.train.observations
    metadata = {
        GOLDEN_ROWS: golden.to_numpy(object).tolist(),
        GOLDEN_PROBABILITIES: class_probabilities(model, golden).tolist(),
        TRAINING_RANGES: {
            name: [int(trained_on[name].min()), int(trained_on[name].max())]
            for name in QUANTITY_NAMES
        },
    }
    mlflow.sklearn.log_model(
        model,
        name=name,
        signature=infer_signature(golden, model.predict(golden)),
        input_example=golden.head(3),
        serialization_format="skops",
        skops_trusted_types=TRUSTED_TYPES,
        pip_requirements=_REQUIREMENTS,
        metadata=metadata,
    )


@contextmanager
def _without_advice() -> Iterator[None]:
    """Leave out MLflow's advice on what we don't have: missing whole numbers, pip, many sources."""
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*integer column", category=UserWarning)
        warnings.filterwarnings("ignore", message=".*dataset source", category=UserWarning)
        yield


def best_run(run_ids: Sequence[str]) -> Run:
    """Return the most accurate of some runs, the one of smaller log loss on a tie."""
    runs = [MlflowClient().get_run(run_id) for run_id in run_ids]
    return max(runs, key=lambda run: (run.data.metrics["accuracy"], -run.data.metrics["log_loss"]))


def save_model(run: Run, path: Path) -> Path:
    """Write a run's model as a pickle, for people; the platform never loads it."""
    model = fetch_model(model_uri(run))
    with replacing(path) as temporary:
        temporary.write_bytes(pickle.dumps(model))
    return path


def fetch_model(uri: str) -> Pipeline:
    """Load the model at an address of MLflow's; nothing of it stays on the disk."""
    with tempfile.TemporaryDirectory() as folder:
        return load_model(Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder)))


def model_uri(run: Run) -> str:
    """Return the address of the one model that a run logged."""
    outputs: Any = run.outputs
    return f"models:/{outputs.model_outputs[0].model_id}"


def snapshot_of(run_id: str) -> str:
    """Return the name of the training data of a run."""
    tags: dict[str, str] = MlflowClient().get_run(run_id).data.tags
    return tags[_SNAPSHOT_TAG]
