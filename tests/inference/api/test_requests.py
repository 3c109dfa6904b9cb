"""What a body may be: the fast way accepts nothing that the contract's rules refuse."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covertype.contract import CATEGORIES, FEATURE_NAMES, QUANTITIES, Category
from covertype.rows.codes import to_codes, to_row
from covertype.rows.observations import InvalidRow, parse_observation
from inference.api.requests import InvalidRequest, parse_each, read_many, read_one

VALID = [3000, 45, 10, 100, 20, 200, 220, 230, 180, 150, "Rawah", "C7745"]

limits = [
    value
    for quantity in QUANTITIES
    for limit in (quantity.minimum, quantity.maximum)
    for value in (limit - 1, limit, limit + 1, float(limit), limit + 0.5)
]
names = [name for category in CATEGORIES for name in category.values]
values = st.one_of(
    st.sampled_from([*limits, *names, *range(-1, 42), "0", "Narnia", "", None, True, [], {}]),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
)
nearly = st.builds(
    lambda position, value: [*VALID[:position], value, *VALID[position + 1 :]],
    st.integers(0, len(VALID) - 1),
    values,
)
observations = st.one_of(
    nearly,
    st.lists(values, min_size=11, max_size=13),
    nearly.map(lambda row: dict(zip(FEATURE_NAMES, row, strict=True))),
    st.dictionaries(st.sampled_from([*FEATURE_NAMES, "Cover_Type"]), values, max_size=13),
    values,
)


def by_rules(features: Any) -> tuple[int, ...] | None:
    if not isinstance(features, list | dict):
        return None
    try:
        return to_row(parse_observation(features))
    except InvalidRow:
        return None


@given(observations)
def test_the_fast_way_agrees_with_the_rules(features: Any) -> None:
    body = json.dumps({"features": features}).encode()
    expected = by_rules(features)
    if expected is None:
        with pytest.raises(InvalidRequest):
            read_one(body)
    else:
        assert read_one(body) == expected


@given(st.lists(observations, max_size=4))
def test_many_are_read_as_each_is(rows: list[Any]) -> None:
    body = json.dumps({"features": rows}).encode()
    expected = [by_rules(row) for row in rows]
    if not rows or None in expected:
        with pytest.raises(InvalidRequest):
            read_many(body, 4)
    else:
        assert read_many(body, 4).tolist() == [list(row) for row in expected if row]


@given(st.binary(max_size=60))
def test_no_bytes_do_more_than_be_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_one(body)


def test_every_name_and_every_index_is_the_same_observation() -> None:
    for position, category in enumerate(CATEGORIES, len(QUANTITIES)):
        for index, name in enumerate(category.values):
            read = []
            for value in (name, index, float(index)):
                features = [*VALID[:position], value, *VALID[position + 1 :]]
                read.append(read_one(json.dumps({"features": features}).encode()))
            assert read[0] == read[1] == read[2]
            assert read[0][position] == index


@pytest.mark.parametrize("feature", [*QUANTITIES, *CATEGORIES])
def test_a_fault_names_the_feature_and_what_is_allowed(feature: Any) -> None:
    features = dict(zip(FEATURE_NAMES, VALID, strict=True))
    features[feature.name] = -1 if isinstance(feature, Category) else feature.minimum - 1
    with pytest.raises(InvalidRequest) as caught:
        read_one(json.dumps({"features": features}).encode())
    (fault,) = caught.value.faults
    assert fault["loc"] == ["features", feature.name]
    assert fault["msg"] == f"{feature.rule}, got {features[feature.name]}"


def test_too_many_rows_are_refused_with_the_limit() -> None:
    body = json.dumps({"features": [VALID] * 5}).encode()
    with pytest.raises(InvalidRequest, match="1 to 4 observations, got 5"):
        read_many(body, 4)


def test_the_faults_of_many_rows_are_named_by_row_and_not_without_end() -> None:
    bad = [*VALID[:-1], "Narnia"]
    body = json.dumps({"features": [VALID, bad, *[bad] * 100]}).encode()
    with pytest.raises(InvalidRequest) as caught:
        read_many(body, 1000)
    assert caught.value.faults[0]["loc"] == ["features", 1, "Soil_Type"]
    assert len(caught.value.faults) == 20


def test_rows_of_more_than_one_block_are_read_in_their_order() -> None:
    rows = [[2000 + number % 1000, *[1] * 9, "Cache", "C2702"] for number in range(25_001)]
    assert parse_each(iter(rows)).tolist() == to_codes(rows).tolist()


@pytest.mark.parametrize("separators", [(",", ":"), (" , ", " : ")])
def test_rows_of_more_than_one_block_of_bytes_are_read_in_their_order(
    separators: tuple[str, str],
) -> None:
    rows: list[Any] = [[2000 + number % 1000, *VALID[1:]] for number in range(12_000)]
    expected = to_codes(rows).tolist()
    rows[9_000] = dict(zip(FEATURE_NAMES, rows[9_000], strict=True))
    body = {"features": rows, "note": "[árbol"}
    assert read_many(json.dumps(body, separators=separators).encode(), 12_000).tolist() == expected


@pytest.mark.parametrize("number", [0, 8_999, 9_001, 11_999])
def test_a_fault_behind_many_blocks_is_named_with_its_row(number: int) -> None:
    rows: list[Any] = [VALID] * 12_000
    rows[9_000] = dict(zip(FEATURE_NAMES, VALID, strict=True))
    rows[number] = [*VALID[:-1], "ñandú]},["]
    with pytest.raises(InvalidRequest) as caught:
        read_many(json.dumps({"features": rows}, ensure_ascii=False).encode(), 20_000)
    assert caught.value.faults[0]["loc"] == ["features", number, "Soil_Type"]
    assert "ñandú" in caught.value.faults[0]["msg"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_named_in_a_batch(value: float) -> None:
    rows = [VALID, [value, *VALID[1:]]]
    with pytest.raises(InvalidRequest) as caught:
        read_many(json.dumps({"features": rows}).encode(), 4)
    assert caught.value.faults[0]["loc"] == ["features", 1, "Elevation"]


def test_a_byte_order_mark_is_no_fault() -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"features": [VALID]}).encode()
    assert len(read_many(body, 4)) == 1


def test_an_observation_that_is_too_long_is_refused_with_the_limit() -> None:
    rows = [VALID, dict.fromkeys(map(str, range(10_000)), 1)]
    with pytest.raises(InvalidRequest, match="64000 bytes") as caught:
        read_many(json.dumps({"features": rows}).encode(), 4)
    assert caught.value.faults[0]["loc"] == ["features", 1]
