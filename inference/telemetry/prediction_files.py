"""The Parquet files of the prediction log, in a folder for each day."""

import os
import uuid
from contextlib import suppress
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from covertype.atomic import replacing
from covertype.contract import CATEGORIES, FEATURE_NAMES
from covertype.data import Datasets
from covertype.rows.codes import WIDTH

RECORD = np.dtype(
    [("time", "f8"), ("codes", "i2", WIDTH), ("prediction", "i2"), ("probability", "f8")]
)
"""One buffered answer: seconds since 1970, the twelve codes, the class and its probability."""

_FILE_ROWS = 100_000
_MB = 1_000_000


class DayIsFull(Exception):
    """The files of a day (UTC) have reached their size limit."""

    def __init__(self, day: date, folder: Path, limit_mb: int) -> None:
        super().__init__(
            f"{folder} holds as much as PREDICTION_LOG_MAX_MB_PER_DAY={limit_mb} allows: further "
            f"answers of {day} (UTC) are not logged but counted as lost; raise it if the disk has "
            "room for more"
        )
        self.day = day


class PredictionFiles:
    """The files of one writer. Each write replaces the file of the hour by a longer one.

    Parameters
    ----------
    datasets : Datasets
        Where the folders of the days are.
    limit_mb_a_day : int
        Size limit of all files of a day in MB, those of other writers included.
    """

    def __init__(self, datasets: Datasets, limit_mb_a_day: int) -> None:
        self._datasets = datasets
        self._limit_mb = limit_mb_a_day
        self._writer = f"{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._numbers = count()
        self._path = Path()
        self._hour: datetime | None = None
        self._written: list[pa.Table] = []
        self._full_day: date | None = None

    def append(self, version: str, records: bytes | bytearray) -> None:
        """Write records of type `RECORD`, all answered by one version.

        An error leaves the rows written before intact.

        Raises
        ------
        DayIsFull
            If the files of the day would be too large; every later call of that day raises it too.
        OSError
            If the disk can't be written to.
        """
        moment = datetime.now(UTC)
        if moment.date() == self._full_day:
            raise DayIsFull(self._full_day, self._path.parent, self._limit_mb)
        try:
            self._append(moment, _table(version, records))
        except Exception:
            # The next try begins a new file: it needs less space than this one with all its rows.
            self._hour, self._written = None, []
            raise

    def _append(self, moment: datetime, table: pa.Table) -> None:
        hour = moment.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour or sum(map(len, self._written)) >= _FILE_ROWS:
            self._hour, self._written = hour, []
            name = f"{moment:%H%M%S}_{self._writer}_{next(self._numbers)}"
            self._path = self._datasets.predictions_file(moment.date(), name)
        tables = [*self._written, table]
        with replacing(self._path) as temporary:
            pq.write_table(pa.concat_tables(tables).unify_dictionaries(), temporary)
            if _size(self._path.parent, but=self._path.name) > self._limit_mb * _MB:
                self._full_day = moment.date()
                raise DayIsFull(self._full_day, self._path.parent, self._limit_mb)
        self._written = tables


def _size(folder: Path, but: str) -> int:
    """Return the size of a folder's files in bytes, unfinished ones included."""
    size = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            # Another writer may replace its file meanwhile.
            with suppress(FileNotFoundError):
                size += entry.stat().st_size if entry.name != but else 0
    return size


def _table(version: str, records: bytes | bytearray) -> pa.Table:
    rows = np.frombuffer(records, RECORD)
    names = {category.name: category.values for category in CATEGORIES}
    columns: dict[str, pa.Array] = {
        "time": pa.array((rows["time"] * 1e6).astype("datetime64[us]")).cast(
            pa.timestamp("us", "UTC")
        ),
        "model_version": pa.DictionaryArray.from_arrays(
            np.zeros(len(rows), np.int32), pa.array([version])
        ),
    }
    for number, name in enumerate(FEATURE_NAMES):
        column = np.ascontiguousarray(rows["codes"][:, number])
        columns[name] = (
            pa.DictionaryArray.from_arrays(column, pa.array(names[name]))
            if name in names
            else pa.array(column)
        )
    columns["prediction"] = pa.array(rows["prediction"])
    columns["probability"] = pa.array(rows["probability"])
    return pa.table(columns)
