"""The store is refreshed again and again, whatever one refresh meets."""

import asyncio
import math
from pathlib import Path

import pytest
from sklearn.pipeline import Pipeline

from covertype.answers import LiveAccuracy, NextBatch
from inference.model import serving
from inference.model.serving import Serving
from inference.model.store import ModelStore
from inference.telemetry.metrics import Metrics
from tests.inference.conftest import Keep, report_on
from tests.inference.scraping import figure


@pytest.mark.parametrize("error", [OSError("the disk is away"), MemoryError()])
def test_a_refresh_that_fails_is_followed_by_another(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshes: list[float] = []

    def fail(_: Serving) -> None:
        refreshes.append(1)
        raise error

    async def watched() -> None:
        watching = asyncio.create_task(Serving(ModelStore(tmp_path), Metrics()).watch())
        await asyncio.sleep(0.5)
        assert not watching.done()
        watching.cancel()

    monkeypatch.setattr(serving, "_REFRESH_SECONDS", 0.01)
    monkeypatch.setattr(Serving, "refresh", fail)
    asyncio.run(watched())
    assert len(refreshes) > 1


def shown(metrics: Metrics) -> list[float | None]:
    text = metrics.render().decode()
    names = ("holdout_accuracy", "next_batch_accuracy", "next_batch", "live_accuracy", "live_rows")
    return [figure(text, f"covertype_{name}") for name in names]


@pytest.fixture
def unknown() -> object:
    return pytest.approx(math.nan, nan_ok=True)


def test_both_accuracies_are_unknown_without_a_model(tmp_path: Path, unknown: object) -> None:
    store, metrics = ModelStore(tmp_path), Metrics()
    store.write_report(report_on(NextBatch("3", 5, 100, 0.75)))
    Serving(store, metrics).refresh()
    assert shown(metrics) == [unknown] * 5


def test_the_accuracies_of_the_version_that_answers_follow_the_report(
    tmp_path: Path, forest: Pipeline, keep: Keep, unknown: object
) -> None:
    store, metrics = ModelStore(tmp_path), Metrics()
    keep(store, "3", forest)
    served = Serving(store, metrics)
    served.refresh()
    assert shown(metrics) == [0.5, *[unknown] * 4]
    for accuracy, batch in ((0.75, 5), (0.7, 6)):
        live = LiveAccuracy("3", 40, accuracy - 0.1)
        store.write_report(report_on(NextBatch("3", batch, 100, accuracy), live))
        served.refresh()
        assert shown(metrics) == [0.5, accuracy, batch, live.accuracy, 40]
    store.write_report(report_on(None))
    served.refresh()
    assert shown(metrics) == [0.5, *[unknown] * 4]


def test_the_figures_of_another_version_than_the_one_that_answers_are_not_shown(
    tmp_path: Path, forest: Pipeline, keep: Keep, unknown: object
) -> None:
    store, metrics = ModelStore(tmp_path), Metrics()
    keep(store, "3", forest)
    store.write_report(report_on(NextBatch("4", 5, 100, 0.75), LiveAccuracy("4", 40, 0.8)))
    served = Serving(store, metrics)
    served.refresh()
    assert served.model is not None
    assert served.monitored(served.model) == (None, None)
    assert shown(metrics) == [0.5, *[unknown] * 4]
    keep(store, "4", forest)
    served.refresh()
    assert shown(metrics) == [0.5, 0.75, 5, 0.8, 40]
