"""A model serves in the right form, and wrong copies are not proven."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from covertype.models.artifact import MODEL_FILE, Proof, class_probabilities, dump_model
from covertype.models.explanations import Explanation
from covertype.models.flat_forests import ForestArrays
from covertype.models.forest_walks import ForestPredictor
from covertype.models.predictors import (
    NotFlattened,
    PipelinePredictor,
    open_predictor,
    prove,
    prove_equal,
    prove_explained,
)
from covertype.rows.codes import Codes, to_codes
from covertype.training.derived import derived_weights
from covertype.training.encoding import tree_encoder
from covertype.training.fitting import TrainingSet
from tests.models import flattened, make_forest, saved


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
    dump_model(forest, tmp_path / MODEL_FILE)
    with pytest.raises(NotFlattened):
        open_predictor(tmp_path, compiled)


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
    forest: Pipeline, proof: Proof, compiled: Path, tmp_path: Path
) -> None:
    predictor = open_predictor(saved(forest, tmp_path), compiled)
    prove(predictor, proof)
    prove_equal(predictor, tmp_path)


@pytest.mark.parametrize("wrong", [0.001, float("nan")])
def test_a_copy_that_answers_otherwise_than_in_training_is_not_proven(
    forest: Pipeline, proof: Proof, compiled: Path, tmp_path: Path, wrong: float
) -> None:
    answers: npt.NDArray[np.float64] = np.array(proof.golden_probabilities)
    answers[0, 0] += wrong
    other = replace(proof, golden_probabilities=answers.tolist())
    with pytest.raises(ValueError, match="1 of 32 golden rows otherwise than in training"):
        prove(ForestPredictor(flattened(forest, tmp_path), compiled), other)


def test_a_copy_without_golden_rows_is_not_proven(
    forest: Pipeline, proof: Proof, compiled: Path, tmp_path: Path
) -> None:
    empty = replace(proof, golden_rows=[], golden_probabilities=[])
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
    forest: Pipeline, proof: Proof, compiled: Path, tmp_path: Path
) -> None:
    arrays = flattened(forest, tmp_path)
    met = passed(arrays, to_codes(proof.golden_rows))
    asking = np.flatnonzero(arrays.nodes >> np.uint64(32) != np.arange(len(arrays.nodes)))
    unmet = [place for place in asking.tolist() if place not in met][:200]
    arrays.nodes[unmet] ^= np.uint64(0x0FFF00)
    predictor = ForestPredictor(arrays, compiled)
    prove(predictor, proof)
    with pytest.raises(ValueError, match="rows otherwise than its Pipeline"):
        prove_equal(predictor, tmp_path)


def test_a_right_copy_is_explained_rightly(
    forest: Pipeline, proof: Proof, compiled: Path, tmp_path: Path
) -> None:
    prove_explained(open_predictor(saved(forest, tmp_path), compiled), proof)


def test_a_copy_whose_explanations_do_not_add_up_is_not_proven(
    forest: Pipeline, proof: Proof, compiled: Path, tmp_path: Path
) -> None:
    class Forgetful(ForestPredictor):
        def explain(self, codes: Codes, label: int) -> Explanation:
            return replace(super().explain(codes, label), bias=0.0)

    predictor = Forgetful(flattened(forest, tmp_path), compiled)
    with pytest.raises(ValueError, match=f"explains {len(proof.golden_rows)} of"):
        prove_explained(predictor, proof)


def test_a_model_that_is_no_forest_needs_no_proof_of_explanations(
    logistic_regression: Pipeline, proof: Proof, compiled: Path, tmp_path: Path
) -> None:
    prove_explained(open_predictor(saved(logistic_regression, tmp_path), compiled), proof)
