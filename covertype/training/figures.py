"""Pictures of an evaluation, for people who compare runs."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from covertype.contract import CLASSES


def _figure(left: float, bottom: float) -> Figure:
    # Fixed margins, in shares of the figure: to find them out, matplotlib would draw it twice.
    figure = Figure(figsize=(8, 7))
    figure.subplots_adjust(left=left, bottom=bottom, right=0.97, top=0.97)
    return figure


def draw_confusion(confusion: npt.NDArray[np.int64]) -> Figure:
    """Draw a confusion matrix: colours by share of the true class, numbers as counts."""
    figure = _figure(left=0.23, bottom=0.2)
    axes = figure.subplots()
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Greens", vmin=0, vmax=1)
    for true, predicted in np.ndindex(*confusion.shape):
        color = "white" if share[true, predicted] > 0.5 else "black"
        axes.text(
            predicted, true, str(confusion[true, predicted]), ha="center", va="center", color=color
        )
    axes.set_xticks(range(len(CLASSES)), CLASSES, rotation=45, ha="right")
    axes.set_yticks(range(len(CLASSES)), CLASSES)
    axes.set_xlabel("Predicted")
    axes.set_ylabel("True")
    figure.colorbar(image, label="Share of the true class")
    return figure


def draw_importances(weights: "pd.Series[float]", shown: int = 20) -> Figure:
    """Draw the largest importances as bars."""
    figure = _figure(left=0.38, bottom=0.08)
    axes = figure.subplots()
    top = weights.head(shown)[::-1]
    axes.barh(list(top.index), top.to_numpy(), color="#2e7d32")
    axes.set_xlabel("Importance")
    return figure
