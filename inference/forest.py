"""A random forest as flat arrays, walked by compiled code.

The features are whole numbers, so a threshold needs no fraction and a node fits in eight bytes:
the place of its left child (the right one follows), the column it asks, and the threshold. A leaf
is its own left child and is never left. Walking all trees one level at a time lets the memory
fetch for many trees at once, and equal leaf distributions are kept once. The sum over the trees
has scikit-learn's order, so that the answers are the same to the last bit.

`make bench-serving` measures what it gives beside scikit-learn itself.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types

from covertype.contract import CATEGORIES, CLASSES, QUANTITIES
from inference.codes import Codes

_FOLDER = "forest-1"
"""Where a version's arrays are kept; the number changes with their layout."""

_MEASURED = len(QUANTITIES)
_AREAS, _SOILS = (len(category.values) for category in CATEGORIES)
_ENCODED = _MEASURED + _AREAS + _SOILS
_CLASSES = len(CLASSES)
_NEVER_RIGHT = np.iinfo(np.int16).max
_CHUNK = 4096


@dataclass(frozen=True)
class ForestArrays:
    """A forest's nodes and leaves.

    `nodes` is uint64 of shape (n,): left child in the upper 32 bits, then column and threshold
    in 16 each; the first `trees` of them are the roots. `leaf_of` gives a node's row in `leaves`,
    float64 of shape (distinct leaves, 7). No leaf is deeper than `depth`.
    """

    nodes: npt.NDArray[np.uint64]
    leaf_of: npt.NDArray[np.int32]
    leaves: npt.NDArray[np.float64]
    trees: int
    depth: int

    def save(self, version: Path) -> None:
        """Write the arrays into a version's folder."""
        folder = version / _FOLDER
        folder.mkdir()
        for name in ("nodes", "leaf_of", "leaves"):
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
            name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))
            for name in ("nodes", "leaf_of", "leaves")
        }
        return cls(**arrays, trees=trees, depth=depth)


def flatten(forest: Any) -> ForestArrays:
    """Return the arrays of a fitted scikit-learn forest over the 54 encoded columns."""
    trees = [estimator.tree_ for estimator in forest.estimators_]
    total = sum(tree.node_count for tree in trees)
    nodes = np.zeros(total, np.uint64)
    source = np.zeros(total, np.int64)
    free, seen = len(trees), 0
    for root, tree in enumerate(trees):
        inner = np.flatnonzero(tree.children_left >= 0)
        leaf = np.flatnonzero(tree.children_left < 0)
        left = free + 2 * np.arange(len(inner))
        place = np.empty(tree.node_count, np.int64)
        place[0] = root
        place[tree.children_left[inner]] = left
        place[tree.children_right[inner]] = left + 1
        nodes[place[inner]] = _node(left, tree.feature[inner], np.floor(tree.threshold[inner]))
        nodes[place[leaf]] = _node(place[leaf], 0, _NEVER_RIGHT)
        source[place] = seen + np.arange(tree.node_count)
        free += 2 * len(inner)
        seen += tree.node_count
    values = np.zeros((total, len(CLASSES)))
    values[:, forest.classes_] = np.concatenate([tree.value[:, 0, :] for tree in trees])
    rows = values.view(np.dtype((np.void, values.itemsize * len(CLASSES)))).ravel()
    is_leaf = nodes >> np.uint64(32) == np.arange(total, dtype=np.uint64)
    distinct, leaf_of_leaf = np.unique(rows[source[is_leaf]], return_inverse=True)
    leaf_of = np.zeros(total, np.int32)
    leaf_of[is_leaf] = leaf_of_leaf
    return ForestArrays(
        nodes,
        leaf_of,
        distinct.view(np.float64).reshape(-1, len(CLASSES)),
        len(trees),
        max(tree.max_depth for tree in trees),
    )


def _node(left: Any, column: Any, threshold: Any) -> npt.NDArray[np.uint64]:
    lowest = np.clip(threshold, np.iinfo(np.int16).min, _NEVER_RIGHT).astype(np.int64)
    packed = (left << 32) | (np.int64(1) * column << 16) | (lowest & 0xFFFF)
    return np.asarray(packed, np.int64).view(np.uint64)


class ForestPredictor:
    """Answers from a forest's arrays, in as many threads as asked for."""

    def __init__(self, arrays: ForestArrays, compiled: Path, threads: int | None = None) -> None:
        self._walk = compile_walk(compiled)
        self._arrays = (arrays.nodes, arrays.leaf_of, arrays.leaves, arrays.trees, arrays.depth)
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
    flat = [types.Array(item, 1, "C", readonly=True) for item in (types.uint64, types.int32)]
    codes = types.Array(types.int16, 2, "C", readonly=True)
    leaves = types.Array(types.float64, 2, "C", readonly=True)
    signature = types.void(codes, *flat, leaves, types.int64, types.int64, types.float64[:, ::1])
    walk: Callable[..., None] = numba.njit(signature, nogil=True, cache=True)(_walk)
    return walk


def _walk(
    codes: Codes,
    nodes: npt.NDArray[np.uint64],
    leaf_of: npt.NDArray[np.int32],
    leaves: npt.NDArray[np.float64],
    trees: int,
    depth: int,
    out: npt.NDArray[np.float64],
) -> None:
    # Unsigned places spare the compiled code a test for negative ones at every step.
    encoded = np.empty(_ENCODED, np.int32)
    place = np.empty(trees, np.uint64)
    for row in range(len(codes)):
        encoded[:] = 0
        for column in range(_MEASURED):
            encoded[column] = codes[row, column]
        encoded[_MEASURED + codes[row, _MEASURED]] = 1
        encoded[_MEASURED + _AREAS + codes[row, _MEASURED + 1]] = 1
        for tree in range(trees):
            place[tree] = tree
        for _ in range(depth):
            for tree in range(trees):
                node = nodes[place[tree]]
                asked = encoded[(node >> np.uint64(16)) & np.uint64(0xFFFF)]
                place[tree] = (node >> np.uint64(32)) + np.uint64(asked > np.int16(node))
        out[row] = 0
        for tree in range(trees):
            leaf = leaf_of[place[tree]]
            for label in range(_CLASSES):
                out[row, label] += leaves[leaf, label]
        for label in range(_CLASSES):
            out[row, label] /= trees
