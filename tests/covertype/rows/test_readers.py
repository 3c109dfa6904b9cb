"""All readers of rows accept and refuse the same rows, for the same reasons."""

import csv
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from covertype.contract import CATEGORIES, FEATURE_NAMES, QUANTITIES
from covertype.data import Datasets
from covertype.rows.csv_files import Layout
from covertype.rows.observations import InvalidRow, parse_row
from covertype.rows.violations import Violation, describe
from covertype_ui.rows import read_table
from inference.api.requests import InvalidRequest, read_many, read_one
from inference.api.tables import read_csv

Cells = list[str]
Verdict = tuple[int, ...] | frozenset[str]
"""The row as whole numbers, or why not: each feature that breaks its rule, with its value."""

VALID = ["3000", "45", "10", "100", "20", "200", "220", "230", "180", "150", "Rawah", "C7745"]

whole = [st.integers(quantity.minimum, quantity.maximum).map(str) for quantity in QUANTITIES]
named = [st.sampled_from(category.values) for category in CATEGORIES]
written = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.integers(0, 60).map(str),
    st.sampled_from(
        [
            *("", " 7 ", "+7", "7.", "7.0", "-0", "007", "7.5", "7e0", "7E0", "1e-400", "0x7"),
            *(
                ".0",
                "-.0",
                " +.0",
                "7.0.0",
                "7.e0",
                "0X7",
                "nan",
                "inf",
                "-inf",
                "NULL",
                "N/A",
                "null",
                "true",
                "1_0",
                "٣",
                "7,0",
                '"',
            ),
            *("'7", "9" * 30, "0" * 30 + "7", "2.99999999999999999999", "rawah", " Rawah", "C0"),
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=4),
)
rows = st.tuples(*(st.one_of(each, each, each, written) for each in (*whole, *named))).map(list)


def broken_of(violations: Iterable[Violation]) -> frozenset[str]:
    return frozenset(map(describe, violations))


def by_rule(cells: Cells) -> Verdict:
    """Decide as the rule does, line by line."""
    try:
        return Layout(FEATURE_NAMES).parse(cells)
    except InvalidRow as invalid:
        return broken_of(invalid.violations)


def as_csv(rows: Iterable[Iterable[Any]], separator: str = ",") -> bytes:
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator="\n").writerows(rows)
    return file.getvalue().encode()


def by_service(read: Callable[[bytes], Any], body: bytes) -> Verdict:
    try:
        (row,) = read(body).tolist()
    except InvalidRequest as invalid:
        return frozenset(fault["msg"] for fault in invalid.faults)
    return tuple(row)


def by_form(content: bytes) -> Verdict:
    table = read_table(content)
    if table.rows:
        return parse_row(table.rows[0].observation)
    return frozenset(table.faults[0].features)


def features_of(verdict: Verdict) -> Verdict:
    """Return which features are wrong, in place of the sentences."""
    if isinstance(verdict, tuple):
        return verdict
    return frozenset(name for name in FEATURE_NAMES for text in verdict if text.startswith(name))


@given(rows)
@example(VALID)
@example([*VALID[:10], "3", "39"])
@example(["0x10", *VALID[1:]])
@example(["1e-400", *VALID[1:]])
def test_a_line_is_the_same_row_to_the_service_the_form_and_the_datasets(cells: Cells) -> None:
    expected = by_rule(cells)
    for separator in ",;\t":
        body = as_csv([FEATURE_NAMES, cells], separator)
        assert by_service(lambda body: read_csv(body, 10), body) == expected
        assert by_form(body) == features_of(expected)
    assert by_service(lambda body: read_csv(body, 10), as_csv([cells])) == expected


@given(st.lists(rows, min_size=1, max_size=5))
def test_raw_files_hold_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Cells]
) -> None:
    datasets = Datasets(tmp_path_factory.mktemp("datasets"))
    path = Path(datasets.root) / "group_1" / "batch_1_20260101_000000.csv"
    path.parent.mkdir()
    path.write_bytes(as_csv([*cells, "3"] for cells in lines))
    accepted, rejected = datasets.read_raw("group_1/batch_1_20260101_000000.csv")
    expected = [by_rule(cells) for cells in lines]
    assert [tuple(row[:-1]) for row in accepted.tolist()] == [
        row for row in expected if isinstance(row, tuple)
    ]
    assert [broken_of(row.violations) for row in rejected] == [
        row for row in expected if not isinstance(row, tuple)
    ]


floats = st.floats(allow_nan=False, allow_infinity=False)
others = st.one_of(
    st.integers(-(10**6), 10**6), floats, st.booleans(), st.none(), st.text(max_size=3)
)
values = st.tuples(
    *(
        st.one_of(st.integers(quantity.minimum, quantity.maximum), others)
        for quantity in QUANTITIES
    ),
    *(
        st.one_of(st.sampled_from(category.values), st.integers(-1, 41), others)
        for category in CATEGORIES
    ),
).map(list)


@given(values)
def test_a_list_of_values_is_the_same_row_however_it_is_sent(row: list[Any]) -> None:
    try:
        expected: Verdict = parse_row(row)
    except InvalidRow as invalid:
        expected = broken_of(invalid.violations)
    many = json.dumps({"features": [row]}).encode()
    assert by_service(lambda body: read_many(body, 10), many) == expected
    objects = json.dumps({"features": [dict(zip(FEATURE_NAMES, row, strict=True))]}).encode()
    assert by_service(lambda body: read_many(body, 10), objects) == expected
    try:
        one: Verdict = read_one(json.dumps({"features": row}).encode())
    except InvalidRequest as invalid:
        one = frozenset(fault["msg"] for fault in invalid.faults)
    assert one == expected


@given(rows.filter(lambda cells: isinstance(by_rule(cells), tuple)))
def test_what_is_right_is_read_fast_or_not_at_all(cells: Cells) -> None:
    codes = Layout(FEATURE_NAMES).read_fast(as_csv([cells]))
    assert codes is None or tuple(codes[0].tolist()) == by_rule(cells)


def test_rows_as_programs_write_them_are_read_fast() -> None:
    for lines in ([VALID], [[*(f"{cell}.0" for cell in VALID[:10]), "3", "39"]]):
        assert Layout(FEATURE_NAMES).read_fast(as_csv(lines)) is not None
