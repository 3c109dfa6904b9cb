"""The compiled forest answers as scikit-learn does, to the last bit."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.pipeline import Pipeline

from covertype.contract import CATEGORIES, CLASSES, FEATURE_NAMES, QUANTITIES, QUANTITY_NAMES
from covertype.models.artifact import class_probabilities
from covertype.models.forest_walks import ForestPredictor, compile_walk
from covertype.rows.codes import Codes, to_codes, to_frame
from covertype.training.encoding import one_hot_encoder, tree_encoder
from covertype.training.fitting import TrainingSet
from tests.conftest import ROOT
from tests.models import flattened, make_forest


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    """Ten thousand real observations."""
    whole = pd.read_parquet(ROOT / "data-api" / "covertype.parquet")
    sample = whole.sample(10_000, random_state=1)[list(FEATURE_NAMES)]
    return sample.astype(dict.fromkeys(QUANTITY_NAMES, np.int64))


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


def test_extra_trees_are_walked_too(
    data: TrainingSet, compiled: Path, tmp_path: Path, rows: list[list[object]]
) -> None:
    forest = ExtraTreesClassifier(n_estimators=5, random_state=0)
    model = Pipeline([("encoder", tree_encoder()), ("classifier", forest)])
    model.fit(data.train.observations, data.train.classes)
    predictor = ForestPredictor(flattened(model, tmp_path), compiled)
    expected = class_probabilities(model, data.selection.observations)
    assert np.array_equal(predictor.probabilities(to_codes(rows)), expected)


def test_machine_code_is_made_once_and_kept(compiled: Path) -> None:
    def kept() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in compiled.rglob("*.nb?")}

    compile_walk(compiled)
    made = kept()
    assert made
    program = (
        "import pathlib, sys; from covertype.models.forest_walks import compile_walk; "
        "compile_walk(pathlib.Path(sys.argv[1]))"
    )
    again = [sys.executable, "-c", program, str(compiled)]
    subprocess.run(again, cwd=ROOT, check=True)
    assert kept() == made
