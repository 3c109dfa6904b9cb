"""Feedback: the true classes that clients send of predictions and of observations."""

from datetime import date
from pathlib import Path

import pandas as pd

from covertype.contract import CATEGORY_NAMES, FEATURE_NAMES, QUANTITY_NAMES
from covertype.data import predictions

_KEY = ["time", "prediction_id", "truth"]
_ANSWERED = ["model_version", *FEATURE_NAMES, "prediction"]
_TYPES = (
    dict.fromkeys(QUANTITY_NAMES, "Int16")
    | dict.fromkeys((*CATEGORY_NAMES, "model_version", "prediction_id"), "str")
    | {"truth": "int16", "prediction": "Int16"}
)


def read(folder: Path, since: date, predictions_folder: Path) -> pd.DataFrame:
    """Return the feedback of a day and later, as `Datasets.read_feedback` says."""
    files = predictions.days_files(folder, since)
    if not files:
        return pd.DataFrame(columns=[*_KEY, *_ANSWERED]).astype(_TYPES)
    rows = pd.concat([pd.read_parquet(file).astype(_TYPES) for file in files])
    rows = rows.sort_values("time", kind="stable")
    is_by_id = rows["prediction_id"] != ""
    by_id = rows.loc[is_by_id, _KEY].drop_duplicates("prediction_id", keep="last")
    found = predictions.find(predictions_folder, by_id["prediction_id"].tolist())
    joined = by_id.merge(
        found[["id", *_ANSWERED]], "left", left_on="prediction_id", right_on="id"
    ).drop(columns="id")
    whole = pd.concat([rows.loc[~is_by_id, [*_KEY, *_ANSWERED]], joined.astype(_TYPES)])
    return whole.sort_values("time", kind="stable", ignore_index=True)
