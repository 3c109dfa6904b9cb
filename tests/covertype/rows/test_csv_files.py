from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covertype.contract import COLUMNS, FEATURE_NAMES
from covertype.rows.cells import value_of
from covertype.rows.csv_files import InvalidHeader, Layout, separator_of
from covertype.rows.observations import InvalidRow, parse_observation, with_names
from covertype.rows.violations import describe
from tests.covertype.rows.test_observations import PARSED, errors_of, observations

LABELLED = Layout(COLUMNS, labelled=True)


def text_of(values: Any) -> list[str]:
    return [str(value) for value in values]


def reason_of(cells: list[str]) -> str:
    with pytest.raises(InvalidRow) as caught:
        LABELLED.parse(cells)
    return "; ".join(map(describe, caught.value.violations))


@given(st.tuples(observations, st.integers(0, 6)))
def test_good_rows_of_text_come_out_as_they_went_in(row: tuple[Any, int]) -> None:
    observation, label = row
    parsed = LABELLED.parse(text_of([*observation, label]))
    assert (*with_names(parsed[:-1]), parsed[-1]) == (*observation, label)


@pytest.mark.parametrize("text", ["3000", " 3000 ", "+3000", "3000.", "3000.00", "03000"])
def test_a_whole_number_may_be_written_in_several_ways(text: str) -> None:
    assert LABELLED.parse(text_of([text, *PARSED[1:], 3]))[0] == 3000


@pytest.mark.parametrize(
    "text", ["1e-400", "3000.00000000000000001", "2999.99999999999999999", "3e3", "0x10", "1_000"]
)
def test_text_that_is_not_written_as_a_whole_number_is_rejected(text: str) -> None:
    assert "Elevation must be a whole number from 0 to 9000" in reason_of(
        text_of([text, *PARSED[1:], 3])
    )


def test_a_row_and_a_file_are_refused_with_the_same_words() -> None:
    assert (
        reason_of(text_of([*PARSED[:11], "C1", 3])) == errors_of([*PARSED[:11], "C1"])["Soil_Type"]
    )


def test_a_row_without_its_class_is_rejected() -> None:
    assert "got nothing" in reason_of(text_of([*PARSED, ""]))
    assert "Cover_Type must be a whole number from 0 to 6" in reason_of(text_of([*PARSED, 7]))


@pytest.mark.parametrize("width", [12, 13])
def test_a_first_line_that_names_nothing_is_a_row(width: int) -> None:
    layout = Layout.of(["1"] * width, ",")
    assert (layout.columns, layout.has_header) == (COLUMNS[:width], False)


def test_names_may_come_in_any_order_and_case_with_others_between() -> None:
    names = ["plot", *(name.upper() for name in reversed(FEATURE_NAMES)), ""]
    layout = Layout.of(names, ",")
    assert layout.has_header
    cells = ["A-1", *text_of(reversed(PARSED)), "by the river"]
    assert with_names(layout.parse(cells)) == parse_observation(PARSED)
    line = ",".join(cells).encode()
    assert layout.read_fast(line).tolist() == [list(layout.parse(cells))]  # type: ignore[union-attr]


def test_names_that_are_missing_or_repeated_are_named() -> None:
    with pytest.raises(InvalidHeader) as caught:
        Layout.of(["slope", *FEATURE_NAMES[1:]], ",")
    assert caught.value.missing == (FEATURE_NAMES[0],)
    assert caught.value.repeated == ("Slope",)


@pytest.mark.parametrize(("line", "separator"), [("a,b;c,d", ","), ("a;b", ";"), ("a\tb", "\t")])
def test_the_most_frequent_separator_separates(line: str, separator: str) -> None:
    assert separator_of(line) == separator


@pytest.mark.parametrize("cell", ["0" * 1_000_000 + "x", "0" * 1_000_000 + "7", "9" * 1_000_000])
def test_a_long_cell_is_read_in_one_pass(cell: str) -> None:
    # A pass for every zero would take hours.
    expected = 7 if cell.endswith("7") else cell
    assert value_of(cell) == expected


@pytest.mark.parametrize(
    "text", [".0", "-.0", "+.0", " .0", "\ufeff3000", "7.0.0", "1.e0", "1.0e3"]
)
def test_what_the_rule_rejects_is_not_read_fast(text: str) -> None:
    cells = text_of([text, *PARSED[1:]])
    line = ",".join(cells).encode()
    usual = ",".join(text_of([3000.0, *PARSED[1:]])).encode()
    assert Layout(FEATURE_NAMES).read_fast(line) is None
    assert Layout(FEATURE_NAMES).read_fast(usual + b"\n" + line) is None


def test_a_quoted_cell_with_the_end_of_a_line_is_not_read_fast() -> None:
    layout = Layout([*FEATURE_NAMES, "note"])
    line = ",".join(text_of(PARSED))
    assert layout.read_fast(f'{line},"a"\n{line},b\n'.encode()) is not None
    assert layout.read_fast(f'{line},"a\n{line},b"\n'.encode()) is None
    assert layout.read_fast(f'{line},"a\n{line},b\n'.encode()) is None
