"""Trains candidates and logs them to MLflow. A retried task is idempotent: one run a candidate."""

import json
import logging
import pickle
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import joblib
import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT
from sklearn.pipeline import Pipeline

from covertype.atomic import replacing
from covertype.contract import TARGET
from covertype.data import Datasets, snapshots
from covertype.models.artifact import class_probabilities, load_model
from covertype.models.stored_forests import StoredForest
from covertype.monitoring.retraining import Reason
from covertype.registry import ranking
from covertype.registry.logged import (
    LoggedModel,
    fetched,
    log_model,
    model_uri,
    write_figures,
)
from covertype.registry.ranking import Scores
from covertype.training.estimators import build, has_converged, library_of
from covertype.training.evaluation import importances
from covertype.training.fitting import Part, Trained, TrainingSet, train_each
from covertype.training.searches import Parameters, Search

log = logging.getLogger(__name__)

_DESCRIBED_ROWS = 1000
TRAINED_BY = "trained_by"
_SEARCH_TAG = "covertype.search"
_REASON_TAG = "covertype.started_by"
SNAPSHOT_TAG = "covertype.snapshot"
WARM_START_TAG = "covertype.warm_start"
"""The name of the run whose model the training started from."""
PARAMETERS_TAG = "covertype.parameters"
"""The candidate's parameters as JSON: MLflow's own are text, and stand beside other facts."""

SOURCE = {"mlflow.source.name": "airflow", "mlflow.source.type": "JOB"}
_NOT_THERE = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class Unusable(Exception):
    """A model can't answer: it is lost, damaged or not ours. A retry would not help."""


@dataclass(frozen=True)
class Candidate:
    """One candidate of a search, by its number in it."""

    number: int
    parameters: Parameters


@dataclass(frozen=True)
class Batch:
    """Candidates that one task trains, one after another.

    `search_id` identifies one execution of the search and stays the same when a task is retried.
    `snapshot` is the name of the training data, `reason` why it was announced.
    """

    search: Search
    search_id: str
    snapshot: str
    candidates: Sequence[Candidate]
    reason: str = Reason.REQUEST.value

    @property
    def name(self) -> str:
        names = [self.search.run_name(one.number) for one in self.candidates]
        return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"


def train_batch(batch: Batch, datasets: Datasets) -> list[str]:
    """Train, evaluate and log the candidates of a batch; return their runs' ids.

    A candidate's finished run is kept. Runs that an interrupted attempt left are deleted first.
    """
    experiment = mlflow.set_experiment(batch.search.experiment)
    finished = _finished_runs(batch, experiment.experiment_id)
    missing = [one for one in batch.candidates if one.number not in finished]
    tags = {
        _SEARCH_TAG: batch.search_id,
        SNAPSHOT_TAG: batch.snapshot,
        _REASON_TAG: batch.reason,
        **SOURCE,
    }
    if missing:
        data = TrainingSet.from_rows(datasets.read_snapshot(batch.snapshot))
        with without_advice():
            inputs = _describe(data, batch.snapshot)
            fits = train_each(
                (
                    (build(batch.search, one.parameters), library_of(one.parameters))
                    for one in missing
                ),
                data,
            )
            former = None
            for one in missing:
                name = batch.search.run_name(one.number)
                own = {PARAMETERS_TAG: json.dumps(dict(one.parameters))}
                with mlflow.start_run(run_name=name, tags=tags | own) as run:
                    trained = next(fits)
                    if trained.is_warm:
                        mlflow.set_tag(WARM_START_TAG, former)
                    _log(run, batch.search, one.parameters, data, inputs, trained)
                former = name
                finished[one.number] = str(run.info.run_id)
                log.info(
                    "%s %s: accuracy %.4f on %d rows for selection, trained on %d in %.1f s by %s",
                    *(name, dict(one.parameters), trained.evaluation.metrics["accuracy"]),
                    *(len(data.selection), len(data.train), trained.seconds, trained.trained_by),
                )
    return [finished[one.number] for one in batch.candidates]


def _finished_runs(batch: Batch, experiment_id: str) -> dict[int, str]:
    """Return the finished runs of a batch by candidate; delete its unfinished ones."""
    numbers = {batch.search.run_name(one.number): one.number for one in batch.candidates}
    query = f"tags.`{_SEARCH_TAG}` = '{batch.search_id}'"
    finished = {}
    for run in MlflowClient().search_runs([experiment_id], query):
        name, run_id = run.info.run_name, run.info.run_id
        if name not in numbers:
            continue
        if run.info.status == "FINISHED":
            log.info("%s was finished by an earlier attempt: run %s", name, run_id)
            finished[numbers[name]] = str(run_id)
        else:
            log.warning("%s: an earlier attempt left run %s unfinished, deleted", name, run_id)
            MlflowClient().delete_run(run_id)
    return finished


