"""Predictors: how a version answers, and how its answers are proven."""

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
"""How far answers may be from those in training, where the order of a sum may differ."""

_PROVEN_ROWS = 2000


class NotFlattened(Exception):
    """A kept forest has no arrays in this release's layout; the follower will write them."""


class Predictor(Protocol):
    """Predicts the probabilities of the contract's classes, shape (n, 7)."""

    def answer(self, codes: Codes) -> npt.NDArray[np.float64]:
        """Predict a few rows, codes of shape (n, 12), in this thread."""

    def probabilities(self, codes: Codes) -> npt.NDArray[np.float64]:
        """Predict many rows, on all cores."""


class PipelinePredictor:
    """Predicts with the logged scikit-learn Pipeline: slower, but for any model."""

    def __init__(self, version: Path) -> None:
        self._model = load_model(version)

    def answer(self, codes: Codes) -> npt.NDArray[np.float64]:
        return class_probabilities(self._model, to_frame(codes))

    probabilities = answer


def open_predictor(version: Path, compiled: Path) -> Predictor:
    """Open the predictor in a version's folder: a forest's arrays, or another model's Pipeline.

    Raises
    ------
    NotFlattened
        If it is a forest that a former release kept; as a Pipeline it could take all memory.
    """
    arrays = ForestArrays.open(version)
    if arrays is not None:
        return ForestPredictor(arrays, compiled)
    if kept.open_forest(version) is not None:
        raise NotFlattened
    return PipelinePredictor(version)


def save_arrays(version: Path) -> None:
    """Write the flattened arrays of a version's model to its folder, if it is a forest.

    Raises
    ------
    ValueError
        If the folder holds no model of ours.
    """
    forest = kept.open_forest(version)
    if forest is None:
        log.warning("The model is not a forest: scikit-learn predicts, more slowly")
        return
    flatten(forest).save(version)


def prove(predictor: Predictor, card: Card) -> None:
    """Predict the golden rows and compare with the answers in training.

    Raises
    ------
    ValueError
        If there are no golden rows, or the answers differ.
    """
    if not card.golden_rows:
        raise ValueError("the model holds no golden rows to prove it with")
    _compare(
        predictor.answer(to_codes(card.golden_rows)),
        np.array(card.golden_probabilities),
        "golden rows otherwise than in training",
    )


def prove_equal(predictor: Predictor, version: Path) -> None:
    """Compare a predictor with scikit-learn's own trees, on rows from all the contract's ranges.

    The trees are read one at a time. For a model that is not a forest there is nothing to compare,
    because its Pipeline is the predictor.

    Raises
    ------
    ValueError
        If the answers differ.
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
    # Written this way, a NaN also counts as a difference.
    wrong = ~(np.abs(answered - expected).max(axis=1) <= _TOLERANCE)
    if wrong.any():
        raise ValueError(f"it answers {wrong.sum()} of {len(wrong)} {rows}")
