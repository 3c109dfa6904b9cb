"""The compiled forest answers as scikit-learn does, to the last bit."""

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.pipeline import Pipeline

from covertype.contract import CATEGORIES, CLASSES, FEATURE_NAMES, QUANTITIES, QUANTITY_NAMES
from covertype.models.artifact import class_probabilities
from covertype.rows.codes import Codes, to_codes, to_frame
from covertype.training.derived import derived_weights
from covertype.training.encoding import one_hot_encoder, tree_encoder
from covertype.training.fitting import TrainingSet
from inference.model import forest as compiling
from inference.model import kept
from inference.model.cards import Card
from inference.model.forest import ForestArrays, ForestPredictor, flatten
from inference.model.predictors import (
    NotFlattened,
    PipelinePredictor,
    open_predictor,
    prove,
    prove_equal,
    save_arrays,
)
from tests.conftest import ROOT
from tests.inference.conftest import make_forest


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    """Ten thousand real observations."""
    whole = pd.read_parquet(ROOT / "data-api" / "covertype.parquet")
    sample = whole.sample(10_000, random_state=1)[list(FEATURE_NAMES)]
    return sample.astype(dict.fromkeys(QUANTITY_NAMES, np.int64))


def saved(model: Pipeline, folder: Path) -> Path:
    skops.io.dump(model, kept.model_file(folder))
    save_arrays(folder)
    return folder


def flattened(model: Pipeline, folder: Path) -> ForestArrays:
    skops.io.dump(model, kept.model_file(folder))
    stored = kept.open_forest(folder)
    assert stored is not None
    return flatten(stored)


@pytest.mark.parametrize("encoder", [tree_encoder, one_hot_encoder])
@pytest.mark.parametrize(
    "parameters",
    [
        {"n_estimators": 7, "bootstrap": False},
        {"n_estimators": 20, "max_depth": 9},
        {"n_estimators": 1, "max_depth": 1},
    ],
)
def test_ten_thousand_real_rows_are_answered_as_scikit_learn_answers_them(
    many: pd.DataFrame,
    data: TrainingSet,
    compiled: Path,
    tmp_path: Path,
    parameters: dict[str, Any],
    encoder: Callable[[], ColumnTransformer],
) -> None:
    model = make_forest(data, encoder, **parameters)
    expected = class_probabilities(model, many)
    codes = to_codes(many.to_numpy(object).tolist())
    predictor = ForestPredictor(flattened(model, tmp_path), compiled)
    assert np.array_equal(predictor.probabilities(codes), expected)
    one_by_one = np.concatenate([predictor.answer(row[None]) for row in codes[:2000]])
    assert np.array_equal(one_by_one, expected[:2000])


@pytest.fixture(scope="module")
def extremes() -> Codes:
    """Rows at both ends of every quantity's range, and one beside them."""
    random = np.random.default_rng(0)
    columns = [
        random.choice([q.minimum, q.minimum + 1, q.maximum - 1, q.maximum], 3000)
        for q in QUANTITIES
    ]
    columns += [random.integers(len(category.values), size=3000) for category in CATEGORIES]
    return np.stack(columns, axis=1).astype(np.int16)


@pytest.mark.parametrize("encoder", [tree_encoder, one_hot_encoder])
def test_thresholds_of_any_sign_and_beyond_int16_divide_as_scikit_learn_divides(
    extremes: Codes,
    compiled: Path,
    tmp_path: Path,
    encoder: Callable[[], ColumnTransformer],
) -> None:
    classes = np.random.default_rng(1).integers(len(CLASSES), size=len(extremes))
    classifier = ExtraTreesClassifier(20, random_state=0)
    model = Pipeline([("encoder", encoder()), ("classifier", classifier)])
    model.fit(to_frame(extremes), classes)
    thresholds = np.concatenate([tree.tree_.threshold for tree in classifier.estimators_])
    assert thresholds.min() < -5000
    if encoder is tree_encoder:
        assert thresholds.max() > np.iinfo(np.int16).max
    predictor = ForestPredictor(flattened(model, tmp_path), compiled)
    expected = class_probabilities(model, to_frame(extremes))
    assert np.array_equal(predictor.answer(extremes), expected)


