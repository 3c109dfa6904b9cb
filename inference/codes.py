"""Observations as the numbers that models are asked with: twelve int16, categories as indexes.

Every number of the contract fits, and a row is 24 bytes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from covertype.contract import CATEGORIES, FEATURE_NAMES, QUANTITIES, QUANTITY_NAMES
from covertype.validation import Observation

Codes = npt.NDArray[np.int16]
"""Shape (n, 12), C order, in the contract's order."""

_INDEXES = [
    {value: index for index, value in enumerate(category.values)} for category in CATEGORIES
]


def to_codes(observations: Sequence[Observation]) -> Codes:
    """Return valid observations as numbers."""
    rows = [
        (*row[: len(QUANTITIES)], *_category_codes(row[len(QUANTITIES) :])) for row in observations
    ]
    return np.array(rows, np.int16).reshape(-1, len(FEATURE_NAMES))


def _category_codes(names: Sequence[int | str]) -> list[int]:
    return [indexes[str(name)] for indexes, name in zip(_INDEXES, names, strict=True)]


def to_frame(codes: Codes) -> pd.DataFrame:
    """Return numbers as the raw twelve columns, as a model was trained on."""
    frame = pd.DataFrame(codes[:, : len(QUANTITIES)].astype(np.int64), columns=list(QUANTITY_NAMES))
    for offset, category in enumerate(CATEGORIES, len(QUANTITIES)):
        frame[category.name] = np.array(category.values, object)[codes[:, offset]]
    return frame
