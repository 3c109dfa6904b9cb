"""Which candidate of a search is the best."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

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
