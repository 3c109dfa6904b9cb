import numpy as np
import pandas as pd
import pytest

from covertype.contract import CLASSES, FEATURE_NAMES, TARGET
from covertype.estimators import build
from covertype.evaluation import evaluate, importances
from covertype.models import class_probabilities
from covertype.searches import FOREST, LOGREG, LOGREG_GRID, Search
from covertype.training import TrainingSet, train

SMALL = {FOREST.run_prefix: {"n_estimators": 5, "max_depth": 6}}


@pytest.fixture(scope="module")
def data(real_rows: pd.DataFrame) -> TrainingSet:
    return TrainingSet.from_rows(real_rows)


def test_the_parts_hold_every_row_once(data: TrainingSet, real_rows: pd.DataFrame) -> None:
    assert len(data.train) + len(data.test) == len(real_rows)
    both = pd.concat([data.train.observations, data.test.observations])
    assert sorted(both.index) == list(real_rows.index)


def test_too_few_rows_are_refused_with_the_remedy(real_rows: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"1 rows are too few .* descargar_datos_api"):
        TrainingSet.from_rows(real_rows.head(1))


@pytest.mark.parametrize("search", [LOGREG, LOGREG_GRID, FOREST])
def test_a_candidate_learns_from_raw_columns(search: Search, data: TrainingSet) -> None:
    parameters = SMALL.get(search.run_prefix, search.candidates[0])
    trained = train(build(search, parameters), data)
    majority = np.bincount(data.test.classes).max() / len(data.test)
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
        assert parameters.items() <= build(search, parameters)[-1].get_params().items()


def test_the_searches_are_those_that_users_know() -> None:
    assert [LOGREG.run_name(number) for number in (0, 9)] == ["logreg_run_0", "logreg_run_9"]
    assert [len(search.candidates) for search in (LOGREG, FOREST)] == [10, 7]
    assert FOREST.run_name(6) == "rf_run_6"


@pytest.mark.parametrize(
    ("parameters", "named"),
    [({"trees": 5}, "trees"), ({"n_estimators": "many"}, "n_estimators")],
)
def test_parameters_that_make_no_forest_are_named(parameters: object, named: str) -> None:
    with pytest.raises(ValueError, match=f"makes no forest: .*{named}"):
        build(FOREST, parameters)  # type: ignore[arg-type]


def test_the_evaluation_counts_what_the_model_answers(data: TrainingSet) -> None:
    model = train(build(FOREST, {"n_estimators": 5}), data).model
    answered = model.predict(data.test.observations)
    evaluation = evaluate(model, data.test.observations, data.test.classes)
    assert evaluation.metrics["accuracy"] == (answered == data.test.classes).mean()
    assert evaluation.metrics["mse"] == ((answered - data.test.classes) ** 2).mean()
    assert evaluation.confusion.sum() == len(data.test)
    assert np.trace(evaluation.confusion) == (answered == data.test.classes).sum()
    spruce = data.test.classes == 0
    assert evaluation.metrics["recall_0_spruce_fir"] == (answered[spruce] == 0).mean()


def test_a_class_never_seen_in_training_has_probability_zero(real_rows: pd.DataFrame) -> None:
    data = TrainingSet.from_rows(real_rows[real_rows[TARGET.name] < 2])
    model = train(build(FOREST, {"n_estimators": 3}), data).model
    probabilities = class_probabilities(model, data.test.observations)
    assert probabilities.shape == (len(data.test), len(CLASSES))
    assert (probabilities[:, 2:] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (
        "recall_2_ponderosa_pine"
        not in evaluate(model, data.test.observations, data.test.classes).metrics
    )


@pytest.mark.parametrize("search", [LOGREG, FOREST])
def test_importances_name_the_54_columns(search: Search, data: TrainingSet) -> None:
    weights = importances(train(build(search, search.candidates[0]), data).model)
    assert len(weights) == 54
    assert {"Elevation", "Wilderness_Area_Rawah", "Soil_Type_C7745"} <= set(weights.index)
    assert weights.is_monotonic_decreasing
