"""A random forest as flat arrays, walked by compiled code.

The features are whole numbers, so a threshold needs no fraction and a node fits in eight bytes:
the place of its left child (the right one follows), the threshold, and the column it asks. A leaf
is its own left child, asks a column that never exceeds a threshold, and holds in the threshold's
place its row among the distinct leaves. Walking all trees one level at a time lets the memory
fetch for many trees at once. The sum over the trees has scikit-learn's order, so that the answers
are the same to the last bit.

An observation becomes one row of all columns that any of our encoders makes, so that the same code
walks the forests of each. The weights of derived columns are those of the logged encoder.

`make bench-serving` measures what it gives beside scikit-learn itself.
"""

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types

from covertype.contract import CATEGORIES, CLASSES, QUANTITIES
from covertype.models.stored_forests import StoredForest
from covertype.rows.codes import WIDTH, Codes

log = logging.getLogger(__name__)

_FOLDER = "forest-2"
"""Where a version's arrays are kept; the number changes with their layout."""

# The columns of an encoded row: the contract's features, one for each value of each category, the
# leaves', and then the derived ones, however many.
_MEASURED = len(QUANTITIES)
_VALUES = [len(category.values) for category in CATEGORIES]
_FIRST_VALUES = tuple(accumulate(_VALUES, initial=WIDTH))[:-1]
_LEAF = WIDTH + sum(_VALUES)
_FIRST_DERIVED = _LEAF + 1
_MOST_COLUMNS = 2**8

_CLASSES = len(CLASSES)
_LOWEST, _HIGHEST = -(2**23), 2**23 - 1
"""Thresholds that a node can hold; no column reaches either."""

_MOST_NODES = 2**32
_ARRAYS = ("nodes", "leaves", "weights")
_CHUNK = 4096


@dataclass(frozen=True)
class ForestArrays:
    """A forest's nodes and leaves.

    `nodes` is uint64 of shape (n,): left child in the upper 32 bits, then the threshold in 24
    with sign, then the column in 8; the first `trees` of them are the roots. `leaves` is float64
    of shape (distinct leaves, classes). `weights` of the derived columns is int32 of shape
    (quantities, derived).
    No leaf is deeper than `depth`.
    """

    nodes: npt.NDArray[np.uint64]
    leaves: npt.NDArray[np.float64]
    weights: npt.NDArray[np.int32]
    trees: int
    depth: int

    def save(self, version: Path) -> None:
        """Write the arrays into a version's folder."""
        folder = version / _FOLDER
        folder.mkdir()
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        np.save(folder / "shape.npy", np.array([self.trees, self.depth]))

    @classmethod
    def open(cls, version: Path) -> "ForestArrays | None":
        """Map a version's arrays, which workers of one machine then share; None if it has none."""
        folder = version / _FOLDER
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
    nodes = np.empty(total, np.uint64)
    leaves: dict[bytes, int] = {}
    free, depth = len(forest.node_counts), 0
    for root, tree in enumerate(forest.trees()):
        inner, leaf = np.flatnonzero(tree.left >= 0), np.flatnonzero(tree.left < 0)
        left = free + 2 * np.arange(len(inner))
        place = np.empty(len(tree.nodes), np.int64)
        place[0] = root
        place[tree.left[inner]] = left
        place[tree.right[inner]] = left + 1
        thresholds = np.clip(np.floor(tree.threshold[inner]), _LOWEST, _HIGHEST)
        nodes[place[inner]] = _pack(left, thresholds, columns[tree.feature[inner]])
        values = np.zeros((len(leaf), _CLASSES))
        values[:, forest.classes] = tree.values[leaf, 0]
        nodes[place[leaf]] = _pack(place[leaf], _rows_among(leaves, values), _LEAF)
        free += 2 * len(inner)
        depth = max(depth, tree.depth)
    if len(leaves) > _HIGHEST:
        raise ValueError(f"the forest has {len(leaves)} distinct leaves, more than {_HIGHEST}")
    distinct = np.frombuffer(b"".join(leaves)).reshape(-1, _CLASSES)
    return ForestArrays(nodes, distinct, weights, len(forest.node_counts), depth)


