"""The pictures show every figure, and nothing of them is cut off."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from covertype.contract import CLASSES
from covertype.training.encoding import ONE_HOT_NAMES, TREE_NAMES
from covertype.training.figures import draw_confusion, draw_importances

WHITE = (255, 255, 255)


def colors(image: Image.Image, pixels: int = 1) -> set[tuple[int, ...]]:
    """Return the colours that at least so many pixels have."""
    found = image.getcolors(maxcolors=image.width * image.height) or []
    return {color for count, color in found if count >= pixels and isinstance(color, tuple)}


def edges(image: Image.Image) -> set[tuple[int, ...]]:
    """Return the colours of the outermost pixels."""
    width, height = image.size
    boxes = [
        *((0, 0, width, 1), (0, height - 1, width, height)),
        *((0, 0, 1, height), (width - 1, 0, width, height)),
    ]
    return {color for box in boxes for color in colors(image.crop(box))}


def test_a_cell_is_the_darker_the_larger_its_share_of_the_true_class() -> None:
    confusion = np.zeros((len(CLASSES), len(CLASSES)), int)
    confusion[:, :3] = [10, 20, 70]
    fills = sorted(colors(draw_confusion(confusion), pixels=10_000), key=sum)
    assert fills[-1] == WHITE
    shares = [1 - (sum(fill) - 153) / (765 - 153) for fill in fills]
    assert shares == pytest.approx([0.7, 0.2, 0.1, 0], abs=0.01)


@pytest.mark.parametrize("count", [0, 1, 99_999])
def test_no_part_of_a_confusion_matrix_is_cut_off(count: int) -> None:
    assert edges(draw_confusion(np.full((len(CLASSES), len(CLASSES)), count))) == {WHITE}


@pytest.mark.parametrize("names", [ONE_HOT_NAMES, TREE_NAMES])
@pytest.mark.parametrize("weight", [0.0, 1e-4, 123.4])
def test_no_name_and_no_bar_of_importances_is_cut_off(names: list[str], weight: float) -> None:
    by_length = sorted(names, key=len, reverse=True)
    assert edges(draw_importances(pd.Series(weight, index=by_length))) == {WHITE}


def test_only_the_largest_importances_are_drawn() -> None:
    weights = pd.Series(np.linspace(1, 0.1, 54), index=list(ONE_HOT_NAMES))
    assert draw_importances(weights, 3).height < draw_importances(weights, 20).height
    assert draw_importances(weights.head(2)).height < draw_importances(weights, 3).height
