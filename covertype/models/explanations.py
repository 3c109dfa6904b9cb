"""Why a forest gives a class its probability: the contribution of each feature.

On its way through a tree an observation comes by nodes, each with the share of the class among the
training rows there. A step from one node to the next changes that share, and the change is the
contribution of the feature that the node asks. The shares at the roots are the bias. So bias and
contributions, as means over the trees, add up to the class's probability.

Source: A. Saabas, "Interpreting random forests", 2014,
http://blog.datadive.net/interpreting-random-forests/

A node may ask a column that an encoder made of features. A value of a category contributes for its
category. A derived column is the absolute value of a weighted sum of quantities: its contribution
is divided among them in proportion to the sizes of their weights, because a weight is how far one
unit of its quantity, a metre for all of them, moves the column.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from covertype.models.flat_forests import FIRST_DERIVED, FIRST_VALUES, MEASURED, VALUES
from covertype.rows.codes import WIDTH


class NoDecisionPaths(Exception):
    """A model that is not a forest can't be explained along decision paths."""


@dataclass(frozen=True)
class Explanation:
    """The probability of one class: `bias` and the sum of the contributions.

    `contributions` is float64 of shape (features,), in the contract's order. The sum differs from
    the probability by float64's rounding alone, less than 1e-12. A single contribution differs by
    up to 1e-7 from that of exact shares, because inner nodes keep theirs as float32.
    """

    bias: float
    contributions: npt.NDArray[np.float64]


def attribution(weights: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Return which part of an encoded column's contribution each feature has.

    Parameters
    ----------
    weights : ndarray of int, shape (quantities, derived)
        Those of the derived columns.

    Returns
    -------
    parts : ndarray of float, shape (encoded columns, features)
        The parts of a column that a node can ask have the sum 1.
    """
    parts = np.zeros((FIRST_DERIVED + weights.shape[1], WIDTH))
    parts[:WIDTH] = np.eye(WIDTH)
    for category, (first, count) in enumerate(zip(FIRST_VALUES, VALUES, strict=True), MEASURED):
        parts[first : first + count, category] = 1
    sizes = np.abs(weights.T).astype(np.float64)
    # A column without weights is constant, so no node asks it.
    parts[FIRST_DERIVED:, :MEASURED] = sizes / np.maximum(sizes.sum(axis=1, keepdims=True), 1)
    return parts
