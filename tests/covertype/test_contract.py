import json
from pathlib import Path

import pandas as pd
import pytest

from covertype.contract import (
    CATEGORIES,
    CLASSES,
    COLUMNS,
    FEATURES,
    QUANTITIES,
    SOIL_TYPE,
    TARGET,
    WILDERNESS_AREA,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dataset() -> pd.DataFrame:
    return pd.read_parquet(ROOT / "data-api" / "covertype.parquet")


def test_columns_are_those_of_the_dataset_in_its_order(dataset: pd.DataFrame) -> None:
    assert list(dataset.columns) == list(COLUMNS)


def test_every_real_value_is_within_the_plausible_range(dataset: pd.DataFrame) -> None:
    for quantity in (*QUANTITIES, TARGET):
        assert dataset[quantity.name].between(quantity.minimum, quantity.maximum).all()


def test_categories_hold_exactly_the_values_of_the_dataset(dataset: pd.DataFrame) -> None:
    for category in CATEGORIES:
        assert set(dataset[category.name]) == set(category.values)


def test_categories_are_in_alphabetical_order_so_that_old_indexes_stay_right() -> None:
    for category in CATEGORIES:
        assert list(category.values) == sorted(category.values)
    assert (len(WILDERNESS_AREA.values), len(SOIL_TYPE.values)) == (4, 40)


def test_every_plausible_value_fits_sixteen_bits() -> None:
    for quantity in QUANTITIES:
        assert -(2**15) <= quantity.minimum < quantity.maximum < 2**15


def test_every_feature_says_what_it_is_and_what_is_allowed() -> None:
    for feature in FEATURES:
        assert feature.description
        assert feature.name in feature.rule
    assert json.dumps(CLASSES)
