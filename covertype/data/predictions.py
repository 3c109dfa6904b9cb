"""Predictions: what was asked of the inference service, and what it answered."""

from collections.abc import Collection, Iterator
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from covertype.contract import FEATURE_NAMES, TARGET
from covertype.data.prediction_ids import day_of
from covertype.rows.arrow import NO_ROWS, from_table
from covertype.rows.codes import Codes

_ID = "id"
_COLUMNS = (_ID, "time", "model_version", *FEATURE_NAMES, "prediction", "probability")


def read(folder: Path, since: date) -> pd.DataFrame:
    """Return the answered predictions of a day and later, as `Datasets.read_predictions` says."""
    frames = [pd.read_parquet(file, columns=_columns(file)) for file in days_files(folder, since)]
    if not frames:
        return pd.DataFrame(columns=list(_COLUMNS))
    together = pd.concat(frames).reindex(columns=list(_COLUMNS))
    return together.assign(**{_ID: together[_ID].fillna("")})


def find(folder: Path, ids: Collection[str], since: date) -> pd.DataFrame:
    """Return the predictions with some ids, as `read` does; those that are not there are left out.

    Only the files from the day of the oldest id on are looked at, and none before `since`: whoever
    sends an id could make one of any day.
    """
    days = [day for day in map(day_of, ids) if day and day >= since]
    wanted = [(_ID, "in", set(ids))]
    frames = [
        pd.read_parquet(file, columns=list(_COLUMNS), filters=wanted)
        for file in (days_files(folder, min(days)) if days else ())
        if _ID in _columns(file)
    ]
    return pd.concat(frames) if frames else pd.DataFrame(columns=list(_COLUMNS))


def read_newest(folder: Path, count: int) -> Codes:
    """Return the newest predictions, as `Datasets.read_newest_predictions` says."""
    if not count:
        return NO_ROWS
    codes, times = NO_ROWS, np.empty(0, np.int64)
    for day in sorted(folder.glob("*"), reverse=True):
        files = ((_last_time(file), file) for file in day.glob("*.parquet"))
        for last, file in sorted(files, reverse=True):
            if len(codes) == count and last <= times[0]:
                break
            table = pq.read_table(file, columns=["time", *FEATURE_NAMES, "prediction"])
            times = np.concatenate([times, table["time"].cast("int64").to_numpy()])
            rows = from_table(table.rename_columns(["time", *FEATURE_NAMES, TARGET.name]))
            codes = np.concatenate([codes, rows])
            newest = np.argsort(times, kind="stable")[-count:]
            codes, times = codes[newest], times[newest]
        if len(codes) == count:
            break
    return codes


def read_between(folder: Path, start: datetime, end: datetime) -> Iterator[Codes]:
    """Yield what was asked from one moment to another, as `Datasets.read_answered` says."""
    columns = [*FEATURE_NAMES, "prediction"]
    asked = [("time", ">=", start), ("time", "<", end)]
    # Predictions are written some seconds after they were answered, maybe on the next day.
    for file in days_files(folder, start.date()):
        if file.parent.name <= end.date().isoformat():
            table = pq.read_table(file, columns=columns, filters=asked)
            yield from_table(table.rename_columns([*FEATURE_NAMES, TARGET.name]))


def days_files(folder: Path, since: date) -> list[Path]:
    """Return the files in the folders of a day and later."""
    return [file for file in folder.glob("*/*.parquet") if file.parent.name >= since.isoformat()]


def _columns(file: Path) -> list[str]:
    """Return the columns that a file holds; those of a former release lack the id."""
    held = pq.read_schema(file).names
    return [name for name in _COLUMNS if name in held]


def _last_time(file: Path) -> int:
    """Return the latest time in a file, in microseconds, from the statistics at its end."""
    content = pq.read_metadata(file)
    column = content.schema.names.index("time")
    groups = (content.row_group(number) for number in range(content.num_row_groups))
    return max((group.column(column).statistics.max_raw for group in groups), default=0)