def _encoding(forest: StoredForest) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return where a forest's columns stand in an encoded row, and the derived columns' weights."""
    steps = getattr(forest.load_encoder(), "named_transformers_", {})
    columns, logged = (
        [np.arange(_MEASURED), np.arange(WIDTH, _LEAF)],
        np.empty((_MEASURED, 0)),
    )
    if "derived" in steps:
        try:
            logged = np.asarray(steps["derived"]["sum"].kw_args["b"], np.float64)
        except (KeyError, TypeError, AttributeError):
            raise ValueError("the derived columns are no weighted sums") from None
        columns = [np.arange(WIDTH), _FIRST_DERIVED + np.arange(logged.shape[-1])]
    places, weights = np.concatenate(columns), logged.astype(np.int32)
    if len(places) != forest.width or places[-1] >= _MOST_COLUMNS:
        raise ValueError(f"no encoder of ours makes {forest.width} columns")
    # Whole numbers whose sums a threshold can divide.
    largest = np.abs(logged).sum(axis=0) * np.iinfo(np.int16).max
    if len(weights) != _MEASURED or (weights != logged).any() or (largest > _HIGHEST).any():
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


class ForestPredictor:
    """Answers from a forest's arrays, in as many threads as asked for."""

    def __init__(self, arrays: ForestArrays, compiled: Path, threads: int | None = None) -> None:
        self._walk = compile_walk(compiled)
        flat = (arrays.nodes, arrays.leaves, arrays.weights)
        self._arrays = (*flat, arrays.trees, arrays.depth)
        self._threads = threads or os.cpu_count() or 1

    def answer(self, codes: Codes) -> npt.NDArray[np.float64]:
        """Return the probabilities of a few rows, shape (n, 7), in this thread."""
        out = np.empty((len(codes), _CLASSES))
        self._walk(codes, *self._arrays, out)
        return out

    def probabilities(self, codes: Codes) -> npt.NDArray[np.float64]:
        """Return the probabilities, shape (n, 7), for codes of shape (n, 12)."""
        if len(codes) <= _CHUNK:
            return self.answer(codes)
        out = np.empty((len(codes), _CLASSES))

        def walk(start: int) -> None:
            part = slice(start, start + _CHUNK)
            self._walk(codes[part], *self._arrays, out[part])

        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(walk, range(0, len(codes), _CHUNK)))
        return out


@cache
def compile_walk(compiled: Path) -> Callable[..., None]:
    """Return the machine code of `_walk`; it is made once for a machine, and kept in a folder."""
    setattr(numba.config, "CACHE_DIR", str(compiled))  # noqa: B010
    codes, nodes, leaves, weights = (
        types.Array(item, dimensions, "C", readonly=True)
        for item, dimensions in (
            *((types.int16, 2), (types.uint64, 1)),
            *((types.float64, 2), (types.int32, 2)),
        )
    )
    counts = (types.int64, types.int64)
    signature = types.void(codes, nodes, leaves, weights, *counts, types.float64[:, ::1])
    walk: Callable[..., None]
    try:
        walk = numba.njit(signature, nogil=True, cache=True)(_walk)
    except (OSError, RuntimeError) as error:
        # A disk that is full or read-only; Numba's own error is of the second kind.
        log.warning("The compiled code can't be kept in %s: %s", compiled, error)
        walk = numba.njit(signature, nogil=True)(_walk)
    return walk


def _walk(
    codes: Codes,
    nodes: npt.NDArray[np.uint64],
    leaves: npt.NDArray[np.float64],
    weights: npt.NDArray[np.int32],
    trees: int,
    depth: int,
    out: npt.NDArray[np.float64],
) -> None:
    # Unsigned places spare the compiled code a test for negative ones at every step.
    derived = weights.shape[1]
    encoded = np.empty(_FIRST_DERIVED + derived, np.int32)
    encoded[_LEAF] = _LOWEST
    at = np.empty(trees, np.uint64)
    for row in range(len(codes)):
        encoded[WIDTH:_LEAF] = 0
        for column in range(WIDTH):
            encoded[column] = codes[row, column]
        for category, first in enumerate(_FIRST_VALUES):
            encoded[first + codes[row, _MEASURED + category]] = 1
        for column in range(derived):
            total = 0
            for quantity in range(_MEASURED):
                total += weights[quantity, column] * codes[row, quantity]
            encoded[_FIRST_DERIVED + column] = abs(total)
        for tree in range(trees):
            at[tree] = nodes[tree]
        for _ in range(depth):
            for tree in range(trees):
                node = at[tree]
                asked = encoded[node & np.uint64(0xFF)]
                right = asked > (np.int32(node) >> 8)
                at[tree] = nodes[(node >> np.uint64(32)) + np.uint64(right)]
        out[row] = 0
        for tree in range(trees):
            leaf = np.int32(at[tree]) >> 8
            for label in range(_CLASSES):
                out[row, label] += leaves[leaf, label]
        for label in range(_CLASSES):
            out[row, label] /= trees
