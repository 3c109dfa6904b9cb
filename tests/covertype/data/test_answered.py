"""What was asked of the service, read back as the service logs it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from covertype.data import Datasets
from covertype.rows.arrow import NO_ROWS
from covertype.rows.codes import Codes
from inference.telemetry import log_files
from inference.telemetry.columns import feature_columns, time_column
from inference.telemetry.log_files import LogFiles

MIDNIGHT = datetime(2026, 11, 26, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
ROW = (3000, 45, 10, 100, 20, 200, 220, 230, 180, 150, 3, 28)


def log(
    datasets: Datasets,
    moments: Sequence[datetime],
    written: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Log an answer, Krummholz, at each moment, all in one write."""
    monkeypatch.setattr(log_files, "datetime", SimpleNamespace(now=lambda _: written))
    columns = {
        "time": time_column(np.array([moment.timestamp() for moment in moments])),
        **feature_columns(np.array([ROW] * len(moments), np.int16)),
        "prediction": pa.array(np.full(len(moments), 6, np.int16)),
    }
    LogFiles(datasets.predictions_of, "writer", 500, "LIMIT").append(pa.table(columns))


def read(datasets: Datasets, start: datetime) -> Codes:
    """Return what was asked in the hour from a moment."""
    return np.concatenate([NO_ROWS, *datasets.read_answered(start, start + HOUR)])


def test_nothing_was_asked_of_a_service_without_a_log(datasets: Datasets) -> None:
    assert len(read(datasets, MIDNIGHT)) == 0


def test_an_observation_comes_with_its_answer_in_place_of_the_class(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(datasets, [MIDNIGHT], MIDNIGHT, monkeypatch)
    assert read(datasets, MIDNIGHT).tolist() == [[*ROW, 6]]


def test_an_hour_holds_what_was_asked_from_its_beginning_to_before_its_end(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = [MIDNIGHT - MINUTE, MIDNIGHT, MIDNIGHT + 59 * MINUTE, MIDNIGHT + HOUR]
    log(datasets, moments, MIDNIGHT + HOUR, monkeypatch)
    assert len(read(datasets, MIDNIGHT)) == 2
    assert len(read(datasets, MIDNIGHT + HOUR)) == 1


def test_what_was_answered_before_midnight_and_written_after_it_is_found(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(datasets, [MIDNIGHT - MINUTE], MIDNIGHT + MINUTE, monkeypatch)
    assert len(read(datasets, MIDNIGHT - HOUR)) == 1
