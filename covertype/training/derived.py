"""The columns that forests split on beside the contract's, stated once.

A tree cuts one column at a time, so a boundary along a sum or a difference of columns takes it many
cuts. A derived column is the absolute value of a weighted sum of quantities, and makes such a
boundary a single cut. The sums of elevation and of two distances are known from Kaggle's "Forest
Cover Type Prediction" competition (2014). The others, chosen by measurement, turn the plane of the
distances to water, roads and fire points, which together tell where an observation lies.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from covertype.contract import QUANTITY_NAMES

_SHORT = {
    "Elevation": "Elevation",
    "Vertical_Distance_To_Hydrology": "Vertical_Hydrology",
    "Horizontal_Distance_To_Hydrology": "Hydrology",
    "Horizontal_Distance_To_Roadways": "Roadways",
    "Horizontal_Distance_To_Fire_Points": "Fire_Points",
}
_ELEVATION, _ABOVE_WATER, _WATER, _ROADS, _FIRE = _SHORT

_SUMS: Sequence[Mapping[str, int]] = (
    {_ELEVATION: 1, _ABOVE_WATER: -1},
    {_ELEVATION: 5, _WATER: -1},
    {_ELEVATION: 5, _ROADS: -1},
    {_ELEVATION: 5, _FIRE: -1},
    {_FIRE: 1, _ROADS: 1},
    {_FIRE: 1, _ROADS: -1},
    {_WATER: 1, _ROADS: 1},
    {_WATER: 1, _ROADS: -1},
    {_WATER: 1, _FIRE: 1},
    {_WATER: 1, _FIRE: -1},
    {_FIRE: 2, _ROADS: 1},
    {_FIRE: 2, _ROADS: -1},
    {_FIRE: 1, _ROADS: 2},
    {_FIRE: 1, _ROADS: -2},
    {_FIRE: 1, _ROADS: 1, _WATER: 1},
    {_FIRE: 1, _ROADS: 1, _WATER: -1},
    {_FIRE: 1, _ROADS: -1, _WATER: 1},
    {_FIRE: 1, _ROADS: -1, _WATER: -1},
)


def _name(weights: Mapping[str, int]) -> str:
    terms = [
        f"{'-' if weight < 0 else '+'}{'' if abs(weight) == 1 else f'{abs(weight)}*'}{_SHORT[name]}"
        for name, weight in weights.items()
    ]
    return f"|{''.join(terms).removeprefix('+')}|"


DERIVED: Mapping[str, Mapping[str, int]] = MappingProxyType({_name(sum_): sum_ for sum_ in _SUMS})
"""The weights of each derived column, by quantity; its name is its formula."""

DERIVED_NAMES: tuple[str, ...] = tuple(DERIVED)


def derived_weights() -> npt.NDArray[np.float32]:
    """Return the weights as a matrix, shape (quantities, derived columns).

    The derived columns of quantities are `abs(quantities @ derived_weights())`. The sums are whole
    numbers below 2**24 in size, so that float32 holds every one exactly.
    """
    return np.array(
        [[weights.get(name, 0) for weights in DERIVED.values()] for name in QUANTITY_NAMES],
        np.float32,
    )
