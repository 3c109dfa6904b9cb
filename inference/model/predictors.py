"""What answers: a version's weights, behind one function."""

import logging
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from covertype.contract import CATEGORIES, CLASSES, QUANTITIES
from covertype.models.artifact import class_probabilities, load_model
from covertype.rows.codes import Codes, to_codes, to_frame
from inference.model import kept
from inference.model.cards import Card
from inference.model.forest import ForestArrays, ForestPredictor, flatten

log = logging.getLogger(__name__)

_TOLERANCE = 1e-9
"""How far a proven copy may be from the answers of training: a sum's order may differ there."""

_PROVEN_ROWS = 2000


class NotFlattened(Exception):
    """A kept forest has no arrays of this release's layout; the follower makes them."""


class Predictor(Protocol):
    """Answers with the probabilities of the contract's classes, shape (n, 7)."""

    def answer(self, codes: Codes) -> npt.NDArray[np.float64]:
        """Answer a few rows, codes of shape (n, 12), in this thread."""

    def probabilities(self, codes: Codes) -> npt.NDArray[np.float64]:
        """Answer many rows, on all cores."""


class PipelinePredictor:
    """The logged scikit-learn Pipeline itself: for any model, at scikit-learn's pace."""

    def __init__(self, version: Path) -> None:
        self._model = load_model(version)

    def answer(self, codes: Codes) -> npt.NDArray[np.float64]:
        return class_probabilities(self._model, to_frame(codes))

    probabilities = answer


def open_predictor(version: Path, compiled: Path) -> Predictor:
    """Return what answers from a version's folder: a forest's arrays, or another model's Pipeline.

    Raises
    ------
    NotFlattened
        If it is a forest that a former release kept. As a Pipeline it could take all memory.
    """
    arrays = ForestArrays.open(version)
    if arrays is not None:
        return ForestPredictor(arrays, compiled)
    if kept.open_forest(version) is not None:
        raise NotFlattened
    return PipelinePredictor(version)


def save_arrays(version: Path) -> None:
    """Flatten a version's model beside it, if it is a forest.

    Raises
    ------
    ValueError
        If the folder holds no model of ours.
    """
    forest = kept.open_forest(version)
    if forest is None:
        log.warning("It is no forest: scikit-learn answers, more slowly")
        return
    flatten(forest).save(version)


def prove(predictor: Predictor, card: Card) -> None:
    """Ask the golden rows again.

    Raises
    ------
    ValueError
        If there are none, or the answers are not those of training.
    """
    if not card.golden_rows:
        raise ValueError("the model holds no golden rows to prove it with")
    _compare(
        predictor.answer(to_codes(card.golden_rows)),
        np.array(card.golden_probabilities),
        "golden rows otherwise than in training",
    )


def prove_equal(predictor: Predictor, version: Path) -> None:
    """Ask rows from all over the contract's ranges of a predictor and of the stored forest.

    scikit-learn's own trees answer, one at a time. For another model there is nothing to compare:
    its Pipeline is the predictor.

    Raises
    ------
    ValueError
        If they differ.
    """
    forest = kept.open_forest(version)
    if forest is None:
        return
    random = np.random.default_rng(0)
    columns: list[Any] = [(quantity.minimum, quantity.maximum) for quantity in QUANTITIES]
    columns += [(0, len(category.values) - 1) for category in CATEGORIES]
    codes = np.stack(
        [random.integers(low, high, _PROVEN_ROWS, endpoint=True) for low, high in columns], axis=1
    ).astype(np.int16)
    logged = forest.probabilities_of(to_frame(codes))
    _compare(predictor.answer(codes), logged, "rows otherwise than its Pipeline")


def _compare(
    answered: npt.NDArray[np.float64], expected: npt.NDArray[np.float64], rows: str
) -> None:
    if expected.shape != (len(answered), len(CLASSES)):
        raise ValueError(f"the golden probabilities have shape {expected.shape}")
    # Written so that a NaN is a difference too.
    wrong = ~(np.abs(answered - expected).max(axis=1) <= _TOLERANCE)
    if wrong.any():
        raise ValueError(f"it answers {wrong.sum()} of {len(wrong)} {rows}")
