"""Production scored on what it has never seen, on a real MLflow server."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from covertype.answers import NextBatch
from covertype.contract import FEATURE_NAMES, TARGET
from covertype.data import Datasets
from covertype.ingestion.preprocessing import preprocess
from covertype.monitoring.drift import Limits
from covertype.registry import monitored, monitoring_tags
from covertype.registry.monitored import (
    NothingToMonitor,
    last_written_hour,
    monitor_batches,
    monitor_hour,
)
from covertype.registry.production import to_production
from covertype.registry.promotion import register
from covertype.registry.tracking import Batch, Candidate, Unusable, fetch_answers, train_batch
from covertype.rows.codes import to_codes
from covertype.training.searches import FOREST
from inference.telemetry import log_files
from inference.telemetry.columns import feature_columns, time_column
from inference.telemetry.log_files import LogFiles
from tests.covertype.conftest import FAIR

pytestmark = pytest.mark.usefixtures("server")

MOMENT = datetime(2026, 11, 23, 10, 5, tzinfo=UTC)
HOUR = datetime(2026, 11, 26, 9, tzinfo=UTC)
LIMITS = Limits(psi=0.25, share=0.1)
SEEN = 1200


def collect(datasets: Datasets, batch: int, rows: pd.DataFrame, group: int = 1) -> None:
    cells = rows.astype(str).to_numpy().tolist()
    datasets.write_raw(group, batch, MOMENT + timedelta(minutes=5 * batch), cells)


@pytest.fixture(scope="module")
def trained(
    server: None, real_rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Datasets, str]:
    """Datasets of one batch, and the run of a forest that was trained on it."""
    datasets = Datasets(tmp_path_factory.mktemp("trained"))
    collect(datasets, 1, real_rows[:SEEN])
    preprocess(datasets)
    snapshot = datasets.take_snapshot().name
    batch = Batch(FOREST, "monitored", snapshot, [Candidate(0, FAIR)])
    (run_id,) = train_batch(batch, datasets)
    return datasets, run_id


class World:
    """A registry and datasets of a test's own."""

    def __init__(self, name: str, root: Path, run_id: str) -> None:
        self.name, self.datasets, self.run_id = name, Datasets(root), run_id

    def promote(self) -> str:
        version = register(self.run_id)
        to_production(version)
        return version

    def tagged(self, version: str) -> NextBatch | None:
        tags = MlflowClient().get_model_version(self.name, version).tags
        return monitoring_tags.from_tags(NextBatch, version, tags)

    def runs(self) -> list[Run]:
        experiment = MlflowClient().get_experiment_by_name(self.name)
        return MlflowClient().search_runs([experiment.experiment_id]) if experiment else []

    def ask(self, rows: pd.DataFrame, moment: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        """Log answers of the service, each the true class."""
        monkeypatch.setattr(log_files, "datetime", SimpleNamespace(now=lambda _: moment))
        codes = to_codes(rows[list(FEATURE_NAMES)].to_numpy(object).tolist())
        columns = {
            "time": time_column(np.full(len(rows), moment.timestamp())),
            **feature_columns(codes),
            "prediction": pa.array(rows[TARGET.name].to_numpy()),
        }
        log = LogFiles(self.datasets.predictions_of, "writer", 500, "LIMIT")
        log.append(pa.table(columns))


@pytest.fixture
def world(
    trained: tuple[Datasets, str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    for module in ("promotion", "production", "monitored"):
        monkeypatch.setattr(f"covertype.registry.{module}.MODEL_NAME", name)
    monkeypatch.setattr(monitored, "EXPERIMENT", name)
    datasets, run_id = trained
    shutil.copytree(datasets.root, tmp_path / "datasets")
    return World(name, tmp_path / "datasets", run_id)


def test_without_production_there_is_nothing_to_monitor(world: World) -> None:
    with pytest.raises(NothingToMonitor, match="No version is in Production yet"):
        monitor_batches(world.datasets, LIMITS)
    with pytest.raises(NothingToMonitor, match="No version is in Production yet"):
        monitor_hour(world.datasets, HOUR, LIMITS)


def test_training_data_that_is_not_there_is_named(world: World) -> None:
    version = world.promote()
    (name,) = world.datasets.snapshot_names()
    (Path(world.datasets.root) / name).unlink()
    with pytest.raises(NothingToMonitor, match=f"Version {version} .* {name}, which is not among"):
        monitor_batches(world.datasets, LIMITS)


def test_without_new_files_there_is_nothing_to_monitor(world: World) -> None:
    version = world.promote()
    with pytest.raises(NothingToMonitor, match=f"version {version} was not scored on already"):
        monitor_batches(world.datasets, LIMITS)


def test_production_is_scored_on_each_batch_that_it_has_never_seen(
    world: World, real_rows: pd.DataFrame
) -> None:
    version, unseen = world.promote(), real_rows[SEEN:1600]
    # Rows that it was trained on come again.
    collect(world.datasets, 2, real_rows[1000:1600])
    collect(world.datasets, 3, real_rows[1600:])
    names = monitor_batches(world.datasets, LIMITS)
    assert names == [
        f"version_{version:0>6}_batch_000002_files_000001",
        f"version_{version:0>6}_batch_000003_files_000001",
    ]
    documents = world.datasets.monitored_batches.read()
    assert list(documents) == names
    second = documents[names[0]]
    assert (second["rows"], second["read"], second["rejected"]) == (len(unseen), 600, 0)
    assert (second["version"], second["batch"], second["files"]) == (version, 2, 1)
    answers = fetch_answers(f"models:/{world.name}/{version}", unseen[list(FEATURE_NAMES)])
    accuracy = float((answers.argmax(axis=1) == unseen[TARGET.name]).mean())
    assert second["metrics"]["accuracy"] == pytest.approx(accuracy)
    trained_on = MlflowClient().get_run(world.run_id).data.metrics
    assert second["holdout"]["accuracy"] == trained_on["accuracy"]
    assert {shift["column"] for shift in second["shifts"]} == {"", *FEATURE_NAMES, TARGET.name}


def test_an_evaluation_is_a_run_with_scores_shifts_and_a_report(
    world: World, real_rows: pd.DataFrame
) -> None:
    version = world.promote()
    collect(world.datasets, 2, real_rows[SEEN:].query("Elevation > 3000"))
    (name,) = monitor_batches(world.datasets, LIMITS)
    document = world.datasets.monitored_batches.read()[name]
    (run,) = world.runs()
    assert run.info.run_id == document["run_id"]
    assert run.info.experiment_id == document["experiment_id"]
    assert (run.info.run_name, run.info.status) == (name, "FINISHED")
    assert run.data.tags["mlflow.source.name"] == "airflow"
    assert run.data.tags["covertype.version"] == version
    assert run.data.tags["covertype.batch"] == "2"
    assert run.data.tags["covertype.snapshot"] == document["snapshot"]
    assert "psi_Elevation" in run.data.tags["covertype.findings"]
    metrics = run.data.metrics
    assert metrics["rows"] == document["rows"]
    assert metrics["accuracy"] == document["metrics"]["accuracy"]
    assert metrics["holdout_accuracy"] == document["holdout"]["accuracy"]
    assert {"f1_macro", "recall_0_spruce_fir", "psi_Elevation", "tv_Cover_Type"} <= set(metrics)
    (described,) = run.inputs.dataset_inputs
    assert described.tags[0].value == "monitoring"
    assert json.loads(described.dataset.profile)["num_rows"] == document["rows"]
    report = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/report.html")
    assert f"Batch 2 and version {version}" in report


def test_the_version_is_tagged_with_its_figures_on_the_newest_batch_alone(
    world: World, real_rows: pd.DataFrame
) -> None:
    version = world.promote()
    assert world.tagged(version) is None
    for batch, start in ((2, SEEN), (3, 1400)):
        collect(world.datasets, batch, real_rows[start : start + 200])
        (name,) = monitor_batches(world.datasets, LIMITS)
        document = world.datasets.monitored_batches.read()[name]
        accuracy = round(document["metrics"]["accuracy"], 6)
        assert world.tagged(version) == NextBatch(version, batch, document["rows"], accuracy)


def test_files_of_an_older_batch_that_come_late_leave_the_newest_batch_s_figures(
    world: World, real_rows: pd.DataFrame
) -> None:
    version = world.promote()
    collect(world.datasets, 3, real_rows[1400:1600])
    monitor_batches(world.datasets, LIMITS)
    newest = world.tagged(version)
    assert newest is not None
    collect(world.datasets, 2, real_rows[SEEN:1400], group=2)
    monitor_batches(world.datasets, LIMITS)
    assert world.tagged(version) == newest
    # More of the newest batch itself counts.
    collect(world.datasets, 3, real_rows[1600:], group=2)
    monitor_batches(world.datasets, LIMITS)
    grown = world.tagged(version)
    assert grown is not None
    assert (grown.batch, grown.rows > newest.rows) == (3, True)


@pytest.mark.parametrize("dies_at", [0, 1, 2, 3])
def test_a_try_that_died_between_tags_never_mixes_two_batches_and_the_next_finishes(
    dies_at: int, world: World, real_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = world.promote()
    collect(world.datasets, 2, real_rows[SEEN:1300])
    monitor_batches(world.datasets, LIMITS)
    former = world.tagged(version)
    collect(world.datasets, 3, real_rows[1300:1600])
    changes = 0

    def dying(change: Callable[..., None]) -> Callable[..., None]:
        def changed(*args: object) -> None:
            nonlocal changes
            if changes == dies_at:
                raise OSError("killed")
            changes += 1
            change(*args)

        return changed

    with monkeypatch.context() as patch:
        for name in ("set_model_version_tag", "delete_model_version_tag"):
            patch.setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))
        with pytest.raises(OSError, match="killed"):
            monitor_batches(world.datasets, LIMITS)
    assert world.tagged(version) == (None if dies_at else former)
    (name,) = monitor_batches(world.datasets, LIMITS)
    document = world.datasets.monitored_batches.read()[name]
    accuracy = round(document["metrics"]["accuracy"], 6)
    assert world.tagged(version) == NextBatch(version, 3, document["rows"], accuracy)


def test_a_second_try_does_nothing_again(world: World, real_rows: pd.DataFrame) -> None:
    world.promote()
    collect(world.datasets, 2, real_rows[SEEN:1600])
    monitor_batches(world.datasets, LIMITS)
    with pytest.raises(NothingToMonitor):
        monitor_batches(world.datasets, LIMITS)
    assert len(world.runs()) == 1


def test_a_batch_is_scored_again_when_more_of_it_has_arrived(
    world: World, real_rows: pd.DataFrame
) -> None:
    world.promote()
    collect(world.datasets, 2, real_rows[SEEN:1500])
    monitor_batches(world.datasets, LIMITS)
    collect(world.datasets, 2, real_rows[1500:1600], group=2)
    (name,) = monitor_batches(world.datasets, LIMITS)
    documents = world.datasets.monitored_batches.read()
    assert [document["rows"] for document in documents.values()] == [300, 400]
    assert name == list(documents)[-1]


@pytest.mark.parametrize("dies_at", ["log_text", "start_run", "the document"])
def test_a_try_that_died_is_finished_by_the_next_with_one_run(
    dies_at: str, world: World, real_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.promote()
    collect(world.datasets, 2, real_rows[SEEN:1600])

    def die(*_: object, **__: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patch:
        if dies_at == "the document":
            patch.setattr("covertype.documents.Documents.add", die)
        else:
            patch.setattr(mlflow, dies_at, die)
        with pytest.raises(OSError, match="killed"):
            monitor_batches(world.datasets, LIMITS)
    (name,) = monitor_batches(world.datasets, LIMITS)
    (run,) = world.runs()
    assert run.info.status == "FINISHED"
    assert world.datasets.monitored_batches.read()[name]["run_id"] == run.info.run_id


def test_a_batch_without_new_rows_is_looked_at_once_and_not_scored(
    world: World, real_rows: pd.DataFrame
) -> None:
    world.promote()
    collect(world.datasets, 2, real_rows[:SEEN])
    (name,) = monitor_batches(world.datasets, LIMITS)
    document = world.datasets.monitored_batches.read()[name]
    assert document["rows"] == 0
    assert "metrics" not in document
    assert world.runs() == []
    with pytest.raises(NothingToMonitor):
        monitor_batches(world.datasets, LIMITS)


def test_a_production_that_can_t_answer_is_said_to_be_unusable(
    world: World, real_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.promote()
    collect(world.datasets, 2, real_rows[SEEN:1600])
    monkeypatch.setattr("covertype.registry.tracking.fetched", lambda _: 1 / 0)
    with pytest.raises(Unusable):
        monitor_batches(world.datasets, LIMITS)
    assert world.datasets.monitored_batches.names() == []


def test_another_version_is_scored_on_the_same_batch(world: World, real_rows: pd.DataFrame) -> None:
    first = world.promote()
    collect(world.datasets, 2, real_rows[SEEN:1600])
    monitor_batches(world.datasets, LIMITS)
    source = MlflowClient().get_model_version(world.name, first).source
    second = MlflowClient().create_model_version(
        world.name, source, world.run_id, model_id=source.removeprefix("models:/")
    )
    to_production(second.version)
    monitor_batches(world.datasets, LIMITS)
    documents = world.datasets.monitored_batches.read().values()
    assert [document["version"] for document in documents] == [first, second.version]


def test_what_was_asked_in_an_hour_is_compared_with_the_training_data(
    world: World, real_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = world.promote()
    high = real_rows[real_rows["Elevation"] > 3200]
    world.ask(high, HOUR + timedelta(minutes=30), monkeypatch)
    name = monitor_hour(world.datasets, HOUR, LIMITS)
    assert name == "20261126T09"
    document = world.datasets.monitored_hours.read()[name]
    assert (document["version"], document["rows"]) == (version, len(high))
    assert document["hour"] == "2026-11-26T09:00:00+00:00"
    found = {(one["measure"], one["column"]) for one in document["shifts"] if one["finding"]}
    assert {("psi", "Elevation"), ("tv", TARGET.name)} <= found
    (run,) = world.runs()
    assert run.data.tags["covertype.hour"] == name
    assert "accuracy" not in run.data.metrics
    with pytest.raises(NothingToMonitor, match="compared already"):
        monitor_hour(world.datasets, HOUR, LIMITS)


def test_a_few_usual_requests_are_no_drift(
    world: World, real_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.promote()
    world.ask(real_rows[SEEN : SEEN + 15], HOUR, monkeypatch)
    name = monitor_hour(world.datasets, HOUR, LIMITS)
    shifts = world.datasets.monitored_hours.read()[name]["shifts"]
    assert [one for one in shifts if one["finding"]] == []
    assert any(one["value"] > one["limit"] for one in shifts)


def test_an_hour_in_which_nobody_asked_is_nothing_to_monitor(
    world: World, real_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.promote()
    world.ask(real_rows[:5], HOUR - timedelta(minutes=1), monkeypatch)
    with pytest.raises(NothingToMonitor, match="Nobody asked for a prediction from 2026-11-26 09"):
        monitor_hour(world.datasets, HOUR, LIMITS)
    assert world.datasets.monitored_hours.names() == []


@pytest.mark.parametrize(
    ("hour", "minute", "last"), [(10, 4, 8), (10, 5, 9), (10, 59, 9), (0, 30, -1)]
)
def test_an_hour_is_over_some_minutes_after_its_end(hour: int, minute: int, last: int) -> None:
    moment = datetime(2026, 11, 26, hour, minute, 7, tzinfo=UTC)
    midnight = datetime(2026, 11, 26, tzinfo=UTC)
    assert last_written_hour(moment) == midnight + timedelta(hours=last)
