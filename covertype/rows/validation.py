"""What makes an observation acceptable, for one row of a request and for a file of rows.

Both ways apply the rules of `covertype.contract` and refuse in the contract's own words.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from covertype.contract import (
    CATEGORIES,
    COLUMNS,
    FEATURE_NAMES,
    FEATURES,
    QUANTITIES,
    TARGET,
    Category,
    Feature,
    Quantity,
)

REASON = "reason"

_WHOLE_NUMBER = r"\s*[+-]?[0-9]+(?:\.0*)?\s*"
"""As text. What is read as a float is rounded: 1e-400 would be 0."""

Observation = tuple[int | str, ...]
"""The twelve features in the contract's order: ten integers, an area's and a soil's name."""


class InvalidObservation(ValueError):
    """One row breaks the contract.

    Attributes
    ----------
    errors : dict of str to str
        What is wrong and what is allowed, by the name of the feature ("" for the row itself).
    """

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__("; ".join(errors.values()))


def parse_observation(features: Sequence[Any] | Mapping[str, Any]) -> Observation:
    """Read one observation as a client sends it.

    Parameters
    ----------
    features : sequence of 12 values in the contract's order, or mapping by column name
        Whole numbers (3000 or 3000.0) for quantities; a name or its index for categories.

    Raises
    ------
    InvalidObservation
        If a feature is missing, unknown or breaks its rule; every fault is named.
    """
    if isinstance(features, Mapping):
        features = _in_order(features)
    elif len(features) != len(FEATURES):
        raise InvalidObservation(
            {
                "": f"features must hold {len(FEATURES)} values in this order: "
                f"{', '.join(FEATURE_NAMES)}; got {len(features)}"
            }
        )
    parsed: list[int | str] = []
    errors: dict[str, str] = {}
    for feature, value in zip(FEATURES, features, strict=True):
        known = _parse(feature, value)
        if known is None:
            errors[feature.name] = f"{feature.rule}, got {_shown(value)}"
        else:
            parsed.append(known)
    if errors:
        raise InvalidObservation(errors)
    return tuple(parsed)


def _in_order(features: Mapping[str, Any]) -> list[Any]:
    missing = [name for name in FEATURE_NAMES if name not in features]
    unknown = [str(name) for name in features if name not in FEATURE_NAMES]
    errors = {name: f"{name} is missing" for name in missing}
    errors |= {
        name: f"{name[:80]} is no feature; the features are {', '.join(FEATURE_NAMES)}"
        for name in unknown[:5]
    }
    if errors:
        raise InvalidObservation(errors)
    return [features[name] for name in FEATURE_NAMES]


def _parse(feature: Feature, value: Any) -> int | str | None:
    if isinstance(feature, Category) and isinstance(value, str):
        return value if value in feature.descriptions else None
    number = _whole(value)
    if number is None:
        return None
    if isinstance(feature, Category):
        return feature.values[number] if 0 <= number < len(feature.values) else None
    return number if feature.minimum <= number <= feature.maximum else None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def split_valid(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part rows of text into typed valid ones and rejected ones.

    Parameters
    ----------
    rows : DataFrame of str, shape (n, 13)
        Columns as in `COLUMNS`; a missing cell is NaN. Categories come as names.

    Returns
    -------
    valid : DataFrame
        Quantities and class as int16, categories as str; the index of `rows` is kept.
    rejected : DataFrame
        The other rows as they came, and a column `reason`.
    """
    reasons = pd.Series("", index=rows.index, dtype=object)
    typed: dict[str, pd.Series] = {}
    for quantity in (*QUANTITIES, TARGET):
        typed[quantity.name], good = _check_quantity(rows[quantity.name], quantity)
        _refuse(reasons, rows[quantity.name], good, quantity)
    for category in CATEGORIES:
        typed[category.name] = rows[category.name].str.strip()
        _refuse(reasons, rows[category.name], typed[category.name].isin(category.values), category)
    accepted = reasons == ""
    valid = pd.DataFrame({name: typed[name][accepted] for name in COLUMNS})
    numeric = {quantity.name: np.int16 for quantity in (*QUANTITIES, TARGET)}
    rejected = rows[~accepted].assign(**{REASON: reasons[~accepted]})
    return valid.astype(numeric), rejected


def _check_quantity(text: "pd.Series[str]", quantity: Quantity) -> tuple[pd.Series, pd.Series]:
    number = pd.to_numeric(text, errors="coerce")
    in_range = number.between(quantity.minimum, quantity.maximum)
    return number, in_range & text.str.fullmatch(_WHOLE_NUMBER, na=False)


def _refuse(reasons: pd.Series, raw: pd.Series, good: pd.Series, feature: Feature) -> None:
    bad = ~good
    if bad.any():
        shown = raw[bad].map(lambda value: "nothing" if pd.isna(value) else _shown(value))
        reasons[bad] += reasons[bad].map(lambda reason: "; " if reason else "")
        reasons[bad] += f"{feature.rule}, got " + shown
