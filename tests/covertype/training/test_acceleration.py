"""A plain scikit-learn model comes out, whichever library fits it."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from covertype.contract import TARGET
from covertype.training import acceleration
from covertype.training.acceleration import Classes, Encoded, can_start_from, fit, trainer
from covertype.training.estimators import build
from covertype.training.fitting import TrainingSet
from covertype.training.searches import FOREST, LOGREG, Library, Search


@pytest.fixture(scope="module")
def data(real_rows: object) -> TrainingSet:
    return TrainingSet.from_rows(real_rows)  # type: ignore[arg-type]


def encoded(search: Search, data: TrainingSet) -> tuple[Encoded, Classes]:
    prepared = build(search, {})[:-1]
    return prepared.fit_transform(data.train.observations), data.train.classes


@pytest.mark.parametrize("library", Library)
@pytest.mark.parametrize(
    ("search", "classifier"),
    [
        (FOREST, RandomForestClassifier(n_estimators=10, max_depth=5, random_state=0)),
        (LOGREG, LogisticRegression(max_iter=500)),
    ],
)
def test_a_fitted_model_is_plain_and_has_its_parameters(
    search: Search, classifier: object, library: Library, data: TrainingSet
) -> None:
    before = classifier.get_params()  # type: ignore[attr-defined]
    fitted = fit(classifier, *encoded(search, data), library=library)
    assert type(fitted) in {RandomForestClassifier, LogisticRegression}
    assert fitted.get_params() == before
    for part in getattr(fitted, "estimators_", []):
        assert type(part).__module__.startswith("sklearn.")


@pytest.mark.parametrize("library", Library)
def test_every_node_holds_the_shares_of_the_rows_that_reach_it(
    library: Library, data: TrainingSet
) -> None:
    rows, classes = encoded(FOREST, data)
    forest = RandomForestClassifier(n_estimators=3, max_depth=4, bootstrap=False, random_state=0)
    fit(forest, rows, classes, library=library)
    for estimator in forest.estimators_:
        paths = estimator.tree_.decision_path(rows).toarray().astype(bool)
        for node in np.flatnonzero(paths.any(axis=0)):
            reached = classes[paths[:, node]]
            held = np.zeros(7)
            held[forest.classes_] = estimator.tree_.value[node, 0]
            shares = np.bincount(reached, minlength=7) / len(reached)
            np.testing.assert_allclose(held, shares, atol=1e-12)


@pytest.mark.parametrize("library", Library)
def test_a_forest_without_limits_knows_every_row_it_saw(
    library: Library, data: TrainingSet
) -> None:
    rows, classes = encoded(FOREST, data)
    forest = fit(
        RandomForestClassifier(n_estimators=10, bootstrap=False, random_state=0),
        *(rows, classes),
        library=library,
    )
    assert (forest.predict(rows) == classes).mean() > 0.999


def test_fitting_twice_gives_the_same_forest(data: TrainingSet) -> None:
    rows, classes = encoded(FOREST, data)
    first, second = (
        fit(RandomForestClassifier(n_estimators=5, random_state=0, n_jobs=-1), rows, classes)
        for _ in range(2)
    )
    for one, other in zip(first.estimators_, second.estimators_, strict=True):
        assert np.array_equal(one.tree_.threshold, other.tree_.threshold)
        assert np.array_equal(one.tree_.value, other.tree_.value)


@pytest.mark.parametrize("library", Library)
def test_classes_that_are_not_numbered_from_zero_keep_their_numbers(
    library: Library, real_rows: object
) -> None:
    some = real_rows[real_rows[TARGET.name].isin([1, 2, 5])]  # type: ignore[index]
    rows, classes = encoded(FOREST, TrainingSet.from_rows(some))
    forest = fit(RandomForestClassifier(n_estimators=5, random_state=0), rows, classes)
    assert forest.classes_.tolist() == [1, 2, 5]
    assert (forest.predict(rows) == classes).mean() > 0.9


@pytest.mark.parametrize("library", Library)
@pytest.mark.parametrize("bootstrap", [True, False])
def test_a_forest_that_grew_from_a_smaller_one_equals_one_made_at_once(
    library: Library, bootstrap: bool, data: TrainingSet
) -> None:
    rows, classes = encoded(FOREST, data)

    def forest(trees: int) -> RandomForestClassifier:
        return RandomForestClassifier(trees, max_depth=6, bootstrap=bootstrap, random_state=0)

    smaller = fit(forest(25), rows, classes, library=library)
    assert can_start_from(forest(60), smaller)
    grown = fit(forest(60), rows, classes, library=library, former=smaller)
    whole = fit(forest(60), rows, classes, library=library)
    assert len(smaller.estimators_) == 25
    assert grown.get_params() == whole.get_params()
    assert np.array_equal(grown.predict_proba(rows), whole.predict_proba(rows))
    for one, other in zip(grown.estimators_, whole.estimators_, strict=True):
        assert np.array_equal(one.tree_.threshold, other.tree_.threshold)
        assert np.array_equal(one.tree_.value, other.tree_.value)


@pytest.mark.parametrize(
    "former",
    [
        None,
        LogisticRegression(),
        RandomForestClassifier(50, random_state=0, max_features=1),
        RandomForestClassifier(75, random_state=0, max_features=1),
        RandomForestClassifier(10, random_state=0, max_features=1),
        RandomForestClassifier(25, random_state=0, max_features=1, bootstrap=False),
        RandomForestClassifier(25, random_state=1, max_features=1),
        RandomForestClassifier(25, random_state=0, max_features=1.0),
    ],
)
def test_a_forest_does_not_grow_from_another_kind_or_as_many_trees_or_parts_of_parts(
    former: object,
) -> None:
    larger = RandomForestClassifier(50, random_state=0)
    assert not can_start_from(larger.set_params(max_features=1), former)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4])
def test_a_regression_is_as_exact_as_scikit_learn_makes_it(
    tolerance: float, data: TrainingSet
) -> None:
    """The extension's own tolerance is for the sum over all rows: thousands of times as strict."""
    prepared = build(LOGREG, {})[:-1].fit(data.train.observations)
    rows = prepared.transform(data.train.observations).astype(np.float32)
    fast, plain = (
        fit(
            LogisticRegression(tol=tolerance, max_iter=1000),
            *(rows, data.train.classes),
            library=library,
        )
        for library in (Library.FASTEST, Library.SCIKIT_LEARN)
    )
    assert 0 < fast.n_iter_[0] < 1.5 * plain.n_iter_[0]
    errors = fast.predict_proba(rows) - np.eye(7)[data.train.classes][:, fast.classes_]
    gradient = errors.T @ rows + fast.coef_ / fast.C
    assert np.abs(gradient).max() / len(rows) < 2 * tolerance
    assert fast.tol == tolerance


