"""Predictions: what was asked of the inference service, and what it answered."""

from datetime import date
from pathlib import Path

import pandas as pd

from covertype.contract import FEATURE_NAMES


def read(folder: Path, since: date) -> pd.DataFrame:
    """Return the answered predictions of a day and later, as `Datasets.read_predictions` says."""
    kept = [file for file in folder.glob("*/*.parquet") if file.parent.name >= since.isoformat()]
    columns = ["time", "model_version", *FEATURE_NAMES, "prediction", "probability"]
    if not kept:
        return pd.DataFrame(columns=columns)
    return pd.concat([pd.read_parquet(file, columns=columns) for file in kept])
