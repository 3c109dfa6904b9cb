"""Compiled code that walks a flat forest, for answers and for explanations.

For answers it walks all trees one level at a time, which lets the memory fetch for many trees at
once. The sum over the trees has scikit-learn's order, so that the answers are the same to the last
bit. `make bench-serving` measures what it gives beside scikit-learn itself.
"""

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import register_jitable

from covertype.contract import CLASSES
from covertype.models.explanations import Explanation, attribution
from covertype.models.flat_forests import (
    FIRST_DERIVED,
    FIRST_VALUES,
    LEAF,
    LOWEST,
    MEASURED,
    ForestArrays,
)
from covertype.rows.codes import WIDTH, Codes

log = logging.getLogger(__name__)

_CLASSES = len(CLASSES)
_CHUNK = 4096


class ForestPredictor:
    """Answers from a forest's arrays, in as many threads as asked for."""

    def __init__(self, arrays: ForestArrays, compiled: Path, threads: int | None = None) -> None:
        self._walk = compile_walk(compiled)
        flat = (arrays.nodes, arrays.leaves, arrays.weights)
        self._arrays = (*flat, arrays.trees, arrays.depth)
        self._paths = (*flat, arrays.shares, arrays.trees)
        self._parts = attribution(arrays.weights)
        self._compiled = compiled
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

    def explain(self, codes: Codes, label: int) -> Explanation:
        """Return why the first row of codes has its probability of a class, in this thread."""
        columns = np.zeros(len(self._parts))
        bias = compile_explanation(self._compiled)(codes, *self._paths, label, columns)
        return Explanation(bias, columns @ self._parts)


_CODES, _NODES, _LEAVES, _WEIGHTS, _SHARES = (
    types.Array(item, dimensions, "C", readonly=True)
    for item, dimensions in (
        *((types.int16, 2), (types.uint64, 1), (types.float64, 2)),
        *((types.int32, 2), (types.float32, 2)),
    )
)
_FLAT = (_CODES, _NODES, _LEAVES, _WEIGHTS)
_COUNT = types.int64


@cache
def compile_walk(compiled: Path) -> Callable[..., None]:
    """Return the machine code of `_walk`; it is made once for a machine, and kept in a folder."""
    return _compile(_walk, types.void(*_FLAT, _COUNT, _COUNT, types.float64[:, ::1]), compiled)


@cache
def compile_explanation(compiled: Path) -> Callable[..., float]:
    """Return the machine code of `_explain`, made and kept as that of `_walk`."""
    signature = types.float64(*_FLAT, _SHARES, _COUNT, _COUNT, types.float64[::1])
    return _compile(_explain, signature, compiled)


def _compile(function: Callable[..., Any], signature: Any, compiled: Path) -> Callable[..., Any]:
    setattr(numba.config, "CACHE_DIR", str(compiled))  # noqa: B010
    code: Callable[..., Any]
    try:
        code = numba.njit(signature, nogil=True, cache=True)(function)
    except (OSError, RuntimeError) as error:
        # A disk that is full or read-only; Numba's own error is of the second kind.
        log.warning("The compiled code can't be kept in %s: %s", compiled, error)
        code = numba.njit(signature, nogil=True)(function)
    return code


@register_jitable
def _encode(
    codes: Codes, row: int, weights: npt.NDArray[np.int32], encoded: npt.NDArray[np.int32]
) -> None:
    encoded[LEAF] = LOWEST
    encoded[WIDTH:LEAF] = 0
    for column in range(WIDTH):
        encoded[column] = codes[row, column]
    for category, first in enumerate(FIRST_VALUES):
        encoded[first + codes[row, MEASURED + category]] = 1
    for column in range(weights.shape[1]):
        total = 0
        for quantity in range(MEASURED):
            total += weights[quantity, column] * codes[row, quantity]
        encoded[FIRST_DERIVED + column] = abs(total)


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
    encoded = np.empty(FIRST_DERIVED + weights.shape[1], np.int32)
    at = np.empty(trees, np.uint64)
    for row in range(len(codes)):
        _encode(codes, row, weights, encoded)
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


def _explain(
    codes: Codes,
    nodes: npt.NDArray[np.uint64],
    leaves: npt.NDArray[np.float64],
    weights: npt.NDArray[np.int32],
    shares: npt.NDArray[np.float32],
    trees: int,
    label: int,
    columns: npt.NDArray[np.float64],
) -> float:
    """Add the contributions of the encoded columns for the first row; return the bias."""
    encoded = np.empty(len(columns), np.int32)
    _encode(codes, 0, weights, encoded)
    bias = 0.0
    for tree in range(trees):
        place = np.uint64(tree)
        asked, before = np.uint64(LEAF), 0.0
        while True:
            node = nodes[place]
            left = node >> np.uint64(32)
            if left == place:
                share = leaves[np.int32(node) >> 8, label]
            else:
                share = np.float64(shares[(left - np.uint64(trees)) >> np.uint64(1), label])
            if place == np.uint64(tree):
                bias += share
            else:
                columns[asked] += share - before
            if left == place:
                break
            asked, before = node & np.uint64(0xFF), share
            place = left + np.uint64(encoded[asked] > (np.int32(node) >> 8))
    columns /= trees
    return bias / trees
