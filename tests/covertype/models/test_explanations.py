"""Contributions add up to the probability, and belong to the features that the forest asks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from covertype.contract import (
    CATEGORIES,
    CLASSES,
    FEATURE_NAMES,
    QUANTITIES,
    QUANTITY_NAMES,
    Category,
)
from covertype.models.explanations import NoDecisionPaths, attribution
from covertype.models.flat_forests import FIRST_DERIVED, ForestArrays
from covertype.models.forest_walks import ForestPredictor
from covertype.models.predictors import PipelinePredictor
from covertype.rows.codes import to_codes, to_frame
from covertype.training.derived import DERIVED, derived_weights
from covertype.training.encoding import encoded_names, one_hot_encoder, tree_encoder
from covertype.training.fitting import TrainingSet
from tests.models import flattened, make_forest, saved

ROWS = st.tuples(
    *(st.integers(quantity.minimum, quantity.maximum) for quantity in QUANTITIES),
    *(st.integers(0, len(category.values) - 1) for category in CATEGORIES),
)


@pytest.fixture(scope="module")
def arrays(forest: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> ForestArrays:
    return flattened(forest, tmp_path_factory.mktemp("forest"))


@pytest.fixture(scope="module")
def predictor(arrays: ForestArrays, compiled: Path) -> ForestPredictor:
    return ForestPredictor(arrays, compiled)


def parts_of(column: str) -> dict[str, float]:
    """Return the features that an encoded column is made of, each with its part."""
    if column in DERIVED:
        sizes = {name: abs(weight) for name, weight in DERIVED[column].items()}
        return {name: size / sum(sizes.values()) for name, size in sizes.items()}
    (name,) = (name for name in FEATURE_NAMES if column == name or column.startswith(f"{name}_"))
    return {name: 1}


def along_the_paths(
    model: Pipeline, row: npt.NDArray[np.int16], label: int
) -> tuple[float, npt.NDArray[np.float64]]:
    """Return bias and contributions by the definition, from scikit-learn's own trees."""
    encoded = model[0].transform(to_frame(row[None])).astype(np.float32)[0]
    names = encoded_names(len(encoded))
    bias, contributions = 0.0, dict.fromkeys(FEATURE_NAMES, 0.0)
    for estimator in model[-1].estimators_:
        tree, node = estimator.tree_, 0
        bias += tree.value[0, 0, label]
        while tree.children_left[node] >= 0:
            column = tree.feature[node]
            goes_left = encoded[column] <= tree.threshold[node]
            child = (tree.children_left if goes_left else tree.children_right)[node]
            change = tree.value[child, 0, label] - tree.value[node, 0, label]
            for name, part in parts_of(names[column]).items():
                contributions[name] += part * change
            node = child
    trees = len(model[-1].estimators_)
    return bias / trees, np.array(list(contributions.values())) / trees


@pytest.mark.parametrize("encoder", [tree_encoder, one_hot_encoder])
@pytest.mark.parametrize("bootstrap", [True, False])
def test_contributions_are_the_changes_along_the_paths(
    data: TrainingSet,
    compiled: Path,
    tmp_path: Path,
    rows: list[list[object]],
    encoder: Callable[[], ColumnTransformer],
    bootstrap: bool,
) -> None:
    model = make_forest(data, encoder, n_estimators=4, bootstrap=bootstrap)
    predictor = ForestPredictor(flattened(model, tmp_path), compiled)
    for row in to_codes(rows[:40]):
        label = int(predictor.answer(row[None])[0].argmax())
        bias, contributions = along_the_paths(model, row, label)
        explained = predictor.explain(row[None], label)
        assert explained.bias == pytest.approx(bias, abs=1e-7)
        np.testing.assert_allclose(explained.contributions, contributions, atol=1e-6)


@pytest.mark.parametrize("encoder", [tree_encoder, one_hot_encoder])
def test_contributions_of_real_rows_add_up_to_the_probability_of_every_class(
    data: TrainingSet,
    compiled: Path,
    tmp_path: Path,
    rows: list[list[object]],
    encoder: Callable[[], ColumnTransformer],
) -> None:
    predictor = ForestPredictor(flattened(make_forest(data, encoder), tmp_path), compiled)
    codes = to_codes(rows)
    for row, probabilities in zip(codes, predictor.answer(codes), strict=True):
        for label, probability in enumerate(probabilities):
            explained = predictor.explain(row[None], label)
            assert abs(explained.bias + explained.contributions.sum() - probability) < 1e-12


