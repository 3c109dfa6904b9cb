"""Columns that the files of several logs have."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from covertype.contract import CATEGORIES, FEATURE_NAMES
from covertype.rows.codes import Codes

_NAMES = {category.name: category.values for category in CATEGORIES}


def time_column(seconds: npt.NDArray[np.float64]) -> pa.Array:
    """Return seconds since 1970 as times in UTC."""
    return pa.array((seconds * 1e6).astype("datetime64[us]")).cast(pa.timestamp("us", "UTC"))


def feature_columns(
    codes: Codes, missing: npt.NDArray[np.bool_] | None = None
) -> dict[str, pa.Array]:
    """Return observations by column name, categories by name.

    Parameters
    ----------
    codes : Codes, shape (n, 12)
    missing : array of bool, shape (n,), optional
        Which rows are no observations.
    """
    columns: dict[str, pa.Array] = {}
    for number, name in enumerate(FEATURE_NAMES):
        column = pa.array(np.ascontiguousarray(codes[:, number]), mask=missing)
        columns[name] = (
            pa.DictionaryArray.from_arrays(column, pa.array(_NAMES[name]))
            if name in _NAMES
            else column
        )
    return columns
