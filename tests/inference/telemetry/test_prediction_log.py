"""The prediction log: whole files, nothing lost at a stop, a bound on what waits."""

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from covertype.contract import CLASSES, FEATURE_NAMES
from covertype.data import Datasets
from covertype.data.prediction_ids import PredictionIds
from covertype.rows.codes import to_codes, to_row
from covertype.storage.folder import Folder
from inference.telemetry import log_files, prediction_log, row_log
from inference.telemetry.metrics import Metrics
from inference.telemetry.prediction_log import RECORD, PredictionLog, prediction_files

Use = Callable[[PredictionLog], None]

replacing = Folder.replacing
METRICS = Metrics()
IDS = PredictionIds("")


def lost() -> float:
    return float(METRICS.logged.labels("lost")._value.get())


def make_log(datasets: Datasets, seconds: float, most_mb_a_day: int = 500) -> PredictionLog:
    writer = secrets.token_hex(8)
    files = prediction_files(datasets, writer, most_mb_a_day)
    return PredictionLog(files, writer, seconds, METRICS)


async def used(
    datasets: Datasets, *uses: Use, seconds: float = 3600, most_mb_a_day: int = 500
) -> PredictionLog:
    log = make_log(datasets, seconds, most_mb_a_day)
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
            lambda log: log.add(IDS.new(), "1", to_row(rows[0]), 3, 0.5),
            lambda log: log.add(IDS.new(), "2", to_row(rows[1]), 4, 0.25),
            lambda log: log.add_many(IDS.new(), "2", to_codes(rows[2:7]), probabilities),
        )
    )
    logged = read(datasets)
    assert logged[list(FEATURE_NAMES)].to_numpy(object).tolist() == rows[:7]
    assert logged["model_version"].tolist() == ["1", *["2"] * 6]
    assert logged["prediction"].tolist() == [3, 4, 0, 1, 2, 3, 4]
    assert logged["probability"].tolist() == [0.5, 0.25, *[0.75] * 5]
    assert logged["time"].between(before, pd.Timestamp.now("UTC")).all()


def test_the_writes_of_an_hour_make_one_file(datasets: Datasets, rows: list[list[object]]) -> None:
    uses: list[Use] = [lambda log: log.add(IDS.new(), "1", to_row(rows[0]), 3, 0.5)] * 4
    asyncio.run(used(datasets, *uses, seconds=0.02))
    files = list(Path(datasets.root).rglob("*"))
    # Two, if this ran over the turn of an hour.
    assert 1 <= len([file for file in files if file.is_file()]) <= 2
    assert len(read(datasets)) == 4


