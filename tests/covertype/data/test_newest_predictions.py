"""The newest predictions are found without reading the whole log."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covertype.contract import CATEGORIES, COLUMNS, FEATURE_NAMES, QUANTITY_NAMES, TARGET
from covertype.data import Datasets
from tests.stored_files import folder_of

MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)


def log(datasets: Datasets, name: str, minutes: Sequence[int]) -> Path:
    """Log predictions of some minutes around midnight; elevation tells the minute."""
    times = [MIDNIGHT + timedelta(minutes=minute) for minute in minutes]
    content = {
        "time": pd.Series(times, dtype="datetime64[us, UTC]"),
        "model_version": "3",
        **{quantity: np.array(minutes, np.int16) + 2000 for quantity in QUANTITY_NAMES},
        **{
            category.name: pd.Categorical([category.values[-1]] * len(minutes))
            for category in CATEGORIES
        },
        "prediction": np.full(len(minutes), 4, np.int16),
        "probability": 0.5,
    }
    path = folder_of(datasets.predictions_of(times[0].date())) / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(content).to_parquet(path)
    return path


def minutes_of(datasets: Datasets, count: int) -> list[int]:
    found = datasets.read_newest_predictions(count)
    assert found.shape[1] == len(COLUMNS)
    assert found.dtype == np.int16
    minutes: list[int] = (found[:, 0] - 2000).tolist()
    return minutes


def test_the_newest_come_in_the_order_of_their_time(datasets: Datasets) -> None:
    log(datasets, "000000_a", [1, 5, 9])
    log(datasets, "000000_b", [2, 8, 3])
    log(datasets, "230000_a", [-30, -10])
    assert minutes_of(datasets, 4) == [3, 5, 8, 9]
    assert minutes_of(datasets, 7) == [-10, 1, 2, 3, 5, 8, 9]
    assert minutes_of(datasets, 100) == [-30, -10, 1, 2, 3, 5, 8, 9]


def test_a_prediction_is_its_observation_and_the_answered_class(datasets: Datasets) -> None:
    log(datasets, "a", [7])
    (row,) = datasets.read_newest_predictions(1).tolist()
    last = [len(category.values) - 1 for category in CATEGORIES]
    assert row == [2007] * len(QUANTITY_NAMES) + last + [4]
    assert (*FEATURE_NAMES, TARGET.name) == COLUMNS


def test_without_a_log_there_are_none(datasets: Datasets) -> None:
    assert minutes_of(datasets, 10) == []


def test_files_that_hold_none_of_the_newest_are_not_read(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(datasets, "yesterday", [-20, -10])
    log(datasets, "early", [1, 2])
    newest = [log(datasets, "late", [5, 9]), log(datasets, "later", [7, 8])]
    read, reading = [], pq.read_table

    def note(file: BinaryIO, **options: object) -> object:
        read.append(file.name)
        return reading(file, **options)

    monkeypatch.setattr(pq, "read_table", note)
    assert minutes_of(datasets, 3) == [7, 8, 9]
    assert sorted(read) == sorted(map(str, newest))


@given(
    files=st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=8), max_size=6),
    count=st.integers(0, 20),
)
def test_the_newest_of_a_day_are_those_of_all_its_files(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[int]], count: int
) -> None:
    datasets = Datasets(tmp_path_factory.mktemp("log"))
    for number, minutes in enumerate(files):
        log(datasets, str(number), minutes)
    everything = sorted(minute for minutes in files for minute in minutes)
    assert minutes_of(datasets, count) == everything[max(len(everything) - count, 0) :]
