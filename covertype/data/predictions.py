"""Predictions: what was asked of the inference service, and what it answered."""

from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import BinaryIO, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from covertype.contract import FEATURE_NAMES, TARGET
from covertype.data.prediction_ids import day_of
from covertype.rows.arrow import NO_ROWS, from_table
from covertype.rows.codes import Codes
from covertype.storage import Store

_ID = "id"
_COLUMNS = (_ID, "time", "model_version", *FEATURE_NAMES, "prediction", "probability")


class LogFile(NamedTuple):
    """One writer's Parquet file: its day (UTC), the day's folder, and its name there."""

    day: str
    folder: Store
    name: str

    def open(self) -> BinaryIO:
        return self.folder.open(self.name)


def read(folder: Store, since: date) -> pd.DataFrame:
    """Return the answered predictions of a day and later, as `Datasets.read_predictions` says."""
    frames = []
    for one in days_files(folder, since):
        with one.open() as file:
            frames.append(pd.read_parquet(file, columns=_columns(file)))
    if not frames:
        return pd.DataFrame(columns=list(_COLUMNS))
    together = pd.concat(frames).reindex(columns=list(_COLUMNS))
    return together.assign(**{_ID: together[_ID].fillna("")})


def find(folder: Store, ids: Collection[str], since: date) -> pd.DataFrame:
    """Return the predictions with some ids, as `read` does; those that are not there are left out.

    Only the files from the day of the oldest id on are looked at, and none before `since`: whoever
    sends an id could make one of any day.
    """
    days = [day for day in map(day_of, ids) if day and day >= since]
    wanted = [(_ID, "in", set(ids))]
    frames = []
    for one in days_files(folder, min(days)) if days else ():
        with one.open() as file:
            if _ID in _columns(file):
                frames.append(pd.read_parquet(file, columns=list(_COLUMNS), filters=wanted))
    return pd.concat(frames) if frames else pd.DataFrame(columns=list(_COLUMNS))


def read_newest(folder: Store, count: int) -> Codes:
    """Return the newest predictions, as `Datasets.read_newest_predictions` says."""
    if not count:
        return NO_ROWS
    codes, times = NO_ROWS, np.empty(0, np.int64)
    for day in reversed(folder.folders()):
        files = ((_last_time(one), one.name, one) for one in _files_of(folder, day))
        for last, _, one in sorted(files, key=lambda each: each[:2], reverse=True):
            if len(codes) == count and last <= times[0]:
                break
            with one.open() as file:
                table = pq.read_table(file, columns=["time", *FEATURE_NAMES, "prediction"])
            times = np.concatenate([times, table["time"].cast("int64").to_numpy()])
            rows = from_table(table.rename_columns(["time", *FEATURE_NAMES, TARGET.name]))
            codes = np.concatenate([codes, rows])
            newest = np.argsort(times, kind="stable")[-count:]
            codes, times = codes[newest], times[newest]
        if len(codes) == count:
            break
    return codes


def read_between(folder: Store, start: datetime, end: datetime) -> Iterator[Codes]:
    """Yield what was asked from one moment to another, as `Datasets.read_answered` says."""
    columns = [*FEATURE_NAMES, "prediction"]
    asked = [("time", ">=", start), ("time", "<", end)]
    # Predictions are written some seconds after they were answered, maybe on the next day.
    for one in days_files(folder, start.date()):
        if one.day <= end.date().isoformat():
            with one.open() as file:
                table = pq.read_table(file, columns=columns, filters=asked)
            yield from_table(table.rename_columns([*FEATURE_NAMES, TARGET.name]))


def days_files(folder: Store, since: date) -> list[LogFile]:
    """Return the files in the folders of a day and later, the oldest days first."""
    days = (day for day in folder.folders() if day >= since.isoformat())
    return [one for day in days for one in _files_of(folder, day)]


def _files_of(folder: Store, day: str) -> list[LogFile]:
    of_day = folder.at(day)
    names = sorted(name for name in of_day.names() if name.endswith(".parquet"))
    return [LogFile(day, of_day, name) for name in names]


def _columns(file: BinaryIO) -> list[str]:
    """Return the columns that a file holds; those of a former release lack the id."""
    held = pq.read_schema(file).names
    return [name for name in _COLUMNS if name in held]


def _last_time(one: LogFile) -> int:
    """Return the latest time in a file, in microseconds, from the statistics at its end."""
    with one.open() as file:
        content = pq.read_metadata(file)
    column = content.schema.names.index("time")
    groups = (content.row_group(number) for number in range(content.num_row_groups))
    return max((group.column(column).statistics.max_raw for group in groups), default=0)
