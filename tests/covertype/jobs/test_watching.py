"""Watching a new version: what it saw since its promotion, and when Production goes back."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from covertype import jobs
from covertype.data import Datasets
from covertype.history import History, Kind, State
from covertype.jobs import watching
from covertype.jobs.services import NoMetrics
from covertype.jobs.watching import NothingToWatch
from covertype.registry import manual
from tests.covertype.data.test_predictions import sent, write_feedback
from tests.covertype.jobs.test_services import serving_metrics

WHO = "watch_new_version"
START = datetime.now(UTC)
RIGHT, WRONG = (("3", 4), 4), (("3", 4), 1)


@pytest.fixture
def rolled_back(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The calls that would put Production back; `tests/inference/follower` makes real ones."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(manual, "roll_back", lambda history, *call: calls.append(call))
    return calls


@pytest.fixture(autouse=True)
def environment(
    datasets: Datasets, rolled_back: list[Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.setenv("DATASETS_URL", str(datasets.root))
    # MLflow is in tests/inference/follower.
    monkeypatch.setattr(watching, "settled_production", lambda history: None)
    monkeypatch.setattr(watching, "_was_no_better", lambda former, accuracy: False)
    monkeypatch.setenv("ROLLBACK_ACCURACY", "0.7")
    monkeypatch.setenv("ROLLBACK_ERROR_RATE", "0.1")
    with serving_metrics({("3", "answered"): 1000}) as address:
        monkeypatch.setenv("INFERENCE_URL", address)
        yield


def promote(history: History, version: str, former: str | None, kind: Kind = Kind.PROMOTED) -> None:
    history.end(history.add(kind, version, former), State.DONE)


def send(datasets: Datasets, *truths: tuple[tuple[str, int], int], minutes: float = 0) -> None:
    at = {"time": datetime.now(UTC) + timedelta(minutes=minutes)}
    rows = [sent("", truth, observed=observed) | at for observed, truth in truths]
    write_feedback(datasets, *rows, day=at["time"].date(), name=f"{minutes}")


def test_a_version_that_is_surely_wrong_too_often_goes_out_with_its_figures(
    datasets: Datasets, rolled_back: list[Any]
) -> None:
    promote(datasets.history, "3", "2")
    send(datasets, *[WRONG] * 36, *[RIGHT] * 4)
    assert jobs.watch_new_version(WHO, START) == "2"
    facts = {"trouble": "live_accuracy", "share": "0.100000", "of": "40", "limit": "0.7"}
    why = "version 3 was new: its live accuracy is 0.1000 on 40 true classes, surely below 0.7"
    assert rolled_back == [("2", WHO, why, "3", facts)]


def test_a_version_that_fails_too_often_goes_out(
    datasets: Datasets, rolled_back: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(datasets.history, "3", "2")
    counts = {("3", "answered"): 80, ("3", "failed"): 20, ("2", "failed"): 5000}
    with serving_metrics(counts) as address:
        monkeypatch.setenv("INFERENCE_URL", address)
        assert jobs.watch_new_version(WHO, START) == "2"
    assert [call[-1]["trouble"] for call in rolled_back] == ["error_rate"]


def test_a_retry_of_the_run_that_went_back_waits_for_the_services_again(
    datasets: Datasets, rolled_back: list[Any]
) -> None:
    promote(datasets.history, "3", "2")
    datasets.history.end(datasets.history.add(Kind.ROLLED_BACK, "2", "3", who=WHO), State.DONE)
    assert jobs.watch_new_version(WHO, START) == "2"
    with pytest.raises(NothingToWatch, match="No version in Production is new"):
        jobs.watch_new_version(WHO, datetime.now(UTC) + timedelta(minutes=5))
    assert rolled_back == []


def test_a_version_stays_if_the_one_before_it_was_no_better(
    datasets: Datasets, rolled_back: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(datasets.history, "3", "2")
    send(datasets, *[WRONG] * 36, *[RIGHT] * 4)
    monkeypatch.setattr(watching, "_was_no_better", lambda former, accuracy: former == "2")
    with pytest.raises(NothingToWatch, match="Version 3 stays, as version 2 was no better"):
        jobs.watch_new_version(WHO, START)
    assert rolled_back == []


def test_a_change_that_somebody_made_meanwhile_is_left_alone(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise manual.ProductionChanged("Version 3 is not in Production any more, but 5")

    promote(datasets.history, "3", "2")
    send(datasets, *[WRONG] * 40)
    monkeypatch.setattr(manual, "roll_back", refuse)
    with pytest.raises(NothingToWatch, match="Version 3 is not in Production any more, but 5"):
        jobs.watch_new_version(WHO, START)


def test_an_error_rate_that_no_replica_tells_is_no_good_news(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(datasets.history, "3", "2")
    monkeypatch.setenv("INFERENCE_URL", "http://127.0.0.1:9")
    with pytest.raises(NoMetrics, match="No replica behind http://127"):
        jobs.watch_new_version(WHO, START)
    # Without that limit nobody asks.
    monkeypatch.setenv("ROLLBACK_ERROR_RATE", "0")
    with pytest.raises(NothingToWatch, match="within the limits"):
        jobs.watch_new_version(WHO, START)


def test_true_classes_from_before_the_promotion_or_of_other_versions_do_not_count(
    datasets: Datasets, rolled_back: list[Any]
) -> None:
    promote(datasets.history, "3", "2")
    send(datasets, *[WRONG] * 50, minutes=-30)
    send(datasets, *[(("2", 4), 1)] * 50)
    with pytest.raises(NothingToWatch, match="Version 3 is within the limits"):
        jobs.watch_new_version(WHO, START)
    assert rolled_back == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([], "No version in Production is new"),
        ([("1", None, Kind.PROMOTED)], "No version in Production is new"),
        ([("3", "2", Kind.PROMOTED), ("2", "3", Kind.ROLLED_BACK)], "No version in Production"),
        ([("3", "2", Kind.FOUND)], "No version in Production is new"),
        (
            [("3", "2", Kind.PROMOTED), ("2", "3", Kind.ROLLED_BACK), ("3", "2", Kind.PROMOTED)],
            "Version 3 is not new: it was in Production before",
        ),
    ],
)
def test_only_a_version_that_was_promoted_in_another_s_place_for_the_first_time_is_watched(
    changes: list[tuple[str, str | None, Kind]],
    message: str,
    datasets: Datasets,
    rolled_back: list[Any],
) -> None:
    for change in changes:
        promote(datasets.history, *change)
    send(datasets, *[WRONG] * 50)
    with pytest.raises(NothingToWatch, match=message):
        jobs.watch_new_version(WHO, START)
    assert rolled_back == []


def test_after_its_first_hour_a_version_is_not_watched(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (datetime.now(UTC) - timedelta(minutes=61)).isoformat()
    with monkeypatch.context() as patch:
        patch.setattr("covertype.history._now", lambda: before)
        promote(datasets.history, "3", "2")
    send(datasets, *[WRONG] * 50)
    with pytest.raises(NothingToWatch, match="Version 3 has been in Production for more"):
        jobs.watch_new_version(WHO, START)


@pytest.mark.parametrize("limits", [{}, {"ROLLBACK_ACCURACY": "0", "ROLLBACK_ERROR_RATE": "0"}])
def test_by_default_nothing_is_watched(
    limits: Mapping[str, str], datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ROLLBACK_ACCURACY", "ROLLBACK_ERROR_RATE"):
        monkeypatch.delenv(name)
    for name, value in limits.items():
        monkeypatch.setenv(name, value)
    promote(datasets.history, "3", "2")
    send(datasets, *[WRONG] * 50)
    with pytest.raises(NothingToWatch, match="Neither ROLLBACK_ACCURACY nor ROLLBACK_ERROR_RATE"):
        jobs.watch_new_version(WHO, START)