@given(row=ROWS, label=st.integers(0, len(CLASSES) - 1))
def test_contributions_of_any_valid_row_add_up_to_the_probability(
    predictor: ForestPredictor, row: tuple[int, ...], label: int
) -> None:
    codes = np.array([row], np.int16)
    explained = predictor.explain(codes, label)
    probability = predictor.answer(codes)[0, label]
    assert abs(explained.bias + explained.contributions.sum() - probability) < 1e-12


def test_the_contributions_to_all_classes_cancel_out(
    predictor: ForestPredictor, rows: list[list[object]]
) -> None:
    codes = to_codes(rows[:1])
    explained = [predictor.explain(codes, label) for label in range(len(CLASSES))]
    assert sum(one.bias for one in explained) == pytest.approx(1)
    total = sum(one.contributions for one in explained)
    np.testing.assert_allclose(total, np.zeros(len(FEATURE_NAMES)), atol=1e-6)


def test_a_forest_that_asks_nothing_has_a_bias_alone(
    data: TrainingSet, compiled: Path, tmp_path: Path, rows: list[list[object]]
) -> None:
    model = make_forest(data, n_estimators=3, min_samples_split=len(data.train) + 1)
    predictor = ForestPredictor(flattened(model, tmp_path), compiled)
    codes = to_codes(rows[:1])
    explained = predictor.explain(codes, 1)
    assert explained.bias == predictor.answer(codes)[0, 1]
    assert not explained.contributions.any()


def test_a_class_that_training_never_saw_has_no_contributions(
    data: TrainingSet, compiled: Path, tmp_path: Path, rows: list[list[object]]
) -> None:
    seen = data.train.classes != 1
    model = make_forest(data, n_estimators=3)
    model.fit(data.train.observations[seen], data.train.classes[seen])
    predictor = ForestPredictor(flattened(model, tmp_path), compiled)
    explained = predictor.explain(to_codes(rows[:1]), 1)
    assert explained.bias == 0
    assert not explained.contributions.any()


def test_a_derived_column_is_divided_by_the_sizes_of_its_weights() -> None:
    parts = attribution(derived_weights().astype(np.int32))
    for number, weights in enumerate(DERIVED.values()):
        divided = dict(zip(FEATURE_NAMES, parts[FIRST_DERIVED + number].tolist(), strict=True))
        sizes = {name: abs(weight) for name, weight in weights.items()}
        assert {name: part for name, part in divided.items() if part} == pytest.approx(
            {name: size / sum(sizes.values()) for name, size in sizes.items()}
        )
    assert parts[FIRST_DERIVED + 1, QUANTITY_NAMES.index("Elevation")] == 5 / 6


def test_every_column_that_a_node_can_ask_is_attributed_whole(arrays: ForestArrays) -> None:
    parts = attribution(arrays.weights)
    asked = np.unique(arrays.nodes[arrays.nodes >> np.uint64(32) > np.arange(len(arrays.nodes))])
    columns = np.unique(asked & np.uint64(0xFF)).astype(int)
    np.testing.assert_allclose(parts[columns].sum(axis=1), 1)


def test_the_values_of_a_category_contribute_for_it() -> None:
    parts = attribution(np.zeros((len(QUANTITIES), 0), np.int32))
    first = len(FEATURE_NAMES)
    for category in CATEGORIES:
        assert isinstance(category, Category)
        last = first + len(category.values)
        of_it = parts[first:last, FEATURE_NAMES.index(category.name)]
        assert of_it.tolist() == [1] * len(category.values)
        assert parts[first:last].sum() == len(category.values)
        first = last


def test_a_model_that_is_no_forest_has_no_decision_paths(
    logistic_regression: Pipeline, tmp_path: Path, rows: list[list[object]]
) -> None:
    predictor = PipelinePredictor(saved(logistic_regression, tmp_path))
    with pytest.raises(NoDecisionPaths):
        predictor.explain(to_codes(rows[:1]), 0)
