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
from threadpoolctl import threadpool_limits

from covertype.training.searches import TREES_A_PART, Library, can_grow

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

_SUPPORTED = {
    RandomForestClassifier: {
        *("bootstrap", "max_depth", "max_features", "max_leaf_nodes", "min_impurity_decrease"),
        *("min_samples_leaf", "min_samples_split", "min_weight_fraction_leaf"),
        *("n_estimators", "n_jobs", "random_state", "verbose"),
    },
    LogisticRegression: {
        *("C", "fit_intercept", "max_iter", "n_jobs", "random_state", "tol", "verbose"),
    },
}
"""The parameters that the extension accepts. scikit-learn fits a classifier with another value than
the default in any other: the extension would ignore it or call scikit-learn itself."""

_LEARNT = ("classes_", "n_features_in_", "n_iter_", "coef_", "intercept_")
_LEARNT_BY_FORESTS = ("classes_", "n_classes_", "n_features_in_", "n_outputs_")

Encoded = npt.NDArray[np.float32]
Classes = npt.NDArray[np.int64]


def trainer(classifier: Any, library: Library) -> str:
    """Return the name and version of the package that `fit` uses for a classifier."""
    package = "scikit-learn-intelex" if _faster(classifier, library) else "scikit-learn"
    return f"{package} {version(package)}"


def _faster(classifier: Any, library: Library) -> type | None:
    """Return the extension's class for a classifier, None if scikit-learn fits it."""
    kind = type(classifier)
    if library is not Library.FASTEST or kind not in _FASTER:
        return None
    usual, own = kind().get_params(), classifier.get_params()
    is_supported = all(own[name] == usual[name] for name in usual.keys() - _SUPPORTED[kind])
    # An infinite C is no penalty at all, which the extension does not know.
    return _FASTER[kind] if is_supported and own.get("C") != np.inf else None


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
    former : RandomForestClassifier or LogisticRegression, optional
        One that `can_start_from` allows, fitted to the same rows by the same library: a logistic
        regression starts from its coefficients, a forest adds trees to its own.

    Returns
    -------
    classifier : the same object, fitted
    """
    faster = _faster(classifier, library)
    if isinstance(classifier, LogisticRegression):
        return _fit_regression(classifier, encoded, classes, faster, former)
    trees = [] if former is None else list(former.estimators_)
    if faster is None:
        return _grow_forest(classifier, encoded, classes, trees)
    return _fit_forest(classifier, encoded, classes, faster, trees)


def can_start_from(classifier: Any, former: Any) -> bool:
    """Tell whether `fit` can start from another classifier, fitted to the same rows (warm start).

    A forest can if it `can_grow` from the other.
    """
    if type(former) is not type(classifier):
        return False
    if isinstance(classifier, LogisticRegression):
        return True
    return can_grow(former.get_params(), classifier.get_params())


def _fit_regression(
    classifier: Any, encoded: Encoded, classes: Classes, faster: type | None, former: Any
) -> Any:
    own = {"warm_start": True}
    if faster:
        # scikit-learn's tolerance is for the mean loss of a row, the extension's for their sum.
        own["tol"] = classifier.tol * len(encoded)
    worker = (faster or type(classifier))(**classifier.get_params() | own)
    if former is not None and np.array_equal(former.classes_, np.unique(classes)):
        worker.coef_ = former.coef_.astype(encoded.dtype)
        worker.intercept_ = former.intercept_.astype(encoded.dtype)
        worker.classes_, worker.n_features_in_ = former.classes_, former.n_features_in_
    # Beside a forest, which keeps all cores busy, several threads of linear algebra wait for each
    # other: the grid took three times as long. Alone they gain a tenth at most.
    with threadpool_limits(1, "blas"):
        worker.fit(encoded, classes)
    return _take(classifier, worker, _LEARNT)


def _grow_forest(classifier: Any, encoded: Encoded, classes: Classes, trees: list[Any]) -> Any:
    if not trees:
        return classifier.fit(encoded, classes)
    own = classifier.warm_start
    classifier.estimators_ = trees
    classifier.set_params(warm_start=True).fit(encoded, classes)
    return classifier.set_params(warm_start=own)


def _fit_forest(
    classifier: Any, encoded: Encoded, classes: Classes, faster: type, trees: list[Any]
) -> Any:
    former_count = len(trees)
    bins = min(max(len(encoded) // _ROWS_A_BIN, _FEWEST_BINS), _MOST_BINS)
    seeds = check_random_state(classifier.random_state).randint(
        np.iinfo(np.int32).max, size=-(-classifier.n_estimators // TREES_A_PART)
    )
    for seed in seeds[former_count // TREES_A_PART :]:
        part = {
            "n_estimators": min(classifier.n_estimators - len(trees), TREES_A_PART),
            "random_state": int(seed),
            "max_bins": bins,
        }
        worker = faster(**classifier.get_params() | part).fit(encoded, classes)
        trees += worker.estimators_
    _take(classifier, worker, _LEARNT_BY_FORESTS)
    classifier.estimators_ = trees
    new = trees[former_count:]
    _count_rows(new, encoded, np.searchsorted(classifier.classes_, classes), classifier.n_classes_)
    return classifier


def _take(classifier: Any, worker: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        setattr(classifier, name, getattr(worker, name))
    return classifier


def _count_rows(trees: list[Any], encoded: Encoded, classes: Classes, count: int) -> None:
    """Give every node of trees the shares of the classes of the training rows that reach it.

    The extension exports a leaf as its most frequent class alone, so that the probabilities of a
    tree whose leaves are mixed would be votes. Its inner nodes count rows by its bins, which some
    rows near a threshold leave on the other side than the exported tree; explanations show them.
    """

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
        list(pool.map(set_shares, trees))


def _inner_by_level(tree: Any) -> list[npt.NDArray[np.int64]]:
    """Return the nodes of each level that have children, from the root down."""
    levels, level = [], np.zeros(1, np.int64)
    while len(inner := level[tree.children_left[level] >= 0]):
        levels.append(inner)
        level = np.concatenate([tree.children_left[inner], tree.children_right[inner]])
    return levels