def test_a_forest_of_stumps_without_a_split_answers(
    data: TrainingSet, compiled: Path, tmp_path: Path, rows: list[list[object]]
) -> None:
    model = make_forest(data, n_estimators=3, min_samples_split=len(data.train) + 1)
    predictor = ForestPredictor(flattened(model, tmp_path), compiled)
    expected = class_probabilities(model, data.selection.observations)
    assert np.array_equal(predictor.probabilities(to_codes(rows)), expected)


def test_a_class_that_training_never_saw_has_no_probability(
    data: TrainingSet, compiled: Path, tmp_path: Path, rows: list[list[object]]
) -> None:
    seen = data.train.classes != 1
    model = make_forest(data, n_estimators=3)
    model.fit(data.train.observations[seen], data.train.classes[seen])
    predictor = ForestPredictor(flattened(model, tmp_path), compiled)
    answered = predictor.probabilities(to_codes(rows))
    assert np.array_equal(answered, class_probabilities(model, data.selection.observations))
    assert answered.shape == (len(rows), len(CLASSES))
    assert not answered[:, 1].any()


@pytest.mark.parametrize("encoder", [tree_encoder, one_hot_encoder])
def test_mapped_arrays_are_those_that_were_saved(
    data: TrainingSet, tmp_path: Path, encoder: Callable[[], ColumnTransformer]
) -> None:
    arrays = flattened(make_forest(data, encoder), tmp_path)
    arrays.save(tmp_path)
    mapped = ForestArrays.open(tmp_path)
    assert mapped is not None
    for name in ("nodes", "leaves", "weights"):
        assert np.array_equal(getattr(arrays, name), getattr(mapped, name))
    assert (mapped.trees, mapped.depth) == (arrays.trees, arrays.depth)


def test_extra_trees_are_walked_too(
    data: TrainingSet, compiled: Path, tmp_path: Path, rows: list[list[object]]
) -> None:
    forest = ExtraTreesClassifier(n_estimators=5, random_state=0)
    model = Pipeline([("encoder", tree_encoder()), ("classifier", forest)])
    model.fit(data.train.observations, data.train.classes)
    predictor = open_predictor(saved(model, tmp_path), compiled)
    assert isinstance(predictor, ForestPredictor)
    expected = class_probabilities(model, data.selection.observations)
    assert np.array_equal(predictor.probabilities(to_codes(rows)), expected)


def test_a_model_that_is_no_forest_is_answered_by_its_pipeline(
    logistic_regression: Pipeline,
    data: TrainingSet,
    compiled: Path,
    tmp_path: Path,
    rows: list[list[object]],
) -> None:
    predictor = open_predictor(saved(logistic_regression, tmp_path), compiled)
    assert isinstance(predictor, PipelinePredictor)
    expected = class_probabilities(logistic_regression, data.selection.observations)
    assert np.array_equal(predictor.probabilities(to_codes(rows)), expected)


def test_a_forest_without_arrays_is_not_loaded_as_a_pipeline(
    forest: Pipeline, compiled: Path, tmp_path: Path
) -> None:
    skops.io.dump(forest, kept.model_file(tmp_path))
    with pytest.raises(NotFlattened):
        open_predictor(tmp_path, compiled)


def test_a_forest_over_columns_of_another_encoder_is_refused(
    data: TrainingSet, tmp_path: Path
) -> None:
    def of_quantities() -> ColumnTransformer:
        return ColumnTransformer([("quantities", "passthrough", list(QUANTITY_NAMES))])

    with pytest.raises(ValueError, match="no encoder of ours makes 10 columns"):
        saved(make_forest(data, of_quantities), tmp_path)


@pytest.mark.parametrize(
    "weights", [derived_weights() / 2, derived_weights() * 1000, derived_weights()[:9]]
)
def test_derived_columns_that_no_threshold_in_whole_numbers_divides_are_refused(
    forest: Pipeline, tmp_path: Path, weights: npt.NDArray[np.float32]
) -> None:
    model = copy.deepcopy(forest)
    model[0].named_transformers_["derived"]["sum"].kw_args = {"b": weights}
    with pytest.raises(ValueError, match="weights of the derived columns are not whole"):
        saved(model, tmp_path)


