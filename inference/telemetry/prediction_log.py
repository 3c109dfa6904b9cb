"""Logs every prediction to Parquet files, for monitoring."""

import struct
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from covertype.data import Datasets
from covertype.data.prediction_ids import ALONE, PredictionId, to_arrow
from covertype.rows.codes import WIDTH, Codes, Row
from inference.telemetry import row_log
from inference.telemetry.columns import feature_columns, time_column
from inference.telemetry.log_files import LogFiles
from inference.telemetry.metrics import Metrics
from inference.telemetry.row_log import RowLog

RECORD = np.dtype(
    [
        ("time", "f8"),
        ("number", "i8"),
        ("row", "i4"),
        ("codes", "i2", WIDTH),
        ("prediction", "i2"),
        ("probability", "f8"),
    ]
)
"""One buffered answer: the parts of its id, the twelve codes, the class and its probability."""

_pack = struct.Struct(f"=dqi{WIDTH}hhd").pack


class PredictionLog(RowLog):
    """The log of the predictions of one worker.

    Parameters
    ----------
    files : LogFiles
    writer : str
        The writer in the ids of its predictions.
    seconds : float
        Pause between two writes.
    metrics : Metrics
    """

    def __init__(self, files: LogFiles, writer: str, seconds: float, metrics: Metrics) -> None:
        self._writer = writer
        self._version = ""
        super().__init__(
            files, seconds, metrics.logged, "predictions", RECORD, partial(to_table, writer, "")
        )

    def add(
        self, named: PredictionId, version: str, row: Row, prediction: int, probability: float
    ) -> None:
        """Add one prediction."""
        if version != self._version or len(self._buffer) >= self._full_bytes:
            self._begin_version(version)
        self._buffer += _pack(named.time, named.number, ALONE, *row, prediction, probability)

    def add_many(
        self,
        named: PredictionId,
        version: str,
        codes: Codes,
        probabilities: npt.NDArray[np.float64],
    ) -> None:
        """Add a batch of predictions: codes of shape (n, 12), probabilities of shape (n, 7)."""
        limit = row_log.BLOCK_ROWS
        for start in range(0, len(codes), limit):
            if version != self._version or len(self._buffer) >= self._full_bytes:
                self._begin_version(version)
            answers = probabilities[start : start + limit]
            records = np.empty(len(answers), RECORD)
            records["time"] = named.time
            records["number"] = named.number
            records["row"] = np.arange(start, start + len(answers))
            records["codes"] = codes[start : start + limit]
            records["prediction"] = answers.argmax(axis=1)
            records["probability"] = answers.max(axis=1)
            self._buffer += records.data.cast("B")

    def _begin_version(self, version: str) -> None:
        self._version = version
        self._begin(partial(to_table, self._writer, version))


def prediction_files(datasets: Datasets, writer: str, limit_mb_a_day: int) -> LogFiles:
    """Return the files of one writer's predictions."""
    setting = "PREDICTION_LOG_MAX_MB_PER_DAY"
    return LogFiles(datasets.predictions_of, writer, limit_mb_a_day, setting)


def to_table(writer: str, version: str, records: bytes | bytearray) -> pa.Table:
    """Return records of type `RECORD`, all of one writer and one version, as they are stored."""
    rows = np.frombuffer(records, RECORD)
    versions = np.zeros(len(rows), np.int32)
    return pa.table(
        {
            "id": to_arrow(writer, rows["time"], rows["number"], rows["row"]),
            "time": time_column(rows["time"]),
            "model_version": pa.DictionaryArray.from_arrays(versions, pa.array([version])),
            **feature_columns(rows["codes"]),
            "prediction": pa.array(rows["prediction"]),
            "probability": pa.array(rows["probability"]),
        }
    )
