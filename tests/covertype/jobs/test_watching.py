"""Watching a new version: what it saw since its promotion, and when Production goes back."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from covertype import jobs
from covertype.data import Datasets
from covertype.history import History, Kind, State
from covertype.jobs.watching import NothingToWatch
from covertype.registry import manual
from tests.covertype.data.test_predictions import sent, write_feedback
from tests.covertype.jobs.test_services import serving_metrics

WHO = "watch_new_version"
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
    monkeypatch.setenv("ROLLBACK_ACCURACY", "0.7")
    monkeypatch.setenv("ROLLBACK_ERROR_RATE", "0.1")
    answered = {("covertype_predictions_total", "3"): 1000}
    with serving_metrics(answered) as address:
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
    send(datasets, *[WRONG] * 9, RIGHT)
    assert jobs.watch_new_version(WHO) == "2"
    facts = {"trouble": "live_accuracy", "share": "0.100000", "of": "10", "limit": "0.7"}
    why = "version 3 was new: its live accuracy is 0.1000 on 10 true classes, surely below 0.7"
    assert rolled_back == [("2", WHO, why, "3", facts)]


def test_a_version_that_fails_too_often_goes_out(
    datasets: Datasets, rolled_back: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(datasets.history, "3", "2")
    counts = {
        ("covertype_predictions_total", "3"): 80,
        ("covertype_failed_predictions_total", "3"): 20,
        ("covertype_failed_predictions_total", "2"): 5000,
    }
    with serving_metrics(counts) as address:
        monkeypatch.setenv("INFERENCE_URL", address)
        assert jobs.watch_new_version(WHO) == "2"
    assert [call[-1]["trouble"] for call in rolled_back] == ["error_rate"]


def test_true_classes_from_before_the_promotion_or_of_other_versions_do_not_count(
    datasets: Datasets, rolled_back: list[Any]
) -> None:
    promote(datasets.history, "3", "2")
    send(datasets, *[WRONG] * 50, minutes=-30)
    send(datasets, *[(("2", 4), 1)] * 50)
    with pytest.raises(NothingToWatch, match="Version 3 is within the limits"):
        jobs.watch_new_version(WHO)
    assert rolled_back == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([], "No version in Production is new"),
        ([("1", None, Kind.PROMOTED)], "No version in Production is new"),
        ([("3", "2", Kind.PROMOTED), ("2", "3", Kind.ROLLED_BACK)], "No version in Production"),
        ([("3", "2", Kind.FOUND)], "No version in Production is new"),
    ],
)
def test_only_a_version_that_the_gate_put_in_another_s_place_is_watched(
    changes: list[tuple[str, str | None, Kind]],
    message: str,
    datasets: Datasets,
    rolled_back: list[Any],
) -> None:
    for change in changes:
        promote(datasets.history, *change)
    send(datasets, *[WRONG] * 50)
    with pytest.raises(NothingToWatch, match=message):
        jobs.watch_new_version(WHO)
    assert rolled_back == []


def test_after_its_first_hour_a_version_is_not_watched(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (datetime.now(UTC) - timedelta(minutes=61)).isoformat()
    with monkeypatch.context() as patch:
        patch.setattr("covertype.history._now", lambda: before)
        promote(datasets.history, "3", "2")
    send(datasets, *[WRONG] * 50)
    with pytest.raises(NothingToWatch, match="Version 3 is in Production for more than an hour"):
        jobs.watch_new_version(WHO)


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
        jobs.watch_new_version(WHO)
