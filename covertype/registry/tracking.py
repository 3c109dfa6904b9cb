"""Candidates in MLflow: one finished run each, however often its task is tried."""

import json
import logging
import pickle
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Run
from mlflow.exceptions import MlflowException
from mlflow.models import Model, infer_signature
from mlflow.models.model import ModelInfo
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT
from sklearn.pipeline import Pipeline

from covertype.atomic import replacing
from covertype.contract import QUANTITY_NAMES, TARGET
from covertype.data import Datasets
from covertype.models.artifact import (
    GOLDEN_PROBABILITIES,
    GOLDEN_ROWS,
    MODEL_FILE,
    TRAINING_RANGES,
    class_probabilities,
    load_model,
)
from covertype.models.stored_forests import StoredForest
from covertype.registry import flavor, ranking
from covertype.registry.ranking import Scores
from covertype.training.estimators import build, has_converged, library_of
from covertype.training.evaluation import importances
from covertype.training.figures import draw_confusion, draw_importances
from covertype.training.fitting import Trained, TrainingSet, train_each
from covertype.training.searches import Parameters, Search

log = logging.getLogger(__name__)

_GOLDEN_COUNT = 32
_DESCRIBED_ROWS = 1000
_SEARCH_TAG = "covertype.search"
_SNAPSHOT_TAG = "covertype.snapshot"
_SOURCE = {"mlflow.source.name": "airflow", "mlflow.source.type": "JOB"}
_NOT_THERE = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class Unusable(Exception):
    """A model can't answer: it is lost, damaged or none of ours; another try would not help."""


@dataclass(frozen=True)
class Candidate:
    """One candidate of a search, by its number in it."""

    number: int
    parameters: Parameters


@dataclass(frozen=True)
class Batch:
    """Candidates that one task trains, one after another.

    `search_id` names one execution of the search, and is the same when a task is retried;
    `snapshot` names the training data.
    """

    search: Search
    search_id: str
    snapshot: str
    candidates: Sequence[Candidate]

    @property
    def name(self) -> str:
        names = [self.search.run_name(one.number) for one in self.candidates]
        return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"


def train_batch(batch: Batch, datasets: Datasets) -> list[str]:
    """Train, evaluate and log the candidates of a batch; return their runs' ids.

    A finished run of the same candidate is kept; what an interrupted attempt left is deleted first.
    """
    experiment = mlflow.set_experiment(batch.search.experiment)
    finished = _finished_runs(batch, experiment.experiment_id)
    missing = [one for one in batch.candidates if one.number not in finished]
    tags = {_SEARCH_TAG: batch.search_id, _SNAPSHOT_TAG: batch.snapshot, **_SOURCE}
    if missing:
        data = TrainingSet.from_rows(datasets.read_snapshot(batch.snapshot))
        with _without_advice():
            inputs = _describe(data, batch.snapshot)
            fits = train_each(
                (
                    (build(batch.search, one.parameters), library_of(one.parameters))
                    for one in missing
                ),
                data,
            )
            for one in missing:
                name = batch.search.run_name(one.number)
                with mlflow.start_run(run_name=name, tags=tags) as run:
                    trained = next(fits)
                    _log(run, batch.search, one.parameters, data, inputs, trained)
                finished[one.number] = str(run.info.run_id)
                log.info(
                    "%s %s: accuracy %.4f on %d test rows, trained on %d in %.1f s by %s",
                    *(name, dict(one.parameters), trained.evaluation.metrics["accuracy"]),
                    *(len(data.test), len(data.train), trained.seconds, trained.trained_by),
                )
    return [finished[one.number] for one in batch.candidates]


def _finished_runs(batch: Batch, experiment_id: str) -> dict[int, str]:
    """Return the finished runs of a batch by candidate; delete the others of earlier attempts."""
    numbers = {batch.search.run_name(one.number): one.number for one in batch.candidates}
    query = f"tags.`{_SEARCH_TAG}` = '{batch.search_id}'"
    finished = {}
    for run in MlflowClient().search_runs([experiment_id], query):
        name, run_id = run.info.run_name, run.info.run_id
        if name not in numbers:
            continue
        if run.info.status == "FINISHED":
            log.info("%s is finished from an earlier attempt: run %s", name, run_id)
            finished[numbers[name]] = str(run_id)
        else:
            log.warning("%s: an earlier attempt left run %s unfinished, deleted", name, run_id)
            MlflowClient().delete_run(run_id)
    return finished


