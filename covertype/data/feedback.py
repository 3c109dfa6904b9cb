"""Feedback: the true classes that clients send of predictions and of observations."""

from collections.abc import Sequence
from datetime import date, timedelta

import pandas as pd

from covertype.contract import CATEGORY_NAMES, FEATURE_NAMES, QUANTITY_NAMES
from covertype.data import predictions
from covertype.data.predictions import LogFile
from covertype.data.processed import read_metadata
from covertype.storage import Store

_KEY = ["time", "prediction_id", "truth"]
_ANSWERED = ["model_version", *FEATURE_NAMES, "prediction"]
_TYPES = (
    dict.fromkeys(QUANTITY_NAMES, "Int16")
    | dict.fromkeys((*CATEGORY_NAMES, "model_version", "prediction_id"), "str")
    | {"truth": "int16", "prediction": "Int16"}
)


_ANSWERED_BEFORE = timedelta(days=30)
"""True classes of earlier predictions than this before the first day are not joined."""

_LARGEST_ROWS = 1_000_000
"""The newest feedback that is read; more would not change an accuracy, but fill the memory."""


def read(folder: Store, since: date, predictions_folder: Store) -> pd.DataFrame:
    """Return the feedback of a day and later, as `Datasets.read_feedback` says."""
    files = predictions.days_files(folder, since)
    if not files:
        return pd.DataFrame(columns=[*_KEY, *_ANSWERED]).astype(_TYPES)
    rows = pd.concat([_read(one) for one in _newest(files)])
    rows = rows.sort_values("time", kind="stable")
    is_by_id = rows["prediction_id"] != ""
    by_id = rows.loc[is_by_id, _KEY].drop_duplicates("prediction_id", keep="last")
    ids, earliest = by_id["prediction_id"].tolist(), _before(since, _ANSWERED_BEFORE)
    found = predictions.find(predictions_folder, ids, earliest)
    joined = by_id.merge(
        found[["id", *_ANSWERED]], "left", left_on="prediction_id", right_on="id"
    ).drop(columns="id")
    whole = pd.concat([rows.loc[~is_by_id, [*_KEY, *_ANSWERED]], joined.astype(_TYPES)])
    return whole.sort_values("time", kind="stable", ignore_index=True)


def _read(one: LogFile) -> pd.DataFrame:
    with one.open() as file:
        return pd.read_parquet(file).astype(_TYPES)


def _newest(files: Sequence[LogFile]) -> list[LogFile]:
    """Return the newest files, with as many rows as may be read; at least one."""
    kept: list[LogFile] = []
    rows = 0
    for one in reversed(files):
        rows += read_metadata(one.folder, one.name).num_rows
        if kept and rows > _LARGEST_ROWS:
            break
        kept.append(one)
    return kept[::-1]


def _before(day: date, span: timedelta) -> date:
    return day - span if day - date.min > span else date.min
