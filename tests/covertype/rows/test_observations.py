import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covertype.contract import (
    CATEGORIES,
    FEATURE_NAMES,
    QUANTITIES,
    SOIL_TYPE,
    WILDERNESS_AREA,
)
from covertype.rows.observations import InvalidRow, parse_observation
from covertype.rows.violations import describe

OLD_CLIENT = [3000.0, 45.0, 10.0, 100.0, 20.0, 200.0, 220.0, 230.0, 180.0, 150.0, 0, 0]
PARSED = (3000, 45, 10, 100, 20, 200, 220, 230, 180, 150, "Cache", "C2702")

observations = st.tuples(
    *(st.integers(quantity.minimum, quantity.maximum) for quantity in QUANTITIES),
    *(st.sampled_from(category.values) for category in CATEGORIES),
)


def with_value(name: str, value: Any) -> list[Any]:
    changed: list[Any] = list(OLD_CLIENT)
    changed[FEATURE_NAMES.index(name)] = value
    return changed


def errors_of(features: Any) -> dict[str, str]:
    with pytest.raises(InvalidRow) as caught:
        parse_observation(features)
    return {broken.feature: describe(broken) for broken in caught.value.violations}


def test_indexes_and_names_give_the_same_observation() -> None:
    assert parse_observation(OLD_CLIENT) == PARSED
    assert parse_observation([*OLD_CLIENT[:10], "Cache", "C2702"]) == PARSED
    assert parse_observation(dict(zip(FEATURE_NAMES, OLD_CLIENT, strict=True))) == PARSED


@given(observations)
def test_every_plausible_observation_is_accepted_as_it_is(observation: tuple[Any, ...]) -> None:
    assert parse_observation(list(observation)) == observation


@given(observations)
def test_indexes_count_in_the_order_of_the_names(observation: tuple[Any, ...]) -> None:
    area = WILDERNESS_AREA.values.index(observation[10])
    soil = SOIL_TYPE.values.index(observation[11])
    assert parse_observation([*observation[:10], area, soil]) == observation


@pytest.mark.parametrize("count", [0, 11, 13])
def test_another_number_of_values_is_refused_with_the_right_order(count: int) -> None:
    errors = errors_of([0] * count)
    assert f"got {count}" in errors[""]
    assert all(name in errors[""] for name in FEATURE_NAMES)


@pytest.mark.parametrize(
    "value", ["high", "3000", None, True, math.nan, math.inf, -math.inf, 2.5, [1], {}, 10**400]
)
def test_a_quantity_that_is_no_whole_number_is_refused(value: Any) -> None:
    message = errors_of(with_value("Elevation", value))["Elevation"]
    assert "Elevation must be a whole number from 0 to 9000" in message


@pytest.mark.parametrize("value", ["Rawhide", "rawah", "", 4, -1, 0.5, None, True, math.nan])
def test_an_unknown_area_is_refused_with_the_known_ones(value: Any) -> None:
    message = errors_of(with_value("Wilderness_Area", value))["Wilderness_Area"]
    assert all(area in message for area in WILDERNESS_AREA.values)


def test_every_fault_of_a_row_is_named_at_once() -> None:
    assert set(errors_of([-1, 400, *OLD_CLIENT[2:11], 40])) == {"Elevation", "Aspect", "Soil_Type"}


def test_missing_and_unknown_names_are_named() -> None:
    named = dict(zip(FEATURE_NAMES, OLD_CLIENT, strict=True))
    del named["Slope"]
    named["Pendiente"] = 3
    assert set(errors_of(named)) == {"Slope", "Pendiente"}


def test_a_long_value_is_shortened_in_the_message() -> None:
    assert len(errors_of(with_value("Elevation", "x" * 10_000))["Elevation"]) < 200


def test_a_value_nested_to_the_limit_of_the_parser_is_described() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    assert "nested too deeply" in errors_of(with_value("Elevation", value))["Elevation"]
