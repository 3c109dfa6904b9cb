"""Live accuracy, stored by the hour."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from mlflow import MlflowClient

from covertype import jobs
from covertype.answers import LiveAccuracy
from covertype.data import Datasets
from covertype.monitoring.live import wilson_interval
from covertype.registry import monitoring_tags
from covertype.registry.monitored import NothingToMonitor
from tests.covertype.data.test_predictions import sent, write_feedback

pytestmark = pytest.mark.filterwarnings("ignore:.*stages:FutureWarning")

RUN_AFTER = datetime(2026, 11, 26, 10, 5, tzinfo=UTC)
TODAY = RUN_AFTER.date()


NAME = "ModelWithFeedback"


@pytest.fixture(autouse=True)
def environment(mlflow_server: str, datasets: Datasets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    monkeypatch.setenv("DATASETS_URL", str(datasets.root))
    for module in ("production", "monitored"):
        monkeypatch.setattr(f"covertype.registry.{module}.MODEL_NAME", NAME)


@pytest.fixture
def production(mlflow_server: str) -> Iterator[str]:
    """The number of a version in Production."""
    client = MlflowClient(mlflow_server)
    client.create_registered_model(NAME)
    run = client.create_run("0").info
    version = client.create_model_version(NAME, f"{run.artifact_uri}/model", run.run_id).version
    client.transition_model_version_stage(NAME, str(version), "Production")
    yield str(version)
    client.delete_registered_model(NAME)


def tagged(mlflow_server: str, version: str) -> LiveAccuracy | None:
    tags = MlflowClient(mlflow_server).get_model_version(NAME, version).tags
    return monitoring_tags.from_tags(LiveAccuracy, version, tags)


def test_the_version_in_production_is_tagged_with_its_live_accuracy_of_the_newest_hour(
    mlflow_server: str, production: str, datasets: Datasets
) -> None:
    right, wrong = (sent("", 4, observed=(production, answer)) for answer in (4, 1))
    write_feedback(datasets, right, right, right, wrong, sent("", 4, observed=("99", 1)), day=TODAY)
    jobs.monitor_feedback(RUN_AFTER)
    assert tagged(mlflow_server, production) == LiveAccuracy(production, 4, 0.75)
    write_feedback(datasets, wrong, wrong, day=TODAY, name="b")
    jobs.monitor_feedback(RUN_AFTER + timedelta(hours=1))
    assert tagged(mlflow_server, production) == LiveAccuracy(production, 6, 0.5)


def test_a_live_accuracy_that_is_too_old_leaves_the_tags(
    mlflow_server: str, production: str, datasets: Datasets
) -> None:
    write_feedback(datasets, sent("", 4, observed=(production, 4)), day=TODAY)
    jobs.monitor_feedback(RUN_AFTER)
    assert tagged(mlflow_server, production)
    with pytest.raises(NothingToMonitor):
        jobs.monitor_feedback(RUN_AFTER + timedelta(days=40))
    assert tagged(mlflow_server, production) is None


def test_live_accuracy_is_stored_by_version_for_the_hour(datasets: Datasets) -> None:
    right, wrong = sent("", 4, observed=("3", 4)), sent("", 4, observed=("3", 1))
    write_feedback(datasets, right, right, wrong, sent("", 0, observed=("4", 0)), day=TODAY)
    assert jobs.monitor_feedback(RUN_AFTER) == "20261126T09"
    (document,) = datasets.monitored_feedback.read().values()
    assert document["hour"] == "2026-11-26T09:00:00+00:00"
    assert document["since"] == "2026-10-27"
    low, high = wilson_interval(2, 3)
    assert document["versions"]["3"] == {
        "rows": 3,
        "correct": 2,
        "accuracy": pytest.approx(2 / 3),
        "low": pytest.approx(low),
        "high": pytest.approx(high),
    }
    assert document["versions"]["4"]["correct"] == 1


def test_an_hour_s_live_accuracy_is_stored_once(datasets: Datasets) -> None:
    write_feedback(datasets, sent("", 4, observed=("3", 4)), day=TODAY)
    jobs.monitor_feedback(RUN_AFTER)
    with pytest.raises(NothingToMonitor, match="from 2026-11-26 09:00 UTC was counted already"):
        jobs.monitor_feedback(RUN_AFTER + timedelta(minutes=50))
    assert jobs.monitor_feedback(RUN_AFTER + timedelta(hours=1)) == "20261126T10"


def test_without_feedback_there_is_no_live_accuracy(datasets: Datasets) -> None:
    with pytest.raises(NothingToMonitor, match="true class of a known prediction since 2026-10-27"):
        jobs.monitor_feedback(RUN_AFTER)
    assert datasets.monitored_feedback.names() == []


def test_feedback_before_the_last_thirty_days_does_not_count(datasets: Datasets) -> None:
    for days, version in ((30, "3"), (31, "2")):
        day = TODAY - timedelta(days=days)
        write_feedback(datasets, sent("", 4, observed=(version, 4)), day=day)
    jobs.monitor_feedback(RUN_AFTER)
    (document,) = datasets.monitored_feedback.read().values()
    assert list(document["versions"]) == ["3"]


def test_feedback_on_predictions_that_are_not_known_gives_no_live_accuracy(
    datasets: Datasets,
) -> None:
    write_feedback(datasets, sent("from-another-service", 4), day=TODAY)
    with pytest.raises(NothingToMonitor, match="true class of a known prediction"):
        jobs.monitor_feedback(RUN_AFTER)
    # Counted once an hour, however little came of it.
    with pytest.raises(NothingToMonitor, match="was counted already"):
        jobs.monitor_feedback(RUN_AFTER)


def test_when_feedback_ends_the_newest_document_says_so(datasets: Datasets) -> None:
    write_feedback(datasets, sent("", 4, observed=("3", 4)), day=TODAY)
    jobs.monitor_feedback(RUN_AFTER)
    with pytest.raises(NothingToMonitor):
        jobs.monitor_feedback(RUN_AFTER + timedelta(days=40))
    assert [one["versions"] != {} for one in datasets.monitored_feedback.read().values()] == [
        True,
        False,
    ]