def test_a_full_file_is_followed_by_another(
    datasets: Datasets, rows: list[list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "_FILE_ROWS", 2)
    uses: list[Use] = [lambda log: log.add(IDS.new(), "1", to_row(rows[0]), 3, 0.5)] * 6
    asyncio.run(used(datasets, *uses, seconds=0.02))
    assert len(list(Path(datasets.root).rglob("*.parquet"))) >= 3
    assert len(read(datasets)) == 6


def test_what_a_disk_refuses_is_written_later(
    datasets: Datasets, rows: list[list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = iter([OSError("no space left"), OSError("no space left")])

    def refusing(folder: Folder, name: str) -> object:
        for error in tries:
            raise error
        return replacing(folder, name)

    monkeypatch.setattr(Folder, "replacing", refusing)
    uses: list[Use] = [lambda log: log.add(IDS.new(), "1", to_row(rows[0]), 3, 0.5)] * 5
    asyncio.run(used(datasets, *uses, seconds=0.02))
    assert len(read(datasets)) == 5


@dataclass(frozen=True)
class Slow:
    """Writes that begin and then wait until they may go on."""

    writing: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    slow = Slow()

    def wait(folder: Folder, name: str) -> object:
        slow.writing.set()
        assert slow.go_on.wait(10)
        return replacing(folder, name)

    monkeypatch.setattr(Folder, "replacing", wait)
    return slow


def test_answers_given_while_a_stop_meets_a_write_are_written(
    datasets: Datasets, rows: list[list[object]], slow: Slow
) -> None:
    async def stopped_in_a_write() -> None:
        log = make_log(datasets, 0.01)
        running = asyncio.create_task(log.run())
        log.add(IDS.new(), "1", to_row(rows[0]), 3, 0.5)
        await asyncio.to_thread(slow.writing.wait, 10)
        log.add(IDS.new(), "1", to_row(rows[1]), 4, 0.5)
        log.stop()
        slow.go_on.set()
        await running

    asyncio.run(stopped_in_a_write())
    assert read(datasets)["prediction"].tolist() == [3, 4]


def test_what_the_last_write_could_not_keep_is_counted_as_lost(
    datasets: Datasets, rows: list[list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(folder: Folder, name: str) -> object:
        raise OSError("no space left")

    before = lost()
    monkeypatch.setattr(Folder, "replacing", refusing)
    asyncio.run(used(datasets, lambda log: log.add(IDS.new(), "1", to_row(rows[0]), 3, 0.5)))
    assert lost() == before + 1


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten answers make a block, and three blocks may wait."""
    monkeypatch.setattr(row_log, "BLOCK_ROWS", 10)
    monkeypatch.setattr(row_log, "_WAITING_BYTES", 30 * RECORD.itemsize)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), MemoryError(), ValueError("a bad row")])
def test_an_error_of_any_kind_ends_nothing_and_loses_nothing_if_it_passes(
    datasets: Datasets,
    rows: list[list[object]],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    tries = iter([error])

    def failing(folder: Folder, name: str) -> object:
        for error in tries:
            raise error
        return replacing(folder, name)

    monkeypatch.setattr(Folder, "replacing", failing)
    uses: list[Use] = [lambda log: log.add(IDS.new(), "1", to_row(rows[0]), 3, 0.5)] * 3
    before = lost()
    asyncio.run(used(datasets, *uses, seconds=0.02))
    assert len(read(datasets)) == 3
    assert lost() == before


def test_answers_that_can_never_be_written_are_lost_alone(
    datasets: Datasets,
    rows: list[list[object]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make = prediction_log.to_table

    def refusing(writer: str, version: str, records: bytes) -> object:
        if version == "bad":
            raise ValueError("no such type")
        return make(writer, version, records)

    monkeypatch.setattr(prediction_log, "to_table", refusing)
    versions = ["1", "bad", "2", "bad", "bad", "3"]
    uses: list[Use] = [
        lambda log, version=version: log.add(IDS.new(), version, to_row(rows[0]), 3, 0.5)  # type: ignore[misc]
        for version in versions
    ]
    before = lost()
    asyncio.run(used(datasets, *uses, seconds=0.02))
    assert sorted(read(datasets)["model_version"]) == ["1", "2", "3"]
    assert lost() == before + 3
    assert "no such type" in caplog.text
    assert "lost to the log" in caplog.text


def test_what_waits_is_bounded_where_it_comes_in_and_the_oldest_is_lost(
    datasets: Datasets, rows: list[list[object]], small_blocks: None
) -> None:
    log = make_log(datasets, 3600)
    before = lost()
    for number in range(55):
        log.add(IDS.new(), "1", to_row(rows[0]), number % 7, 0.5)
    assert lost() == before + 20
    log.add_many(IDS.new(), "1", to_codes(rows[:40]), np.eye(len(CLASSES))[np.arange(40) % 7])
    kept = 95 - (lost() - before)
    # Two or three blocks, and what is in the buffer.
    assert 20 < kept < 50

    async def write() -> None:
        log.stop()
        await log.run()

    asyncio.run(write())
    assert len(read(datasets)) == kept


def test_what_a_write_holds_counts_as_waiting(
    datasets: Datasets, rows: list[list[object]], small_blocks: None, slow: Slow
) -> None:
    async def filled_in_a_write() -> None:
        log = make_log(datasets, 0.01)
        running = asyncio.create_task(log.run())
        for _ in range(10):
            log.add(IDS.new(), "1", to_row(rows[0]), 3, 0.5)
        await asyncio.to_thread(slow.writing.wait, 10)
        before = lost()
        for _ in range(35):
            log.add(IDS.new(), "2", to_row(rows[0]), 4, 0.5)
        assert lost() == before + 10
        log.stop()
        slow.go_on.set()
        await running

    asyncio.run(filled_in_a_write())
    assert read(datasets)["model_version"].value_counts().to_dict() == {"1": 10, "2": 25}


def test_a_disk_that_refuses_for_long_says_so_once_in_a_while(
    datasets: Datasets,
    rows: list[list[object]],
    small_blocks: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refusing(folder: Folder, name: str) -> object:
        raise OSError("no space left")

    monkeypatch.setattr(Folder, "replacing", refusing)

    def many(log: PredictionLog) -> None:
        for _ in range(20):
            log.add(IDS.new(), "1", to_row(rows[0]), 3, 0.5)

    before = lost()
    asyncio.run(used(datasets, *[many] * 20, seconds=0.01))
    assert lost() == before + 400
    said = [record.message for record in caplog.records]
    assert said[0] == "Predictions wait to be written: no space left"
    # One of the losses on the way, one of what was left at the stop.
    assert len(said) == 3
    assert sum(int(message.split()[0]) for message in said[1:]) == 400


class Clock(datetime):
    """The time of this machine, some days on."""

    days = 0

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) + timedelta(days=cls.days)


def random_answers(log: PredictionLog) -> None:
    """Answers that no compression makes small: 40 kB."""
    random = np.random.default_rng()
    codes = random.integers(0, 4, (2000, len(FEATURE_NAMES))).astype(np.int16)
    log.add_many(IDS.new(), "1", codes, random.random((2000, len(CLASSES))))


def test_a_day_s_files_have_a_limit_and_the_next_day_goes_on(
    datasets: Datasets,
    rows: list[list[object]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(log_files, "datetime", Clock)
    monkeypatch.setattr(log_files, "_MB", 1_000)
    monkeypatch.setattr(Clock, "days", 0)
    before = lost()

    async def two_days() -> None:
        log = make_log(datasets, 0.01, 100)
        running = asyncio.create_task(log.run())
        for day in range(2):
            monkeypatch.setattr(Clock, "days", day)
            for _ in range(20):
                random_answers(log)
                while log._buffer or log._bytes:
                    await asyncio.sleep(0.01)
        log.stop()
        await running

    asyncio.run(two_days())
    today, tomorrow = sorted((Path(datasets.root) / "predictions").iterdir())
    for folder in (today, tomorrow):
        size = sum(file.stat().st_size for file in folder.iterdir())
        assert 40_000 < size <= 100_000
    logged = read(datasets)
    assert lost() - before == 40 * 2000 - len(logged)
    said = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(said) == 2
    assert "PREDICTION_LOG_MAX_MB_PER_DAY=100 allows" in said[0]
    assert str(today) in said[0]
    assert str(tomorrow) in said[1]


def test_the_limit_of_a_day_counts_the_files_of_other_workers_and_of_former_starts(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "_MB", 1_000)
    sizes = []
    for _ in range(5):
        asyncio.run(used(datasets, random_answers, most_mb_a_day=110))
        files = Path(datasets.root).rglob("*.parquet")
        sizes.append(sum(file.stat().st_size for file in files))
    assert sizes[0] < sizes[2] == sizes[3] == sizes[4] <= 110_000
    assert len(read(datasets)) == 3 * 2000
