import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covertype.contract import (
    CATEGORIES,
    COLUMNS,
    FEATURE_NAMES,
    QUANTITIES,
    SOIL_TYPE,
    TARGET,
    WILDERNESS_AREA,
)
from covertype.rows.validation import InvalidObservation, parse_observation, split_valid

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
    with pytest.raises(InvalidObservation) as caught:
        parse_observation(features)
    return caught.value.errors


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


def as_text(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    text = [[str(cell) for cell in row] for row in rows]
    return pd.DataFrame(text, columns=list(COLUMNS), dtype=str)


@given(st.lists(st.tuples(observations, st.integers(0, 6)), max_size=20))
def test_good_rows_of_text_come_out_as_they_went_in(rows: list[tuple[Any, int]]) -> None:
    full = [(*observation, label) for observation, label in rows]
    valid, rejected = split_valid(as_text(full))
    assert rejected.empty
    assert [tuple(row) for row in valid.itertuples(index=False)] == full


@given(
    st.lists(
        st.lists(st.one_of(st.text(max_size=8), st.integers().map(str)), min_size=13, max_size=13),
        max_size=20,
    )
)
def test_any_rows_of_text_are_parted_and_none_is_lost(rows: list[list[str]]) -> None:
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)
    valid, rejected = split_valid(frame)
    assert sorted([*valid.index, *rejected.index]) == list(frame.index)
    assert (rejected["reason"] != "").all()


@pytest.mark.parametrize("text", ["3000", " 3000 ", "+3000", "3000.", "3000.00", "03000"])
def test_a_whole_number_may_be_written_in_several_ways(text: str) -> None:
    valid, _ = split_valid(as_text([(text, *PARSED[1:], 3)]))
    assert valid["Elevation"].tolist() == [3000]


@pytest.mark.parametrize(
    "text", ["1e-400", "3000.00000000000000001", "2999.99999999999999999", "3e3", "0x10", "1_000"]
)
def test_text_that_is_not_written_as_a_whole_number_is_rejected(text: str) -> None:
    valid, rejected = split_valid(as_text([(text, *PARSED[1:], 3)]))
    assert valid.empty
    assert "Elevation must be a whole number from 0 to 9000" in rejected["reason"].item()


def test_a_row_and_a_file_are_refused_with_the_same_words() -> None:
    rows = as_text([(*PARSED[:11], "C1", 3)])
    _, rejected = split_valid(rows)
    assert rejected["reason"].item() == errors_of([*PARSED[:11], "C1"])["Soil_Type"]


def test_a_row_without_its_class_is_rejected() -> None:
    rows = as_text([(*PARSED, 3), (*PARSED, 7)])
    rows.loc[0, TARGET.name] = pd.NA
    valid, rejected = split_valid(rows)
    assert valid.empty
    assert "got nothing" in rejected["reason"][0]
    assert "Cover_Type must be a whole number from 0 to 6" in rejected["reason"][1]
