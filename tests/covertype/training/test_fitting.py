import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from covertype.contract import CLASSES, FEATURE_NAMES, QUANTITY_NAMES, TARGET
from covertype.models.artifact import class_probabilities
from covertype.rows.codes import to_frame
from covertype.training.encoding import ONE_HOT_NAMES, TREE_NAMES
from covertype.training.estimators import build, has_converged, library_of
from covertype.training.evaluation import importances, score
from covertype.training.fitting import TrainingSet, judgement_rows, train, train_each
from covertype.training.searches import (
    ENCODING,
    FOREST,
    LIBRARY,
    LOGREG,
    LOGREG_GRID,
    Library,
    Parameters,
    Search,
)

SMALL = {FOREST.run_prefix: {"n_estimators": 5, "max_depth": 6}}


@pytest.fixture(scope="module")
def data(real_rows: pd.DataFrame) -> TrainingSet:
    return TrainingSet.from_rows(real_rows)


def test_the_parts_hold_every_row_once(data: TrainingSet, real_rows: pd.DataFrame) -> None:
    judged = judgement_rows(real_rows)
    assert len(data.train) + len(data.selection) + len(judged) == len(real_rows)
    together = pd.concat([data.train.observations, data.selection.observations, to_frame(judged)])
    features = list(FEATURE_NAMES)
    assert not together.duplicated(features).any()
    assert len(together.merge(real_rows[features])) == len(real_rows)


def test_too_few_rows_are_refused_with_the_remedy(real_rows: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"1 rows are too few .* descargar_datos_api"):
        TrainingSet.from_rows(real_rows.head(1))


@pytest.mark.parametrize("search", [LOGREG, LOGREG_GRID, FOREST])
def test_a_candidate_learns_from_raw_columns(search: Search, data: TrainingSet) -> None:
    parameters = SMALL.get(search.run_prefix, search.candidates[0])
    trained = train(build(search, parameters), data)
    majority = np.bincount(data.selection.classes).max() / len(data.selection)
    assert list(trained.model.feature_names_in_) == list(FEATURE_NAMES)
    assert trained.evaluation.metrics["accuracy"] > majority
    assert trained.seconds > 0


def test_training_twice_gives_the_same_model(data: TrainingSet) -> None:
    parameters = {"n_estimators": 5, "max_depth": 6}
    first, second = (train(build(FOREST, parameters), data) for _ in range(2))
    assert first.evaluation.metrics == second.evaluation.metrics


@pytest.mark.parametrize("search", [LOGREG, LOGREG_GRID, FOREST])
def test_every_candidate_of_a_search_can_be_built(search: Search) -> None:
    for parameters in search.candidates:
        own = {key: value for key, value in parameters.items() if key not in {ENCODING, LIBRARY}}
        assert own.items() <= build(search, parameters)[-1].get_params().items()


def test_the_searches_are_those_that_users_know() -> None:
    assert [LOGREG.run_name(number) for number in (0, 9)] == ["logreg_run_0", "logreg_run_9"]
    assert [len(search.candidates) for search in (LOGREG, FOREST)] == [10, 7]
    assert FOREST.run_name(6) == "rf_run_6"


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"trees": 5}, "trees"),
        ({"n_estimators": "many"}, "n_estimators"),
        ({"encoding": "words"}, "encoding must be one of one-hot, trees, got 'words'"),
        ({"library": "magic"}, "library must be one of fastest, scikit-learn, got 'magic'"),
    ],
)
def test_parameters_that_make_no_forest_are_named(parameters: object, named: str) -> None:
    with pytest.raises(ValueError, match=f"makes no forest: .*{named}"):
        build(FOREST, parameters)  # type: ignore[arg-type]


def test_the_evaluation_counts_what_the_model_answers(data: TrainingSet) -> None:
    model = train(build(FOREST, {"n_estimators": 5}), data).model
    answered = model.predict(data.selection.observations)
    evaluation = score(
        class_probabilities(model, data.selection.observations), data.selection.classes
    )
    assert evaluation.metrics["accuracy"] == (answered == data.selection.classes).mean()
    assert evaluation.metrics["mse"] == ((answered - data.selection.classes) ** 2).mean()
    assert evaluation.confusion.sum() == len(data.selection)
    assert np.trace(evaluation.confusion) == (answered == data.selection.classes).sum()
    spruce = data.selection.classes == 0
    assert evaluation.metrics["recall_0_spruce_fir"] == (answered[spruce] == 0).mean()