def _describe(data: TrainingSet, snapshot: str) -> list[DatasetInput]:
    """Return the parts of a training set as MLflow describes them, by their role in training."""
    digest = Path(snapshot).stem.rsplit("_", 1)[-1]
    inputs = []
    for context, part in (("training", data.train), ("testing", data.test)):
        # The types of the columns are told from some rows: MLflow would look at every cell.
        few = part.observations.head(_DESCRIBED_ROWS).assign(
            **{TARGET.name: part.classes[:_DESCRIBED_ROWS]}
        )
        described = mlflow.data.from_pandas(
            few,
            source=snapshot,
            targets=TARGET.name,
            name="covertype",
            digest=f"{digest}-{context}",
        ).to_dict()
        profile = {"num_rows": len(part), "num_elements": len(part) * len(few.columns)}
        dataset = Dataset(**described | {"profile": json.dumps(profile)})
        inputs.append(DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, context)]))
    return inputs


def _log(
    run: Run,
    search: Search,
    parameters: Parameters,
    data: TrainingSet,
    inputs: Sequence[DatasetInput],
    trained: Trained,
) -> None:
    facts = {
        **parameters,
        "train_rows": len(data.train),
        "test_rows": len(data.test),
        "trained_by": trained.trained_by,
    }
    converged = has_converged(trained.model)
    if converged is not None:
        facts |= {"converged": converged, "iterations": int(max(trained.model[-1].n_iter_))}
    metrics = {**trained.evaluation.metrics, "training_seconds": trained.seconds}
    mlflow.log_params(facts)
    MlflowClient().log_inputs(run.info.run_id, inputs)
    with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor(1) as meanwhile:
        drawn = meanwhile.submit(_draw, trained, Path(made))
        logged = log_model(trained.model, search.model_name, data)
        drawn.result()
        mlflow.log_artifacts(made)
    # After the model: MLflow copies what is there before it to the model, one request a metric.
    mlflow.log_metrics(metrics, model_id=logged.model_id)


def _draw(trained: Trained, folder: Path) -> None:
    """Write the pictures of a model, and the figures that they show."""
    confusion, weights = trained.evaluation.confusion, importances(trained.model)
    draw_confusion(confusion).savefig(folder / "confusion_matrix.png")
    (folder / "confusion_matrix.json").write_text(json.dumps(confusion.tolist()))
    draw_importances(weights).savefig(folder / "importances.png")
    (folder / "importances.json").write_text(json.dumps(weights.to_dict()))


def log_model(model: Pipeline, name: str, data: TrainingSet) -> ModelInfo:
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
    return Model.log(
        None,
        flavor=flavor,
        name=name,
        metadata=metadata,
        model=model,
        signature=infer_signature(golden, model.predict(golden)),
        input_example=golden.head(3),
        # It would load the model that was just written.
        validate_serving_input=False,
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
    """Return the best of some finished runs, as `covertype.registry.ranking` orders them."""
    runs = {run_id: MlflowClient().get_run(run_id) for run_id in run_ids}
    return runs[ranking.best({run_id: _scores(run) for run_id, run in runs.items()})]


def _scores(run: Run) -> Scores:
    return Scores(run.data.metrics["accuracy"], run.data.metrics["log_loss"])


def save_model(run_id: str, path: Path) -> Path:
    """Write a run's model as a pickle, for people; the platform never loads it."""
    model = fetch_model(model_uri(MlflowClient().get_run(run_id)))
    with replacing(path) as temporary, temporary.open("wb") as file:
        # Protocol 5 writes arrays without a copy of them.
        pickle.dump(model, file, protocol=5)
    return path


def fetch_model(uri: str) -> Pipeline:
    """Load the model at an address of MLflow's; nothing of it stays on the disk."""
    with _fetched(uri) as folder:
        return load_model(folder)


def fetch_answers(uri: str, observations: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return what the model at an address answers, probabilities of shape (n, 7).

    A forest is read tree after tree, so that it never stands in memory whole.

    Raises
    ------
    Unusable
        If the model is at fault. What may pass, such as an MLflow that is away, is raised as it is.
    """
    try:
        with _fetched(uri) as folder:
            forest = StoredForest.open(folder / MODEL_FILE)
            if forest is not None:
                return forest.probabilities_of(observations)
            return class_probabilities(load_model(folder), observations)
    except Exception as error:
        if _may_pass(error):
            raise
        raise Unusable(f"{type(error).__name__}: {error}") from error


def _may_pass(error: Exception) -> bool:
    """Tell if a failure is of MLflow, the network, the disk or the memory, not of the model."""
    if isinstance(error, MlflowException):
        # An MLflow that can't be reached is an INTERNAL_ERROR to its client.
        return error.error_code not in _NOT_THERE
    return isinstance(error, OSError | MemoryError)


@contextmanager
def _fetched(uri: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder))


def model_uri(run: Run) -> str:
    """Return the address of the one model that a run logged."""
    outputs: Any = run.outputs
    return f"models:/{outputs.model_outputs[0].model_id}"


def snapshot_of(run_id: str) -> str:
    """Return the name of the training data of a run."""
    tags: dict[str, str] = MlflowClient().get_run(run_id).data.tags
    return tags[_SNAPSHOT_TAG]
