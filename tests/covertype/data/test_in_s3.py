"""Datasets in S3: the same code gives the same files as in a folder, byte for byte."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from covertype.contract import QUANTITY_NAMES
from covertype.data import Datasets
from covertype.data.processed import CSV, PARQUET
from covertype.history import Kind, State
from covertype.ingestion.preprocessing import preprocess
from covertype.rebuild import Rebuilt, rebuild
from covertype.storage import Store
from inference.telemetry.log_files import LogFiles
from tests.s3 import new_bucket

MOMENT = datetime(2026, 11, 23, 10, 5, 0, tzinfo=UTC)


@pytest.fixture
def rows(real_rows: pd.DataFrame) -> list[list[str]]:
    cells: list[list[str]] = real_rows.head(60).astype(str).to_numpy().tolist()
    return cells


@pytest.fixture
def in_s3(s3: object) -> Datasets:
    return Datasets(f"{new_bucket()}/of/one/platform")


def fill(datasets: Datasets, rows: list[list[str]]) -> None:
    """Do everything that writes, but for what holds the time of the writing."""
    for batch in range(1, 4):
        for group in (1, 2):
            moment = MOMENT + timedelta(minutes=5 * batch)
            part = rows[batch * 10 : batch * 10 + 10 * group]
            datasets.write_raw(group, batch, moment, [*part, ["high", *part[0][1:]]])
        preprocess(datasets)
        datasets.take_snapshot()
    datasets.monitored_batches.add("version_000001_batch_000002_files_000004", {"accuracy": 0.5})


def contents(store: Store, folder: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of every file."""
    here = store.at(folder) if folder else store
    for name in here.names():
        yield f"{folder}/{name}".lstrip("/"), here.read(name)
    for below in here.folders():
        yield from contents(store, f"{folder}/{below}".lstrip("/"))


def test_all_files_are_the_same_in_s3_as_in_a_folder(
    datasets: Datasets, in_s3: Datasets, rows: list[list[str]]
) -> None:
    fill(datasets, rows)
    fill(in_s3, rows)
    there = dict(contents(in_s3.store))
    assert there == dict(contents(datasets.store))
    assert {name.partition("/")[0] for name in there} == {
        *("arrivals.txt", "group_1", "group_2", "processed", "rejected", "training"),
        "monitoring",
    }


def test_what_was_written_to_s3_is_read_as_from_a_folder(
    datasets: Datasets, in_s3: Datasets, rows: list[list[str]]
) -> None:
    for each in (datasets, in_s3):
        fill(each, rows)
    first = in_s3.snapshot_names()[0]
    assert in_s3.snapshot_names() == datasets.snapshot_names()
    assert in_s3.raw_names() == datasets.raw_names()
    assert in_s3.find_raw(1, MOMENT + timedelta(minutes=5)) == datasets.raw_names()[0]
    assert in_s3.unread_names() == []
    pd.testing.assert_frame_equal(in_s3.read_processed(), datasets.read_processed())
    pd.testing.assert_frame_equal(in_s3.read_rejected(), datasets.read_rejected())
    assert in_s3.unseen_batches(first) == datasets.unseen_batches(first)
    assert in_s3.collected_period(first) == datasets.collected_period(first)
    for batch in datasets.unseen_batches(first):
        here, there = datasets.read_unseen(first, batch), in_s3.read_unseen(first, batch)
        np.testing.assert_array_equal(there.rows, here.rows)


def test_a_rebuild_in_s3_gives_the_same_files(in_s3: Datasets, rows: list[list[str]]) -> None:
    fill(in_s3, rows)
    csv, parquet = in_s3.processed.folder.read(CSV), in_s3.read_processed()
    assert rebuild(in_s3) == Rebuilt(6, len(parquet), len(parquet))
    assert in_s3.processed.folder.read(CSV) == csv
    pd.testing.assert_frame_equal(in_s3.read_processed(), parquet)
    assert in_s3.processed.folder.at(".rebuild").sizes() == {}
    assert in_s3.processed.folder.is_made_from(CSV, PARQUET)


def test_the_history_in_s3_keeps_the_order_of_entries_that_came_at_once(in_s3: Datasets) -> None:
    def change(version: str) -> None:
        history = in_s3.history
        with history.locked():
            history.end(history.add(Kind.PROMOTED, version, None), State.DONE)

    threads = [threading.Thread(target=change, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = in_s3.history.entries()
    assert [entry.number for entry in entries] == list(range(1, 7))
    assert sorted(entry.version for entry in entries) == list("012345")
    assert all(entry.changed_production for entry in entries)


def test_groups_that_collect_at_once_are_all_logged_once(
    in_s3: Datasets, rows: list[list[str]]
) -> None:
    groups = range(1, 11)
    threads = [
        threading.Thread(target=in_s3.write_raw, args=(group, 1, MOMENT, rows)) for group in groups
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(in_s3.unread_names()) == sorted(in_s3.raw_names())
    assert len(in_s3.raw_names()) == len(groups)


def test_predictions_are_logged_to_s3_up_to_the_limit_of_a_day(
    in_s3: Datasets, tmp_path: Path
) -> None:
    def table(minute: int) -> pa.Table:
        features = {name: [0] for name in QUANTITY_NAMES}
        return pa.table(
            {
                "id": [f"a-{minute}"],
                "time": pa.array([MOMENT + timedelta(minutes=minute)], pa.timestamp("us", "UTC")),
                "model_version": ["1"],
                **features,
                "Wilderness_Area": ["Rawah"],
                "Soil_Type": ["C2702"],
                "prediction": pa.array([minute], pa.int16()),
                "probability": [0.5],
            }
        )

    writers = [LogFiles(in_s3.predictions_of, writer, 500, "LIMIT") for writer in "ab"]
    for minute in range(4):
        writers[minute % 2].append(table(minute))
    logged = in_s3.read_predictions()
    assert sorted(logged["prediction"]) == [0, 1, 2, 3]
    assert in_s3.read_newest_predictions(3)[:, -1].tolist() == [1, 2, 3]


def test_s3_needs_no_folder_on_the_disk(
    in_s3: Datasets, rows: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(in_s3, rows)
    assert list(tmp_path.iterdir()) == []
