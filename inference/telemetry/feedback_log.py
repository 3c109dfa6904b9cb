"""Logs the true classes that clients send, to Parquet files beside the prediction log."""

import time

import numpy as np
import pyarrow as pa

from covertype.data import Datasets
from covertype.rows.codes import WIDTH, Row
from inference.telemetry.columns import feature_columns, time_column
from inference.telemetry.log_files import LogFiles
from inference.telemetry.metrics import Metrics
from inference.telemetry.row_log import RowLog

RECORD = np.dtype(
    [
        ("time", "f8"),
        ("prediction_id", "S64"),
        ("version", "S32"),
        ("codes", "i2", WIDTH),
        ("truth", "i2"),
        ("prediction", "i2"),
    ]
)
"""One buffered true class: of a prediction's id, or of an observation and its prediction."""

_NO_ROW: Row = (0,) * WIDTH


class FeedbackLog(RowLog):
    """The log of the true classes that one worker received."""

    def __init__(self, files: LogFiles, seconds: float, metrics: Metrics) -> None:
        rows = metrics.feedback_logged
        super().__init__(files, seconds, rows, "true classes", RECORD, to_table)

    def add_prediction(self, truth: int, prediction_id: str) -> None:
        """Add the true class of a prediction."""
        self._add(prediction_id, "", _NO_ROW, truth, 0)

    def add_observation(self, truth: int, row: Row, version: str, prediction: int) -> None:
        """Add the true class of an observation, and what a version predicts for it."""
        self._add("", version, row, truth, prediction)

    def _add(self, prediction_id: str, version: str, row: Row, truth: int, prediction: int) -> None:
        if len(self._buffer) >= self._full_bytes:
            self._begin(to_table)
        record = (time.time(), prediction_id.encode(), version.encode(), row, truth, prediction)
        self._buffer += np.array(record, RECORD).tobytes()


def feedback_files(datasets: Datasets, writer: str, limit_mb_a_day: int) -> LogFiles:
    """Return the files of one writer's feedback."""
    return LogFiles(datasets.feedback_of, writer, limit_mb_a_day, "FEEDBACK_MAX_MB_PER_DAY")


def to_table(records: bytes | bytearray) -> pa.Table:
    """Return records of type `RECORD` as they are stored."""
    rows = np.frombuffer(records, RECORD)
    is_by_id = rows["prediction_id"] != b""
    versions = pa.array(rows["version"].astype(str), mask=is_by_id)
    return pa.table(
        {
            "time": time_column(rows["time"]),
            "prediction_id": pa.array(rows["prediction_id"].astype(str)),
            "model_version": versions.dictionary_encode(),
            **feature_columns(rows["codes"], missing=is_by_id),
            "truth": pa.array(rows["truth"]),
            "prediction": pa.array(rows["prediction"], mask=is_by_id),
        }
    )