def test_a_version_answers_with_the_derived_columns_it_was_logged_with(
    data: TrainingSet, compiled: Path, tmp_path: Path, rows: list[list[object]]
) -> None:
    def of_another_release() -> ColumnTransformer:
        encoder = tree_encoder()
        _, derive, _ = encoder.transformers[2]
        derive.set_params(sum__kw_args={"b": derived_weights()[:, 5::-2]})
        return encoder

    model = make_forest(data, of_another_release, n_estimators=5)
    version = saved(model, tmp_path)
    predictor = open_predictor(version, compiled)
    expected = class_probabilities(model, data.selection.observations)
    assert np.array_equal(predictor.probabilities(to_codes(rows)), expected)
    prove_equal(predictor, version)


def test_a_right_copy_is_proven(
    forest: Pipeline, card: Card, compiled: Path, tmp_path: Path
) -> None:
    predictor = open_predictor(saved(forest, tmp_path), compiled)
    prove(predictor, card)
    prove_equal(predictor, tmp_path)


@pytest.mark.parametrize("wrong", [0.001, float("nan")])
def test_a_copy_that_answers_otherwise_than_in_training_is_not_proven(
    forest: Pipeline, card: Card, compiled: Path, tmp_path: Path, wrong: float
) -> None:
    answers: npt.NDArray[np.float64] = np.array(card.golden_probabilities)
    answers[0, 0] += wrong
    other = msgspec.structs.replace(card, golden_probabilities=answers.tolist())
    with pytest.raises(ValueError, match="1 of 32 golden rows otherwise than in training"):
        prove(ForestPredictor(flattened(forest, tmp_path), compiled), other)


def test_a_copy_without_golden_rows_is_not_proven(
    forest: Pipeline, card: Card, compiled: Path, tmp_path: Path
) -> None:
    empty = msgspec.structs.replace(card, golden_rows=[], golden_probabilities=[])
    with pytest.raises(ValueError, match="no golden rows"):
        prove(ForestPredictor(flattened(forest, tmp_path), compiled), empty)


def passed(arrays: ForestArrays, codes: Codes) -> set[int]:
    """Return the places of all nodes that some of these rows come by."""
    places = set()
    for row in codes.tolist():
        derived = np.abs(np.array(row[:10]) @ arrays.weights).tolist()
        encoded = dict(enumerate(row)) | dict(enumerate(derived, 57)) | {56: -(2**23)}
        for place in range(arrays.trees):
            for _ in range(arrays.depth):
                places.add(place)
                node = int(arrays.nodes[place])
                threshold = (node >> 8 & 0xFFFFFF ^ 0x800000) - 0x800000
                place = (node >> 32) + (encoded[node & 0xFF] > threshold)
    return places


def test_wrong_thresholds_are_found_though_no_golden_row_meets_them(
    forest: Pipeline, card: Card, compiled: Path, tmp_path: Path
) -> None:
    arrays = flattened(forest, tmp_path)
    met = passed(arrays, to_codes(card.golden_rows))
    asking = np.flatnonzero(arrays.nodes >> np.uint64(32) != np.arange(len(arrays.nodes)))
    unmet = [place for place in asking.tolist() if place not in met][:200]
    arrays.nodes[unmet] ^= np.uint64(0x0FFF00)
    predictor = ForestPredictor(arrays, compiled)
    prove(predictor, card)
    with pytest.raises(ValueError, match="rows otherwise than its Pipeline"):
        prove_equal(predictor, tmp_path)


def test_machine_code_is_made_once_and_kept(compiled: Path) -> None:
    def kept() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in compiled.rglob("*.nb?")}

    compiling.compile_walk(compiled)
    made = kept()
    assert made
    program = "import sys, pathlib; from inference.model.forest import compile_walk as compile; "
    again = [sys.executable, "-c", f"{program}compile(pathlib.Path(sys.argv[1]))", str(compiled)]
    subprocess.run(again, cwd=ROOT, check=True)
    assert kept() == made
