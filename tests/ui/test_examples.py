"""The typical observations are what they claim to be."""

from pathlib import Path

import pandas as pd
import pytest

from covertype.contract import CATEGORY_NAMES, CLASSES, FEATURE_NAMES, QUANTITY_NAMES, TARGET
from covertype_ui.examples import TYPICAL

DATASET = Path(__file__).parents[2] / "data-api" / "covertype.parquet"


@pytest.fixture(scope="module")
def whole() -> pd.DataFrame:
    return pd.read_parquet(DATASET)


@pytest.mark.parametrize("number", range(len(CLASSES)))
def test_each_is_the_real_row_nearest_to_its_class_s_medians(
    whole: pd.DataFrame, number: int
) -> None:
    rows = whole[whole[TARGET.name] == number]
    pairs = rows[CATEGORY_NAMES[0]] + " " + rows[CATEGORY_NAMES[1]]
    there = rows[pairs == pairs.value_counts().index[0]]
    quantities = rows[list(QUANTITY_NAMES)]
    spread = quantities.quantile(0.75) - quantities.quantile(0.25)
    distance = (there[list(QUANTITY_NAMES)] - quantities.median()) / spread
    nearest = there[list(FEATURE_NAMES)].iloc[distance.abs().sum(axis=1).argmin()]
    assert tuple(nearest) == TYPICAL[CLASSES[number]]
