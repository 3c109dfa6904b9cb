"""The split into training, selection and judgement; it depends on the observation alone."""

from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pandas as pd

from covertype.contract import CATEGORIES, QUANTITIES

TEST_SHARE = 0.2
"""The share of distinct observations that no model is trained on: selection and judgement."""

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


class Purpose(IntEnum):
    """What an observation is used for.

    Models are trained on `TRAINING`, the best is selected on `SELECTION`, and the promotion gate
    judges it on `JUDGEMENT`, on which nothing is ever selected.
    """

    TRAINING = 0
    SELECTION = 1
    JUDGEMENT = 2


def purposes(observations: pd.DataFrame) -> npt.NDArray[np.uint8]:
    """Return the purpose of each row.

    A hash of the twelve features decides, so the answer for an observation is the same on every
    machine, in every run and in every later version of the data, and equal observations stay
    together. The hash is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014) chained over the features as integers.

    Parameters
    ----------
    observations : DataFrame, shape (n, ≥ 12)
        Valid rows with the features as columns, in any order.

    Returns
    -------
    ndarray of uint8, shape (n,)
        Values of `Purpose`. `SELECTION` and `JUDGEMENT` have half of `TEST_SHARE` each.
    """
    state = np.zeros(len(observations), dtype=np.uint64)
    for column in _as_integers(observations):
        state = _splitmix64(state ^ column.astype(np.int64).view(np.uint64))
    result = np.full(len(observations), Purpose.TRAINING, np.uint8)
    result[state < _part_of_all(TEST_SHARE)] = Purpose.SELECTION
    result[state < _part_of_all(TEST_SHARE / 2)] = Purpose.JUDGEMENT
    return result


def _part_of_all(share: float) -> np.uint64:
    return np.uint64(int(share * 2**64))


def _as_integers(observations: pd.DataFrame) -> list[npt.NDArray[np.int64]]:
    columns = [observations[quantity.name].to_numpy(np.int64) for quantity in QUANTITIES]
    for category in CATEGORIES:
        codes = pd.Categorical(observations[category.name], categories=list(category.values)).codes
        columns.append(np.asarray(codes, dtype=np.int64))
    return columns


def _splitmix64(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    state = state + _GAMMA
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))
