"""Fits classifiers faster where Intel's extension of scikit-learn is installed (x86-64).

Whatever library fits it, the result is a plain scikit-learn classifier, which loads anywhere.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_random_state

from covertype.training.searches import Library

try:
    from sklearnex.ensemble import RandomForestClassifier as FastForest
    from sklearnex.linear_model import LogisticRegression as FastRegression
except ImportError:
    _FASTER: dict[type, type] = {}
else:
    _FASTER = {RandomForestClassifier: FastForest, LogisticRegression: FastRegression}

_ROWS_A_BIN, _FEWEST_BINS, _MOST_BINS = 500, 64, 512
"""The thresholds tried for a column grow with the rows. Fewer cost accuracy (256 in place of 512:
0.05 points on all rows), more cost time alone (512 in place of 92: 1.6 times on 46,455 rows)."""

_ROWS_AT_ONCE = 12_000_000
"""The extension's own trees are held beside the exported ones: so many at a time as, together, are
made from these rows. On all rows it is 25 of them."""

_LEARNT = ("classes_", "n_features_in_", "n_iter_", "coef_", "intercept_")
_LEARNT_BY_FORESTS = ("classes_", "n_classes_", "n_features_in_", "n_outputs_")

Encoded = npt.NDArray[np.float32]
Classes = npt.NDArray[np.int64]


def trainer(classifier: Any, library: Library) -> str:
    """Return the name and version of the package that `fit` uses for a classifier."""
    faster = library is Library.FASTEST and type(classifier) in _FASTER
    package = "scikit-learn-intelex" if faster else "scikit-learn"
    return f"{package} {version(package)}"


def fit(
    classifier: Any,
    encoded: Encoded,
    classes: Classes,
    *,
    library: Library = Library.FASTEST,
    former: Any = None,
) -> Any:
    """Fit a plain scikit-learn classifier.

    Parameters
    ----------
    classifier : RandomForestClassifier or LogisticRegression
        Unfitted; it is fitted in place.
    encoded : ndarray of float32, shape (n, columns)
    classes : ndarray of int, shape (n,)
    former : LogisticRegression, optional
        A fitted one whose coefficients a logistic regression starts from.

    Returns
    -------
    classifier : the same object, fitted
    """
    faster = _FASTER.get(type(classifier)) if library is Library.FASTEST else None
    if isinstance(classifier, LogisticRegression):
        return _fit_regression(classifier, encoded, classes, faster, former)
    if faster is None:
        return classifier.fit(encoded, classes)
    return _fit_forest(classifier, encoded, classes, faster)


def _fit_regression(
    classifier: Any, encoded: Encoded, classes: Classes, faster: type | None, former: Any
) -> Any:
    worker = (faster or type(classifier))(**classifier.get_params() | {"warm_start": True})
    if former is not None and np.array_equal(former.classes_, np.unique(classes)):
        worker.coef_ = former.coef_.astype(encoded.dtype)
        worker.intercept_ = former.intercept_.astype(encoded.dtype)
        worker.classes_, worker.n_features_in_ = former.classes_, former.n_features_in_
    worker.fit(encoded, classes)
    return _take(classifier, worker, _LEARNT)


def _fit_forest(classifier: Any, encoded: Encoded, classes: Classes, faster: type) -> Any:
    seeds = check_random_state(classifier.random_state)
    at_once = max(_ROWS_AT_ONCE // len(encoded), 1)
    bins = min(max(len(encoded) // _ROWS_A_BIN, _FEWEST_BINS), _MOST_BINS)
    estimators: list[Any] = []
    while missing := classifier.n_estimators - len(estimators):
        part = {
            "n_estimators": min(missing, at_once),
            "random_state": seeds.randint(np.iinfo(np.int32).max),
            "max_bins": bins,
        }
        worker = faster(**classifier.get_params() | part).fit(encoded, classes)
        estimators += worker.estimators_
    _take(classifier, worker, _LEARNT_BY_FORESTS)
    classifier.estimators_ = estimators
    _count_rows(classifier, encoded, np.searchsorted(classifier.classes_, classes))
    return classifier


def _take(classifier: Any, worker: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        setattr(classifier, name, getattr(worker, name))
    return classifier


def _count_rows(forest: Any, encoded: Encoded, classes: Classes) -> None:
    """Give every node the shares of the classes of the training rows that reach it.

    The extension exports a leaf as its most frequent class alone, so that the probabilities of a
    tree whose leaves are mixed would be votes. Its inner nodes count rows by its bins, which some
    rows near a threshold leave on the other side than the exported tree; explanations show them.
    """
    count = len(forest.classes_)

    def set_shares(estimator: Any) -> None:
        tree = estimator.tree_
        cell = tree.apply(encoded) * count + classes
        rows = np.bincount(cell, minlength=tree.node_count * count).reshape(-1, count)
        for inner in reversed(_inner_by_level(tree)):
            rows[inner] = rows[tree.children_left[inner]] + rows[tree.children_right[inner]]
        total = rows.sum(axis=1, keepdims=True)
        reached = total[:, 0] > 0
        tree.value[reached, 0] = rows[reached] / total[reached]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(set_shares, forest.estimators_))


def _inner_by_level(tree: Any) -> list[npt.NDArray[np.int64]]:
    """Return the nodes of each level that have children, from the root down."""
    levels, level = [], np.zeros(1, np.int64)
    while len(inner := level[tree.children_left[level] >= 0]):
        levels.append(inner)
        level = np.concatenate([tree.children_left[inner], tree.children_right[inner]])
    return levels