@pytest.mark.parametrize(
    "classifier",
    [
        LogisticRegression(max_iter=500, solver="newton-cholesky"),
        LogisticRegression(max_iter=500, solver="newton-cg"),
        LogisticRegression(max_iter=500, class_weight="balanced"),
        LogisticRegression(max_iter=500, C=np.inf, tol=0.01),
        RandomForestClassifier(5, random_state=0, criterion="entropy"),
        RandomForestClassifier(5, random_state=0, class_weight="balanced"),
        RandomForestClassifier(5, random_state=0, max_samples=0.5),
    ],
)
def test_what_the_extension_can_t_fit_is_fitted_by_scikit_learn_and_said_to_be(
    classifier: object, data: TrainingSet
) -> None:
    assert trainer(classifier, Library.FASTEST).startswith("scikit-learn 1")
    search = LOGREG if isinstance(classifier, LogisticRegression) else FOREST
    rows, classes = encoded(search, data)
    fast, plain = (
        fit(clone(classifier), rows, classes, library=library)
        for library in (Library.FASTEST, Library.SCIKIT_LEARN)
    )
    assert np.array_equal(fast.predict_proba(rows), plain.predict_proba(rows))


def test_a_regression_leaves_the_other_cores_to_the_forests(data: TrainingSet) -> None:
    class Watched(LogisticRegression):  # type: ignore[misc]
        def fit(self, *given: Any) -> Any:
            threads.update(one["num_threads"] for one in blas())
            return super().fit(*given)

    def blas() -> list[dict[str, Any]]:
        return [one for one in threadpool_info() if one["user_api"] == "blas"]

    threads: set[int] = set()
    with threadpool_limits(2, "blas"):
        before = blas()
        fit(Watched(max_iter=500), *encoded(LOGREG, data))
        assert threads == {1}
        assert blas() == before


def test_without_the_extension_scikit_learn_does_it(
    data: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceleration, "_FASTER", {})
    forest = RandomForestClassifier(n_estimators=2, random_state=0)
    assert trainer(forest, Library.FASTEST).startswith("scikit-learn 1")
    fit(forest, *encoded(FOREST, data))
    assert len(forest.estimators_) == 2
