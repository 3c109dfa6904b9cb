"""Arrays come back as they were saved; a forest that they can't hold is refused."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from covertype.contract import QUANTITY_NAMES
from covertype.models.flat_forests import ForestArrays
from covertype.training.derived import derived_weights
from covertype.training.encoding import one_hot_encoder, tree_encoder
from covertype.training.fitting import TrainingSet
from tests.models import flattened, make_forest


@pytest.mark.parametrize("encoder", [tree_encoder, one_hot_encoder])
def test_mapped_arrays_are_those_that_were_saved(
    data: TrainingSet, tmp_path: Path, encoder: Callable[[], ColumnTransformer]
) -> None:
    arrays = flattened(make_forest(data, encoder), tmp_path)
    arrays.save(tmp_path)
    mapped = ForestArrays.open(tmp_path)
    assert mapped is not None
    for name in ("nodes", "leaves", "weights", "shares"):
        assert np.array_equal(getattr(arrays, name), getattr(mapped, name))
    assert (mapped.trees, mapped.depth) == (arrays.trees, arrays.depth)


def test_a_forest_over_columns_of_another_encoder_is_refused(
    data: TrainingSet, tmp_path: Path
) -> None:
    def of_quantities() -> ColumnTransformer:
        return ColumnTransformer([("quantities", "passthrough", list(QUANTITY_NAMES))])

    with pytest.raises(ValueError, match="no encoder of ours makes 10 columns"):
        flattened(make_forest(data, of_quantities), tmp_path)


@pytest.mark.parametrize(
    "weights", [derived_weights() / 2, derived_weights() * 1000, derived_weights()[:9]]
)
def test_derived_columns_that_no_threshold_in_whole_numbers_divides_are_refused(
    forest: Pipeline, tmp_path: Path, weights: npt.NDArray[np.float32]
) -> None:
    model = copy.deepcopy(forest)
    model[0].named_transformers_["derived"]["sum"].kw_args = {"b": weights}
    with pytest.raises(ValueError, match="weights of the derived columns are not whole"):
        flattened(model, tmp_path)
