import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer

from covertype.contract import (
    CATEGORIES,
    FEATURE_NAMES,
    QUANTITIES,
    QUANTITY_NAMES,
    SOIL_TYPE,
    WILDERNESS_AREA,
)
from covertype.models.artifact import ENCODER_TYPES
from covertype.training.derived import DERIVED, DERIVED_NAMES
from covertype.training.encoding import (
    ENCODERS,
    ONE_HOT_NAMES,
    TREE_NAMES,
    encoded_names,
    one_hot_encoder,
    tree_encoder,
)


@pytest.mark.parametrize(
    ("encoder", "names"), [(one_hot_encoder(), ONE_HOT_NAMES), (tree_encoder(), TREE_NAMES)]
)
def test_columns_are_the_same_whatever_the_training_data_holds(
    encoder: ColumnTransformer, names: tuple[str, ...], real_rows: pd.DataFrame
) -> None:
    one = real_rows[list(FEATURE_NAMES)].head(1)
    encoded = encoder.fit(one).transform(real_rows[list(FEATURE_NAMES)])
    assert encoded.shape == (len(real_rows), len(names))
    assert encoded_names(len(names)) == names


def test_another_width_is_none_of_ours() -> None:
    with pytest.raises(ValueError, match=r"no encoder makes 5 columns; ours make \[30, 54\]"):
        encoded_names(5)


def test_each_one_hot_column_means_what_its_place_says(real_rows: pd.DataFrame) -> None:
    observations = real_rows[list(FEATURE_NAMES)]
    encoded = one_hot_encoder().fit_transform(observations)
    np.testing.assert_array_equal(encoded[:, :10], observations[list(QUANTITY_NAMES)])
    areas = np.array(WILDERNESS_AREA.values)[encoded[:, 10:14].argmax(axis=1)]
    soils = np.array(SOIL_TYPE.values)[encoded[:, 14:].argmax(axis=1)]
    assert (areas == observations["Wilderness_Area"]).all()
    assert (soils == observations["Soil_Type"]).all()
    assert (encoded[:, 10:].sum(axis=1) == 2).all()
    assert ONE_HOT_NAMES[10] == "Wilderness_Area_Cache"


def test_each_column_for_trees_is_what_its_name_says(real_rows: pd.DataFrame) -> None:
    observations = real_rows[list(FEATURE_NAMES)]
    encoded = pd.DataFrame(tree_encoder().fit_transform(observations), columns=list(TREE_NAMES))
    for name in QUANTITY_NAMES:
        assert (encoded[name] == observations[name].to_numpy()).all()
    for category in CATEGORIES:
        indexes = [category.values.index(value) for value in observations[category.name]]
        assert (encoded[category.name] == indexes).all()
    wide = observations.astype(dict.fromkeys(QUANTITY_NAMES, np.int64))
    for name, weights in DERIVED.items():
        expected = np.abs(
            sum(weight * wide[column].to_numpy() for column, weight in weights.items())
        )
        assert (encoded[name] == expected).all(), name


def test_names_of_derived_columns_are_their_formulas() -> None:
    assert len(set(DERIVED_NAMES)) == len(DERIVED_NAMES)
    assert {"|5*Elevation-Hydrology|", "|Fire_Points-2*Roadways|"} <= set(DERIVED_NAMES)


@pytest.mark.parametrize("encoding", ENCODERS)
def test_the_extremes_of_the_contract_are_encoded_exactly(encoding: str) -> None:
    """What float32 holds, from narrow columns as in training and wide ones as a service sends."""
    rows = pd.DataFrame(
        {
            **{one.name: [one.minimum, one.maximum] * 2 for one in QUANTITIES},
            **{one.name: [one.values[0], one.values[-1]] * 2 for one in CATEGORIES},
        }
    )
    rows.loc[2, "Elevation"], rows.loc[3, "Elevation"] = 9000, 0
    narrow = rows.astype(dict.fromkeys(QUANTITY_NAMES, np.int16))
    wide = rows.astype(dict.fromkeys(QUANTITY_NAMES, np.int64))
    first, second = (ENCODERS[encoding]().fit_transform(one) for one in (narrow, wide))
    assert first.dtype == np.float32
    assert np.array_equal(first, second)


@pytest.mark.parametrize("encoding", ENCODERS)
def test_an_encoder_is_made_of_scikit_learns_own_parts(
    encoding: str, real_rows: pd.DataFrame
) -> None:
    encoder = ENCODERS[encoding]().fit(real_rows[list(FEATURE_NAMES)])
    stored = skops.io.dumps(encoder)
    assert set(skops.io.get_untrusted_types(data=stored)) <= set(ENCODER_TYPES)
    assert b"covertype" not in stored
