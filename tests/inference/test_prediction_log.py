"""The prediction log: whole files, nothing lost at a stop, a bound on what waits."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from covertype.contract import CLASSES, FEATURE_NAMES
from covertype.storage import Datasets, replacing
from inference import prediction_log
from inference.codes import to_codes, to_row
from inference.metrics import LOGGED
from inference.prediction_log import PredictionLog

Use = Callable[[PredictionLog], None]


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets(tmp_path)


async def used(datasets: Datasets, *uses: Use, seconds: float = 3600) -> PredictionLog:
    log = PredictionLog(datasets, seconds)
    running = asyncio.create_task(log.run())
    for use in uses:
        use(log)
        await asyncio.sleep(seconds * 3 if seconds < 1 else 0)
    log.stop()
    await running
    return log


def read(datasets: Datasets) -> pd.DataFrame:
    return datasets.read_predictions().sort_values("time", kind="stable", ignore_index=True)


def test_single_answers_and_batches_of_two_versions_are_read_as_they_were(
    datasets: Datasets, rows: list[list[object]]
) -> None:
    probabilities = np.eye(len(CLASSES))[np.arange(5)] * 0.75
    before = pd.Timestamp.now("UTC")
    asyncio.run(
        used(
            datasets,
            lambda log: log.add("1", to_row(rows[0]), 3, 0.5),
            lambda log: log.add("2", to_row(rows[1]), 4, 0.25),
            lambda log: log.add_many("2", to_codes(rows[2:7]), probabilities),
        )
    )
    logged = read(datasets)
    assert logged[list(FEATURE_NAMES)].to_numpy(object).tolist() == rows[:7]
    assert logged["model_version"].tolist() == ["1", *["2"] * 6]
    assert logged["prediction"].tolist() == [3, 4, 0, 1, 2, 3, 4]
    assert logged["probability"].tolist() == [0.5, 0.25, *[0.75] * 5]
    assert logged["time"].between(before, pd.Timestamp.now("UTC")).all()


def test_the_writes_of_an_hour_make_one_file(datasets: Datasets, rows: list[list[object]]) -> None:
    uses: list[Use] = [lambda log: log.add("1", to_row(rows[0]), 3, 0.5)] * 4
    asyncio.run(used(datasets, *uses, seconds=0.02))
    files = list(datasets.root.rglob("*"))
    # Two, if this ran over the turn of an hour.
    assert 1 <= len([file for file in files if file.is_file()]) <= 2
    assert len(read(datasets)) == 4


def test_a_full_file_is_followed_by_another(
    datasets: Datasets, rows: list[list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "_FILE_ROWS", 2)
    uses: list[Use] = [lambda log: log.add("1", to_row(rows[0]), 3, 0.5)] * 6
    asyncio.run(used(datasets, *uses, seconds=0.02))
    assert len(list(datasets.root.rglob("*.parquet"))) >= 3
    assert len(read(datasets)) == 6


def test_what_a_disk_refuses_is_written_later(
    datasets: Datasets, rows: list[list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = iter([OSError("no space left"), OSError("no space left")])

    def refusing(path: Path) -> object:
        for error in tries:
            raise error
        return replacing(path)

    monkeypatch.setattr(prediction_log, "replacing", refusing)
    uses: list[Use] = [lambda log: log.add("1", to_row(rows[0]), 3, 0.5)] * 5
    asyncio.run(used(datasets, *uses, seconds=0.02))
    assert len(read(datasets)) == 5


def test_answers_given_while_a_stop_meets_a_write_are_written(
    datasets: Datasets, rows: list[list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on = threading.Event(), threading.Event()

    def slow(path: Path) -> object:
        writing.set()
        assert go_on.wait(10)
        return replacing(path)

    async def stopped_in_a_write() -> None:
        log = PredictionLog(datasets, 0.01)
        running = asyncio.create_task(log.run())
        log.add("1", to_row(rows[0]), 3, 0.5)
        await asyncio.to_thread(writing.wait, 10)
        log.add("1", to_row(rows[1]), 4, 0.5)
        log.stop()
        go_on.set()
        await running

    monkeypatch.setattr(prediction_log, "replacing", slow)
    asyncio.run(stopped_in_a_write())
    assert read(datasets)["prediction"].tolist() == [3, 4]


def test_what_the_last_write_could_not_keep_is_counted_as_lost(
    datasets: Datasets, rows: list[list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(path: Path) -> object:
        raise OSError("no space left")

    lost = LOGGED.labels("lost")
    before = lost._value.get()
    monkeypatch.setattr(prediction_log, "replacing", refusing)
    asyncio.run(used(datasets, lambda log: log.add("1", to_row(rows[0]), 3, 0.5)))
    assert lost._value.get() == before + 1


def test_what_waits_is_bounded_and_the_oldest_goes_first(
    rows: list[list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = prediction_log._RECORD.itemsize
    monkeypatch.setattr(prediction_log, "_WAITING_BYTES", 3 * size)
    chunks: list[prediction_log.Chunk] = [(str(n), bytes(size)) for n in range(5)]
    kept = prediction_log._newest(chunks)
    assert [version for version, _ in kept] == ["2", "3", "4"]
