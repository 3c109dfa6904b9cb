"""Makes the answers of a model: classes, probabilities, and warnings of unusual values."""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from covertype.answers import BatchAnswer, ExplainedAnswer, Explanation, PredictionAnswer
from covertype.contract import CLASSES, FEATURE_NAMES, QUANTITIES
from covertype.rows.codes import Codes, Row
from inference.model.serving import ServedModel

_SHOWN_WARNINGS = 100


def answer_one(model: ServedModel, row: Row, prediction_id: str) -> PredictionAnswer:
    """Return the answer to one observation."""
    probabilities = model.predictor.answer(np.array([row], np.int16))[0].tolist()
    best = probabilities.index(max(probabilities))
    return PredictionAnswer(
        [best],
        CLASSES[best],
        dict(zip(CLASSES, probabilities, strict=True)),
        model.card.version,
        [
            _warning(model, name, value, low, high)
            for value, (name, low, high) in zip(row, model.ranges, strict=False)
            if not low <= value <= high
        ],
        prediction_id,
    )


def explain_one(model: ServedModel, row: Row, prediction_id: str) -> ExplainedAnswer:
    """Return the answer to one observation, and why its class is probable.

    Raises
    ------
    NoDecisionPaths
        If the model is not a forest.
    """
    answer = answer_one(model, row, prediction_id)
    explained = model.predictor.explain(np.array([row], np.int16), answer.prediction[0])
    contributions = dict(zip(FEATURE_NAMES, explained.contributions.tolist(), strict=True))
    return ExplainedAnswer(
        **msgspec.structs.asdict(answer), explanation=Explanation(explained.bias, contributions)
    )


def batch_answer(
    model: ServedModel,
    codes: Codes,
    probabilities: npt.NDArray[np.float64],
    prediction_id: str,
) -> BatchAnswer:
    """Return the answer to many observations, given their probabilities of shape (n, 7)."""
    predicted = probabilities.argmax(axis=1)
    return BatchAnswer(
        predicted.tolist(),
        np.array(CLASSES, object)[predicted].tolist(),
        dict(zip(CLASSES, probabilities.T.tolist(), strict=True)),
        model.card.version,
        batch_warnings(model, codes),
        prediction_id,
    )


def batch_warnings(model: ServedModel, codes: Codes) -> list[str]:
    """Name the first hundred values outside the training ranges, each with its row."""
    low, high = np.array([bounds for _, *bounds in model.ranges]).T
    measured = codes[:, : len(QUANTITIES)]
    outside = np.argwhere((measured < low) | (measured > high))
    shown = [
        f"row {row}: " + _warning(model, name, int(measured[row, column]), lowest, highest)
        for row, column in outside[:_SHOWN_WARNINGS].tolist()
        for name, lowest, highest in [model.ranges[column]]
    ]
    if len(outside) > _SHOWN_WARNINGS:
        shown.append(f"and {len(outside) - _SHOWN_WARNINGS} other values outside these ranges")
    return shown


def _warning(model: ServedModel, name: str, value: Any, low: int, high: int) -> str:
    version = model.card.version
    return f"{name} {value} is outside what version {version} was trained on ({low} to {high})"
