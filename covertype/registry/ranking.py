"""What makes one model better than another: of a search's candidates, and against Production."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Name = TypeVar("Name")


class Scores(NamedTuple):
    """What candidates are compared by: a share of correct answers, and a mean log loss."""

    accuracy: float
    log_loss: float


def best(candidates: Mapping[Name, Scores]) -> Name:
    """Return the most accurate candidate; on a tie the one with the smaller log loss.

    Raises
    ------
    ValueError
        If there are no candidates.
    """
    if not candidates:
        raise ValueError("there are no candidates to choose from")
    return max(candidates, key=lambda name: (candidates[name].accuracy, -candidates[name].log_loss))


def is_better(challenger: float, rival: float) -> bool:
    """Tell whether an accuracy beats another one on the same rows: a tie does not."""
    return challenger > rival


def floor_accuracy(classes: npt.NDArray[np.int64]) -> float:
    """Return the accuracy of always answering the most frequent class of `classes`, shape (n,)."""
    return float(np.bincount(classes).max() / len(classes))
