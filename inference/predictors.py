"""What answers: a version's weights, behind one function."""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from inference.cards import Card
from inference.codes import Codes, to_codes, to_frame

CARD_FILE = "card.json"

_TOLERANCE = 1e-9
"""How far a proven copy may be from the answers of training: a sum's order may differ there."""


class Predictor(Protocol):
    """Answers with the probabilities of the contract's classes."""

    def probabilities(self, codes: Codes) -> npt.NDArray[np.float64]:
        """Return the probabilities, shape (n, 7), for codes of shape (n, 12)."""


class PipelinePredictor:
    """The logged scikit-learn Pipeline itself: for any model, at scikit-learn's pace."""

    def __init__(self, folder: Path) -> None:
        from covertype.models import class_probabilities, load_model

        self._model = load_model(folder)
        self._class_probabilities = class_probabilities

    def probabilities(self, codes: Codes) -> npt.NDArray[np.float64]:
        return self._class_probabilities(self._model, to_frame(codes))


def prove(predictor: Predictor, card: Card) -> None:
    """Ask the golden rows again.

    Raises
    ------
    ValueError
        If there are none, or the answers are not those of training.
    """
    if not card.golden_rows:
        raise ValueError("the model holds no golden rows to prove it with")
    expected = np.array(card.golden_probabilities)
    answered = predictor.probabilities(to_codes([tuple(row) for row in card.golden_rows]))
    wrong = np.abs(answered - expected).max(axis=1) > _TOLERANCE
    if wrong.any():
        raise ValueError(
            f"it answers {wrong.sum()} of {len(wrong)} golden rows otherwise than in training"
        )
