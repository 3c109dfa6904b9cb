"""Pictures of an evaluation, for people who compare runs.

With matplotlib they took as long as all else that a small model's run logs; Pillow takes a fifth.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from covertype.contract import CLASSES

_FONT = ImageFont.load_default(14)
_GREEN = (27, 94, 32)
_MARGIN = 10
_NAMES_WIDTH = 150
_CELL_WIDTH, _CELL_HEIGHT = 135, 80
_COLUMNS_WIDTH, _BARS_WIDTH, _BAR_HEIGHT = 280, 480, 30


def draw_confusion(confusion: npt.NDArray[np.int64]) -> Image.Image:
    """Draw a confusion matrix: colours by share of the true class, numbers as counts."""
    left, top = _NAMES_WIDTH + _MARGIN, 3 * _CELL_HEIGHT // 4
    width, height = len(CLASSES) * _CELL_WIDTH, len(CLASSES) * _CELL_HEIGHT
    image, draw = _canvas(left + width + _MARGIN, top + height + _CELL_HEIGHT // 2)
    heading = "Rows: true class. Columns: predicted class. Colour: share of the true class."
    draw.text((left + width / 2, top / 2), heading, "black", _FONT, "mm")
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    for (true, predicted), count in np.ndenumerate(confusion):
        x, y = left + predicted * _CELL_WIDTH, top + true * _CELL_HEIGHT
        draw.rectangle((x, y, x + _CELL_WIDTH, y + _CELL_HEIGHT), _green(share[true, predicted]))
        color = "white" if share[true, predicted] > 0.5 else "black"
        draw.text((x + _CELL_WIDTH / 2, y + _CELL_HEIGHT / 2), f"{count:,}", color, _FONT, "mm")
    for number, name in enumerate(CLASSES):
        middle = top + (number + 0.5) * _CELL_HEIGHT
        draw.text((left - _MARGIN, middle), name, "black", _FONT, "rm")
        middle = left + (number + 0.5) * _CELL_WIDTH
        draw.text((middle, top + height + _CELL_HEIGHT / 4), name, "black", _FONT, "mm")
    return image


def draw_importances(weights: "pd.Series[float]", shown: int = 20) -> Image.Image:
    """Draw the largest importances as bars."""
    top = weights.head(shown)
    largest = max(float(top.iloc[0]), np.finfo(float).tiny)
    image, draw = _canvas(
        _COLUMNS_WIDTH + _BARS_WIDTH + 8 * _MARGIN, len(top) * _BAR_HEIGHT + 2 * _MARGIN
    )
    for number, (name, weight) in enumerate(top.items()):
        middle = _MARGIN + (number + 0.5) * _BAR_HEIGHT
        end = _COLUMNS_WIDTH + _BARS_WIDTH * float(weight) / largest
        draw.text((_COLUMNS_WIDTH - _MARGIN, middle), str(name), "black", _FONT, "rm")
        draw.rectangle(
            (_COLUMNS_WIDTH, middle - _BAR_HEIGHT / 3, end, middle + _BAR_HEIGHT / 3), _GREEN
        )
        draw.text((end + _MARGIN, middle), f"{weight:.4f}", "black", _FONT, "lm")
    return image


def _canvas(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (width, height), "white")
    return image, ImageDraw.Draw(image)


def _green(share: float) -> tuple[int, ...]:
    return tuple(round(255 + share * (channel - 255)) for channel in _GREEN)