def _describe(data: TrainingSet, snapshot: str) -> list[DatasetInput]:
    """Describe the training and the selection part for MLflow."""
    digest = snapshots.digest_of(snapshot)
    return [
        describe(part, snapshot, f"{digest}-{context}", context)
        for context, part in (("training", data.train), ("selection", data.selection))
    ]


def describe(part: Part, source: str, digest: str, context: str) -> DatasetInput:
    """Describe rows as the input of a run, for MLflow.

    Parameters
    ----------
    part : Part
    source : str
        Where the rows are, under the datasets root.
    digest : str
        What tells these rows from others, in at most 36 characters.
    context : str
        What the run uses them for.
    """
    # Some rows are enough to know the columns' types; MLflow would inspect every cell.
    few = part.observations.head(_DESCRIBED_ROWS).assign(
        **{TARGET.name: part.classes[:_DESCRIBED_ROWS]}
    )
    described = mlflow.data.from_pandas(
        few, source=source, targets=TARGET.name, name="covertype", digest=digest
    ).to_dict()
    profile = {"num_rows": len(part), "num_elements": len(part) * len(few.columns)}
    dataset = Dataset(**described | {"profile": json.dumps(profile)})
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, context)])


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
        "selection_rows": len(data.selection),
        TRAINED_BY: trained.trained_by,
    }
    converged = has_converged(trained.model)
    if converged is not None:
        facts |= {"converged": converged, "iterations": int(max(trained.model[-1].n_iter_))}
    metrics = {**trained.evaluation.metrics, "training_seconds": trained.seconds}
    mlflow.log_params(facts)
    MlflowClient().log_inputs(run.info.run_id, inputs)
    # The model answers a few rows: its threads would take longer to start than to answer.
    with tempfile.TemporaryDirectory() as made, joblib.parallel_config("sequential"):
        write_figures(Path(made), trained.evaluation.confusion, importances(trained.model))
        mlflow.log_artifacts(made)
        logged = log_model(trained.model, search.model_name, data)
    # Logged after the model: MLflow copies earlier metrics to the model, one request each.
    mlflow.log_metrics(metrics, model_id=logged.model_id)


@contextmanager
def without_advice() -> Iterator[None]:
    """Silence MLflow's warnings that do not apply: missing integers, pip, dataset sources."""
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
    """Write a run's model as a pickle for people to use; the platform never loads it."""
    model = fetch_model(model_uri(MlflowClient().get_run(run_id)))
    with replacing(path) as temporary, temporary.open("wb") as file:
        # Protocol 5 writes arrays without a copy of them.
        pickle.dump(model, file, protocol=5)
    return path


def fetch_model(uri: str) -> Pipeline:
    """Load the model at an MLflow URI; no files stay on the disk."""
    with fetched(uri) as model:
        return load_model(model.folder)


@contextmanager
def usable(uri: str) -> Iterator[LoggedModel]:
    """Fetch the model at an MLflow URI into a temporary folder, to be used within the block.

    Raises
    ------
    Unusable
        If the model is at fault. Transient errors, such as an MLflow that is down, are raised as
        they are.
    """
    try:
        with fetched(uri) as model:
            yield model
    except Exception as error:
        if _is_transient(error):
            raise
        raise Unusable(f"{type(error).__name__}: {error}") from error


def answers_of(model: LoggedModel, observations: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the probabilities that a model answers, shape (n, 7).

    A forest is read tree by tree, so that the whole forest is never in memory.
    """
    forest = StoredForest.open(model.file)
    if forest is not None:
        return forest.probabilities_of(observations)
    return class_probabilities(load_model(model.folder), observations)


def fetch_answers(uri: str, observations: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the probabilities that the model at an MLflow URI answers, shape (n, 7).

    Raises
    ------
    Unusable
        If the model is at fault.
    """
    with usable(uri) as model:
        return answers_of(model, observations)


def _is_transient(error: Exception) -> bool:
    """Tell whether MLflow, the network, the disk or the memory failed, and not the model."""
    if isinstance(error, MlflowException):
        # MLflow's client reports an unreachable server as INTERNAL_ERROR.
        return error.error_code not in _NOT_THERE
    return isinstance(error, OSError | MemoryError)


def snapshot_of(run_id: str) -> str | None:
    """Return the name of the snapshot that a run was trained on; None if it is not ours or gone."""
    try:
        tags: dict[str, str] = MlflowClient().get_run(run_id).data.tags
    except MlflowException as error:
        if _is_transient(error):
            raise
        return None
    return tags.get(SNAPSHOT_TAG)
