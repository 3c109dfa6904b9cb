"""The compiled forest answers as scikit-learn does, to the last bit."""

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.pipeline import Pipeline

from covertype.contract import CLASSES, FEATURE_NAMES, QUANTITY_NAMES
from covertype.estimators import build
from covertype.models import MODEL_FILE, class_probabilities
from covertype.searches import FOREST
from covertype.training import TrainingSet
from inference import forest as compiling
from inference.cards import Card
from inference.codes import Codes, to_codes
from inference.forest import ForestArrays, ForestPredictor, flatten
from inference.predictors import PipelinePredictor, open_predictor, prove, prove_equal, save_arrays

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    """Ten thousand real observations."""
    whole = pd.read_parquet(ROOT / "data-api" / "covertype.parquet")
    sample = whole.sample(10_000, random_state=1)[list(FEATURE_NAMES)]
    return sample.astype(dict.fromkeys(QUANTITY_NAMES, np.int64))


def saved(model: Pipeline, folder: Path) -> Path:
    skops.io.dump(model, folder / MODEL_FILE)
    save_arrays(folder)
    return folder


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_estimators": 7, "max_depth": None},
        {"n_estimators": 20, "max_depth": 9},
        {"n_estimators": 1, "max_depth": 1},
    ],
)
def test_ten_thousand_real_rows_are_answered_as_scikit_learn_answers_them(
    many: pd.DataFrame, data: TrainingSet, compiled: Path, parameters: dict[str, int]
) -> None:
    model = build(FOREST, parameters).fit(data.train.observations, data.train.classes)
    model.set_params(classifier__n_jobs=1)
    expected = class_probabilities(model, many)
    codes = to_codes(many.to_numpy(object).tolist())
    predictor = ForestPredictor(flatten(model[-1]), compiled)
    assert np.array_equal(predictor.probabilities(codes), expected)
    one_by_one = np.concatenate([predictor.answer(row[None]) for row in codes[:2000]])
    assert np.array_equal(one_by_one, expected[:2000])


def test_a_forest_of_stumps_without_a_split_answers(
    data: TrainingSet, compiled: Path, rows: list[list[object]]
) -> None:
    model = build(FOREST, {"n_estimators": 3, "min_samples_split": len(data.train) + 1})
    model.fit(data.train.observations, data.train.classes).set_params(classifier__n_jobs=1)
    predictor = ForestPredictor(flatten(model[-1]), compiled)
    expected = class_probabilities(model, data.test.observations)
    assert np.array_equal(predictor.probabilities(to_codes(rows)), expected)


def test_a_class_that_training_never_saw_has_no_probability(
    data: TrainingSet, compiled: Path, rows: list[list[object]]
) -> None:
    seen = data.train.classes != 1
    model = build(FOREST, {"n_estimators": 3}).fit(
        data.train.observations[seen], data.train.classes[seen]
    )
    answered = ForestPredictor(flatten(model[-1]), compiled).probabilities(to_codes(rows))
    assert answered.shape == (len(rows), len(CLASSES))
    assert not answered[:, 1].any()
    np.testing.assert_allclose(answered.sum(axis=1), 1)


def test_mapped_arrays_are_those_that_were_saved(forest: Pipeline, tmp_path: Path) -> None:
    arrays = flatten(forest[-1])
    arrays.save(tmp_path)
    mapped = ForestArrays.open(tmp_path)
    assert mapped is not None
    for name in ("nodes", "leaf_of", "leaves"):
        assert np.array_equal(getattr(arrays, name), getattr(mapped, name))
    assert (mapped.trees, mapped.depth) == (arrays.trees, arrays.depth)


def test_extra_trees_are_walked_too(
    data: TrainingSet, compiled: Path, tmp_path: Path, rows: list[list[object]]
) -> None:
    forest = ExtraTreesClassifier(n_estimators=5, random_state=0)
    encoder = build(FOREST, {})[0]
    model = Pipeline([("encoder", encoder), ("classifier", forest)])
    model.fit(data.train.observations, data.train.classes)
    predictor = open_predictor(saved(model, tmp_path), compiled)
    assert isinstance(predictor, ForestPredictor)
    expected = class_probabilities(model, data.test.observations)
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
    expected = class_probabilities(logistic_regression, data.test.observations)
    assert np.array_equal(predictor.probabilities(to_codes(rows)), expected)


def test_a_right_copy_is_proven(
    forest: Pipeline, card: Card, compiled: Path, tmp_path: Path
) -> None:
    predictor = open_predictor(saved(forest, tmp_path), compiled)
    prove(predictor, card)
    prove_equal(predictor, tmp_path)


@pytest.mark.parametrize("wrong", [0.001, float("nan")])
def test_a_copy_that_answers_otherwise_than_in_training_is_not_proven(
    forest: Pipeline, card: Card, compiled: Path, wrong: float
) -> None:
    answers: npt.NDArray[np.float64] = np.array(card.golden_probabilities)
    answers[0, 0] += wrong
    other = msgspec.structs.replace(card, golden_probabilities=answers.tolist())
    with pytest.raises(ValueError, match="1 of 32 golden rows otherwise than in training"):
        prove(ForestPredictor(flatten(forest[-1]), compiled), other)


def test_a_copy_without_golden_rows_is_not_proven(
    forest: Pipeline, card: Card, compiled: Path
) -> None:
    empty = msgspec.structs.replace(card, golden_rows=[], golden_probabilities=[])
    with pytest.raises(ValueError, match="no golden rows"):
        prove(ForestPredictor(flatten(forest[-1]), compiled), empty)


def passed(arrays: ForestArrays, codes: Codes) -> set[int]:
    """Return the places of all nodes that some of these rows come by."""
    places = set()
    for row in codes.tolist():
        encoded = dict(enumerate(row[:10])) | {10 + row[10]: 1, 14 + row[11]: 1}
        for place in range(arrays.trees):
            for _ in range(arrays.depth):
                places.add(place)
                node = int(arrays.nodes[place])
                threshold = (node & 0xFFFF ^ 0x8000) - 0x8000
                place = (node >> 32) + (encoded.get(node >> 16 & 0xFFFF, 0) > threshold)
    return places


def test_wrong_thresholds_are_found_though_no_golden_row_meets_them(
    forest: Pipeline, card: Card, compiled: Path, tmp_path: Path
) -> None:
    version = saved(forest, tmp_path)
    arrays = flatten(forest[-1])
    met = passed(arrays, to_codes(card.golden_rows))
    asking = np.flatnonzero(arrays.nodes >> np.uint64(32) != np.arange(len(arrays.nodes)))
    unmet = [place for place in asking.tolist() if place not in met][:200]
    arrays.nodes[unmet] ^= np.uint64(0x0FFF)
    predictor = ForestPredictor(arrays, compiled)
    prove(predictor, card)
    with pytest.raises(ValueError, match="rows otherwise than its Pipeline"):
        prove_equal(predictor, version)


def test_machine_code_is_made_once_and_kept(compiled: Path) -> None:
    def kept() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in compiled.rglob("*.nb?")}

    compiling.compile_walk(compiled)
    made = kept()
    assert made
    program = "import sys, pathlib; from inference.forest import compile_walk as compile; "
    again = [sys.executable, "-c", f"{program}compile(pathlib.Path(sys.argv[1]))", str(compiled)]
    subprocess.run(again, cwd=ROOT, check=True)
    assert kept() == made