def test_a_class_never_seen_in_training_has_probability_zero(real_rows: pd.DataFrame) -> None:
    data = TrainingSet.from_rows(real_rows[real_rows[TARGET.name] < 2])
    model = train(build(FOREST, {"n_estimators": 3}), data).model
    probabilities = class_probabilities(model, data.selection.observations)
    assert probabilities.shape == (len(data.selection), len(CLASSES))
    assert (probabilities[:, 2:] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert "recall_2_ponderosa_pine" not in score(probabilities, data.selection.classes).metrics


@pytest.mark.parametrize(
    ("search", "number", "names"),
    [(LOGREG, 0, ONE_HOT_NAMES), (FOREST, 0, ONE_HOT_NAMES), (FOREST, 1, TREE_NAMES)],
)
def test_importances_name_every_column_that_the_classifier_sees(
    search: Search, number: int, names: tuple[str, ...], data: TrainingSet
) -> None:
    weights = importances(train(build(search, search.candidates[number]), data).model)
    assert sorted(weights.index) == sorted(names)
    assert weights.is_monotonic_decreasing


def test_the_first_forest_is_the_first_platforms_own(data: TrainingSet) -> None:
    """100 trees of depth 20 over the 54 columns, scikit-learn's other defaults."""
    trained = train(build(FOREST, FOREST.candidates[0]), data, library_of(FOREST.candidates[0]))
    forest = trained.model[-1]
    defaults = RandomForestClassifier(n_estimators=100, max_depth=20, n_jobs=-1, random_state=0)
    assert forest.get_params() == defaults.get_params()
    assert forest.n_features_in_ == 54
    assert trained.trained_by.startswith("scikit-learn 1.")


def test_regressions_are_fitted_from_the_strongest_regularization_to_the_weakest() -> None:
    candidates: list[Parameters] = [
        {"C": 10.0},
        {"C": 0.1, "solver": "newton-cg"},
        {"C": 0.1},
        {},
    ]
    assert LOGREG.batches(candidates) == [[1, 2, 3, 0]]


def test_small_forests_of_one_encoding_share_a_task() -> None:
    assert FOREST.batches(FOREST.candidates) == [[0], [1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([], []),
        ([{}, {}], [[0], [1]]),
        ([{"n_estimators": 300}, {"n_estimators": 1}], [[0], [1]]),
        ([{"n_estimators": 50}] * 5, [[0, 1], [2, 3], [4]]),
        ([{"n_estimators": 9}, {"n_estimators": 9, ENCODING: "one-hot"}], [[0], [1]]),
        ([{"n_estimators": 25}, {}, {"n_estimators": 25}], [[0, 1], [2]]),
        ([{}, {"n_estimators": 25}], [[0], [1]]),
        ([{"n_estimators": 25}, {"n_estimators": 300}], [[0, 1]]),
        ([{"n_estimators": 25}, {"n_estimators": 90, "max_depth": 9}], [[0], [1]]),
        ([{"n_estimators": 60 + number} for number in range(3)], [[0], [1], [2]]),
        ([{"max_features": 1}, {"n_estimators": 200, "max_features": 1.0}], [[0], [1]]),
    ],
)
def test_a_task_trains_a_hundred_trees_of_one_encoding_or_a_forest_that_grows(
    candidates: list[Parameters], expected: list[list[int]]
) -> None:
    assert FOREST.batches(candidates) == expected


def test_a_warm_start_finds_what_a_cold_one_finds_in_fewer_iterations(data: TrainingSet) -> None:
    parameters = [{"C": 1.0}, {"C": 3.0}]
    chained = list(
        train_each([(build(LOGREG, one), Library.SCIKIT_LEARN) for one in parameters], data)
    )
    cold = train(build(LOGREG, parameters[1]), data, Library.SCIKIT_LEARN)
    assert chained[1].model[-1].n_iter_[0] < cold.model[-1].n_iter_[0]
    warm_loss, cold_loss = (one.evaluation.metrics["log_loss"] for one in (chained[1], cold))
    assert warm_loss == pytest.approx(cold_loss, abs=5e-3)
    assert chained[0].model.get_params()["classifier__C"] == 1.0


def test_a_forest_adds_trees_to_the_one_before_if_nothing_else_differs(data: TrainingSet) -> None:
    first: dict[str, object] = {"n_estimators": 25, "max_depth": 5}
    more = first | {"n_estimators": 50}
    all_of_them = [first, more, more | {"max_depth": 6}, more | {LIBRARY: "scikit-learn"}]
    models = [(build(FOREST, one), library_of(one)) for one in all_of_them]
    trained = list(train_each(models, data))
    assert [one.is_warm for one in trained] == [False, True, False, False]
    assert trained[1].model[-1].estimators_[:25] == trained[0].model[-1].estimators_
    alone = train(build(FOREST, more), data)
    assert alone.evaluation.metrics == trained[1].evaluation.metrics


@pytest.mark.parametrize("parameters", [{"n_estimators": 5}, {"C": 1.0}])
def test_a_candidate_is_scored_as_its_whole_pipeline_answers(
    parameters: Parameters, data: TrainingSet
) -> None:
    trained = train(build(FOREST if "n_estimators" in parameters else LOGREG, parameters), data)
    answered = class_probabilities(trained.model, data.selection.observations)
    assert score(answered, data.selection.classes).metrics == trained.evaluation.metrics


@pytest.mark.parametrize(("iterations", "converged"), [(1000, True), (3, False)])
def test_a_regression_says_if_it_has_converged(
    data: TrainingSet, iterations: int, converged: bool
) -> None:
    model = build(LOGREG, {"C": 1.0, "max_iter": iterations})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trained = train(model, data)
    assert has_converged(trained.model) is converged


def test_a_forest_has_nothing_to_converge(data: TrainingSet) -> None:
    assert has_converged(train(build(FOREST, {"n_estimators": 2}), data).model) is None


def test_the_training_part_is_encoded_as_narrow_as_it_is_trained_on(
    real_rows: pd.DataFrame,
) -> None:
    data = TrainingSet.from_rows(real_rows)
    assert {str(data.train.observations[name].dtype) for name in QUANTITY_NAMES} == {"int16"}
    assert {str(data.selection.observations[name].dtype) for name in QUANTITY_NAMES} == {"int64"}
    for parameters in FOREST.candidates:
        encoded = build(FOREST, parameters)[:-1].fit_transform(data.train.observations)
        assert encoded.dtype == np.float32
