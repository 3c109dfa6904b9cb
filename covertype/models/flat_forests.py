"""A random forest as flat arrays, which `covertype.models.forest_walks` walks.

The features are whole numbers, so a threshold needs no fraction and a node fits in eight bytes:
the place of its left child (the right one follows), the threshold, and the column it asks. A leaf
is its own left child, asks a column that never exceeds a threshold, and holds in the threshold's
place its row among the distinct leaves.

The left children of all nodes that ask follow the roots in the order of their parents, each with a
right child behind it. So the place of a left child tells its parent's number among those nodes,
and with it the row of the classes' shares at the parent. Answers need no shares of inner nodes;
explanations do (`covertype.models.explanations`), and only they touch that file.

An observation becomes one row of all columns that any of our encoders makes, so that the same code
walks the forests of each. The weights of derived columns are those of the logged encoder.
"""

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from covertype.contract import CATEGORIES, CLASSES, QUANTITIES
from covertype.models.stored_forests import StoredForest
from covertype.rows.codes import WIDTH

_FOLDER = "forest-3"
"""Where a model's arrays are kept; the number changes with their layout."""

# The columns of an encoded row: the contract's features, one for each value of each category, the
# leaves', and then the derived ones, however many.
MEASURED = len(QUANTITIES)
VALUES = tuple(len(category.values) for category in CATEGORIES)
FIRST_VALUES = tuple(accumulate(VALUES, initial=WIDTH))[:-1]
LEAF = WIDTH + sum(VALUES)
FIRST_DERIVED = LEAF + 1
_MOST_COLUMNS = 2**8

_CLASSES = len(CLASSES)
LOWEST, _HIGHEST = -(2**23), 2**23 - 1
"""Thresholds that a node can hold; no column reaches either."""

_MOST_NODES = 2**32
_ANSWERING = ("nodes", "leaves", "weights")
_ARRAYS = (*_ANSWERING, "shares")


@dataclass(frozen=True)
class ForestArrays:
    """A forest's nodes and leaves.

    `nodes` is uint64 of shape (n,): left child in the upper 32 bits, then the threshold in 24
    with sign, then the column in 8; the first `trees` of them are the roots. `leaves` is float64
    of shape (distinct leaves, classes). `weights` of the derived columns is int32 of shape
    (quantities, derived). `shares` of the classes in training at the nodes that ask is float32 of
    shape (nodes that ask, classes), in the order of their left children.
    No leaf is deeper than `depth`.
    """

    nodes: npt.NDArray[np.uint64]
    leaves: npt.NDArray[np.float64]
    weights: npt.NDArray[np.int32]
    shares: npt.NDArray[np.float32]
    trees: int
    depth: int

    @property
    def answering_bytes(self) -> int:
        """The memory that answers need; explanations touch parts of `shares` beside it."""
        return sum(getattr(self, name).nbytes for name in _ANSWERING)

    def save(self, model: Path) -> None:
        """Write the arrays into the folder of their model."""
        folder = model / _FOLDER
        folder.mkdir()
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        np.save(folder / "shape.npy", np.array([self.trees, self.depth]))

    @classmethod
    def open(cls, model: Path) -> "ForestArrays | None":
        """Map the arrays in a model's folder, which processes then share; None if it has none."""
        folder = model / _FOLDER
        if not folder.exists():
            return None
        trees, depth = np.load(folder / "shape.npy").tolist()
        arrays = {
            name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in _ARRAYS
        }
        return cls(**arrays, trees=trees, depth=depth)


def flatten(forest: StoredForest) -> ForestArrays:
    """Return the arrays of a stored forest, one tree of which is in memory at a time.

    Raises
    ------
    ValueError
        If a tree is damaged, or the encoder is not one that this platform logs.
    """
    columns, weights = _encoding(forest)
    total = sum(forest.node_counts)
    if total > _MOST_NODES:
        raise ValueError(f"the forest has {total} nodes; at most {_MOST_NODES} can be numbered")
    trees = len(forest.node_counts)
    nodes = np.empty(total, np.uint64)
    # A tree has one leaf more than nodes that ask.
    shares = np.zeros(((total - trees) // 2, _CLASSES), np.float32)
    leaves: dict[bytes, int] = {}
    free, depth = trees, 0
    for root, tree in enumerate(forest.trees()):
        inner, leaf = np.flatnonzero(tree.left >= 0), np.flatnonzero(tree.left < 0)
        left = free + 2 * np.arange(len(inner))
        place = np.empty(len(tree.nodes), np.int64)
        place[0] = root
        place[tree.left[inner]] = left
        place[tree.right[inner]] = left + 1
        thresholds = np.clip(np.floor(tree.threshold[inner]), LOWEST, _HIGHEST)
        nodes[place[inner]] = _pack(left, thresholds, columns[tree.feature[inner]])
        values = np.zeros((len(leaf), _CLASSES))
        values[:, forest.classes] = tree.values[leaf, 0]
        nodes[place[leaf]] = _pack(place[leaf], _rows_among(leaves, values), LEAF)
        first = (free - trees) // 2
        shares[first : first + len(inner), forest.classes] = tree.values[inner, 0]
        free += 2 * len(inner)
        depth = max(depth, tree.depth)
    if len(leaves) > _HIGHEST:
        raise ValueError(f"the forest has {len(leaves)} distinct leaves, more than {_HIGHEST}")
    distinct = np.frombuffer(b"".join(leaves)).reshape(-1, _CLASSES)
    return ForestArrays(nodes, distinct, weights, shares, trees, depth)


def _encoding(forest: StoredForest) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return where a forest's columns stand in an encoded row, and the derived columns' weights."""
    steps = getattr(forest.load_encoder(), "named_transformers_", {})
    columns, logged = (
        [np.arange(MEASURED), np.arange(WIDTH, LEAF)],
        np.empty((MEASURED, 0)),
    )
    if "derived" in steps:
        try:
            logged = np.asarray(steps["derived"]["sum"].kw_args["b"], np.float64)
        except (KeyError, TypeError, AttributeError):
            raise ValueError("the derived columns are no weighted sums") from None
        columns = [np.arange(WIDTH), FIRST_DERIVED + np.arange(logged.shape[-1])]
    places, weights = np.concatenate(columns), logged.astype(np.int32)
    if len(places) != forest.width or places[-1] >= _MOST_COLUMNS:
        raise ValueError(f"no encoder of ours makes {forest.width} columns")
    # Whole numbers whose sums a threshold can divide.
    largest = np.abs(logged).sum(axis=0) * np.iinfo(np.int16).max
    if len(weights) != MEASURED or (weights != logged).any() or (largest > _HIGHEST).any():
        raise ValueError("the weights of the derived columns are not whole and small enough")
    return places, weights


def _rows_among(leaves: dict[bytes, int], values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the rows of these distributions, shape (n, 7), and add those that are new."""
    each = values.view(np.dtype((np.void, values.itemsize * _CLASSES))).ravel()
    distinct, which = np.unique(each, return_inverse=True)
    rows = [leaves.setdefault(leaf.tobytes(), len(leaves)) for leaf in distinct]
    return np.array(rows)[which]


def _pack(left: Any, threshold: Any, column: Any) -> npt.NDArray[np.uint64]:
    low = (np.asarray(threshold).astype(np.int64) & 0xFFFFFF) << 8
    return np.asarray((left << 32) | low | column, np.int64).view(np.uint64)
