import numpy as np
import pandas as pd

from covertype.contract import FEATURE_NAMES, QUANTITY_NAMES, SOIL_TYPE, WILDERNESS_AREA
from covertype.encoding import ENCODED_WIDTH, make_encoder


def test_twelve_columns_become_54_whatever_the_training_data_holds(
    real_rows: pd.DataFrame,
) -> None:
    one = real_rows[list(FEATURE_NAMES)].head(1)
    encoded = make_encoder().fit(one).transform(real_rows[list(FEATURE_NAMES)])
    assert encoded.shape == (len(real_rows), ENCODED_WIDTH) == (2000, 54)


def test_each_column_means_what_its_place_says(real_rows: pd.DataFrame) -> None:
    observations = real_rows[list(FEATURE_NAMES)]
    encoded = make_encoder().fit_transform(observations)
    np.testing.assert_array_equal(encoded[:, :10], observations[list(QUANTITY_NAMES)])
    areas = np.array(WILDERNESS_AREA.values)[encoded[:, 10:14].argmax(axis=1)]
    soils = np.array(SOIL_TYPE.values)[encoded[:, 14:].argmax(axis=1)]
    assert (areas == observations["Wilderness_Area"]).all()
    assert (soils == observations["Soil_Type"]).all()
    assert (encoded[:, 10:].sum(axis=1) == 2).all()
