"""Predictors: the form in which a logged model serves, and the proof of its answers.

A forest serves as flat arrays, any other model as its Pipeline. The inference service and the
promotion gate use the same functions, so the gate measures what will serve.
"""

import logging
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from covertype.contract import CATEGORIES, CLASSES, QUANTITIES
from covertype.models.artifact import MODEL_FILE, Proof, class_probabilities, load_model
from covertype.models.explanations import Explanation, NoDecisionPaths
from covertype.models.flat_forests import ForestArrays, flatten
from covertype.models.forest_walks import ForestPredictor
from covertype.models.stored_forests import StoredForest
from covertype.rows.codes import Codes, to_codes, to_frame

log = logging.getLogger(__name__)

_TOLERANCE = 1e-9
"""How far answers may be from those in training, where the order of a sum may differ."""

_PROVEN_ROWS = 2000


class NotFlattened(Exception):
    """A forest's folder holds no arrays in this release's layout: `save_arrays` writes them."""


class Predictor(Protocol):
    """Predicts the probabilities of the contract's classes, shape (n, 7)."""

    def answer(self, codes: Codes) -> npt.NDArray[np.float64]:
        """Predict a few rows, codes of shape (n, 12), in this thread."""

    def probabilities(self, codes: Codes) -> npt.NDArray[np.float64]:
        """Predict many rows, on all cores."""

    def explain(self, codes: Codes, label: int) -> Explanation:
        """Explain the probability of a class for one row, codes of shape (1, 12).

        Raises
        ------
        NoDecisionPaths
            If the model is not a forest.
        """


class PipelinePredictor:
    """Predicts with the logged scikit-learn Pipeline: slower, but for any model."""

    def __init__(self, folder: Path) -> None:
        self._model = load_model(folder)

    def answer(self, codes: Codes) -> npt.NDArray[np.float64]:
        return class_probabilities(self._model, to_frame(codes))

    probabilities = answer

    def explain(self, codes: Codes, label: int) -> Explanation:
        raise NoDecisionPaths


def open_forest(folder: Path) -> StoredForest | None:
    """Open the logged model in a folder; None if it is not a forest.

    Raises
    ------
    ValueError
        If the folder holds no model of this platform.
    """
    return StoredForest.open(folder / MODEL_FILE)


def open_predictor(folder: Path, compiled: Path) -> Predictor:
    """Open the predictor of the model in a folder: a forest's arrays, or another model's Pipeline.

    Parameters
    ----------
    folder : Path
        Holds a logged model and, if it is a forest, what `save_arrays` wrote.
    compiled : Path
        Where the machine code is kept.

    Raises
    ------
    NotFlattened
        If it is a forest without arrays; as a Pipeline it could take all memory.
    """
    arrays = ForestArrays.open(folder)
    if arrays is not None:
        return ForestPredictor(arrays, compiled)
    if open_forest(folder) is not None:
        raise NotFlattened
    return PipelinePredictor(folder)


def save_arrays(folder: Path) -> None:
    """Write the flattened arrays of the model in a folder beside it, if it is a forest.

    Raises
    ------
    ValueError
        If the folder holds no model of this platform.
    """
    forest = open_forest(folder)
    if forest is None:
        log.warning("The model is not a forest: scikit-learn predicts, more slowly")
        return
    flatten(forest).save(folder)


def prove(predictor: Predictor, proof: Proof) -> None:
    """Predict the golden rows and compare with the answers in training.

    Raises
    ------
    ValueError
        If there are no golden rows, or the answers differ.
    """
    if not proof.golden_rows:
        raise ValueError("the model holds no golden rows to prove it with")
    _compare(
        predictor.answer(to_codes(proof.golden_rows)),
        np.array(proof.golden_probabilities),
        "golden rows otherwise than in training",
    )


def prove_explained(predictor: Predictor, proof: Proof) -> None:
    """Explain the golden rows, and compare the sums of the contributions with the probabilities.

    Afterwards the machine code for explanations is ready. There is nothing to prove for a model
    that is not a forest.

    Raises
    ------
    ValueError
        If a sum differs.
    """
    codes = to_codes(proof.golden_rows)
    answered = predictor.answer(codes)
    try:
        explained = [
            predictor.explain(codes[row : row + 1], int(label))
            for row, label in enumerate(answered.argmax(axis=1))
        ]
    except NoDecisionPaths:
        return
    sums = np.array([one.bias + one.contributions.sum() for one in explained])
    wrong = ~(np.abs(sums - answered.max(axis=1)) <= _TOLERANCE)
    if wrong.any():
        raise ValueError(f"it explains {wrong.sum()} of {len(wrong)} golden rows wrongly")


def prove_equal(predictor: Predictor, folder: Path) -> None:
    """Compare a predictor with scikit-learn's own trees, on rows from all the contract's ranges.

    The trees are read one at a time. For a model that is not a forest there is nothing to compare,
    because its Pipeline is the predictor.

    Raises
    ------
    ValueError
        If the answers differ.
    """
    forest = open_forest(folder)
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
    wrong = count_unequal(answered, expected)
    if wrong:
        raise ValueError(f"it answers {wrong} of {len(answered)} {rows}")


def count_unequal(answered: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> int:
    """Return how many rows differ in any class, by more than the order of a sum explains."""
    # Written this way, a NaN also counts as a difference.
    return int((~(np.abs(answered - expected).max(axis=1, initial=0) <= _TOLERANCE)).sum())
