"""Scores of a model on rows of known classes, and its feature importances."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    mean_squared_error,
    recall_score,
)
from sklearn.pipeline import Pipeline

from covertype.contract import CLASSES
from covertype.training.encoding import encoded_names

_LABELS = np.arange(len(CLASSES))


@dataclass(frozen=True)
class Evaluation:
    """Scores on rows of known classes.

    `metrics` by name: accuracy, mse (of class numbers), f1_macro, log_loss, and recall by class
    for the classes that the rows have. `confusion` counts true classes down, predicted across.
    """

    metrics: dict[str, float]
    confusion: npt.NDArray[np.int64]


def score(probabilities: npt.NDArray[np.float64], classes: npt.NDArray[np.int64]) -> Evaluation:
    """Score answers, the probabilities of all classes, shape (n, 7), to known classes, (n,)."""
    predicted = probabilities.argmax(axis=1)
    present = np.unique(classes)
    recalls = recall_score(classes, predicted, labels=present, average=None)
    metrics = {
        "accuracy": accuracy_score(classes, predicted),
        "mse": mean_squared_error(classes, predicted),
        "f1_macro": f1_score(classes, predicted, labels=present, average="macro"),
        "log_loss": log_loss(classes, probabilities, labels=_LABELS),
        **{recall_name(label): recall for label, recall in zip(present, recalls, strict=True)},
    }
    return Evaluation(
        {name: float(value) for name, value in metrics.items()},
        confusion_matrix(classes, predicted, labels=_LABELS),
    )


def recall_name(label: int) -> str:
    """Return the name of the metric that holds a class's recall."""
    return f"recall_{label}_{metric_name(CLASSES[label])}"


def metric_name(label: str) -> str:
    """Return a class's name in the characters that MLflow allows in a metric's name."""
    return label.lower().replace("/", "_").replace(" ", "_").replace("-", "_")


def importances(model: Pipeline) -> "pd.Series[float]":
    """Return the importance of each column that the classifier sees, largest first.

    The forest's mean decrease in impurity, or the mean size of a scaled column's coefficients.
    """
    classifier = model[-1]
    if hasattr(classifier, "feature_importances_"):
        weights = classifier.feature_importances_
    else:
        weights = np.abs(classifier.coef_).mean(axis=0)
    names = encoded_names(classifier.n_features_in_)
    return pd.Series(weights, index=names).sort_values(ascending=False)
