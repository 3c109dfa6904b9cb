"""Observations as the numbers that models are asked with: twelve int16, categories as indexes.

Every number of the contract fits, and a row is 24 bytes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from covertype.contract import CATEGORIES, FEATURE_NAMES, QUANTITIES, QUANTITY_NAMES

Row = tuple[int, ...]
"""One observation: twelve whole numbers in the contract's order."""

Codes = npt.NDArray[np.int16]
"""Shape (n, 12), C order, in the contract's order."""

WIDTH = len(FEATURE_NAMES)
_MEASURED = len(QUANTITIES)

# By name and by index, as clients may send either; 3.0 finds what 3 does.
_AREAS, _SOILS = (
    {key: index for index, value in enumerate(category.values) for key in (value, index)}
    for category in CATEGORIES
)


def to_row(values: Sequence[Any]) -> Row:
    """Return one valid observation, as a client may send it, as numbers."""
    return (*map(int, values[:_MEASURED]), _AREAS[values[_MEASURED]], _SOILS[values[-1]])


def to_codes(observations: Sequence[Sequence[Any]]) -> Codes:
    """Return valid observations, as clients may send them, as numbers."""
    codes = np.empty((len(observations), WIDTH), np.int16)
    for number in range(_MEASURED):
        codes[:, number] = [row[number] for row in observations]
    for number, indexes in ((_MEASURED, _AREAS), (_MEASURED + 1, _SOILS)):
        codes[:, number] = [indexes[row[number]] for row in observations]
    return codes


def to_frame(codes: Codes) -> pd.DataFrame:
    """Return numbers as the raw twelve columns, as a model was trained on."""
    frame = pd.DataFrame(codes[:, :_MEASURED].astype(np.int64), columns=list(QUANTITY_NAMES))
    for number, category in enumerate(CATEGORIES, _MEASURED):
        frame[category.name] = np.array(category.values, object)[codes[:, number]]
    return frame
