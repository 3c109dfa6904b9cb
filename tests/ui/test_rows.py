"""Files of rows as people have them: what is accepted, and what is said of the rest."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covertype.contract import COLUMNS, FEATURE_NAMES, TARGET, WILDERNESS_AREA
from covertype_ui.examples import TYPICAL
from covertype_ui.rows import (
    ROW_LIMIT,
    ColumnsMissing,
    NoRows,
    NotATable,
    NotText,
    TooLong,
    read_table,
    write_csv,
)

ROW = next(iter(TYPICAL.values()))
HEADER = ",".join(FEATURE_NAMES)
LINE = ",".join(str(value) for value in ROW)


def table_of(*lines: str) -> bytes:
    return "\n".join(lines).encode()


def test_named_columns_may_come_in_any_order_with_others_between() -> None:
    names = ["plot", *reversed(FEATURE_NAMES), "note"]
    cells = ["A-1", *(str(value) for value in reversed(ROW)), "by the river"]
    table = read_table(table_of(",".join(names), ",".join(cells)))
    assert table.rows[0].observation == ROW
    assert table.rows[0].cells == cells


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_spreadsheet_s_separators_are_read(separator: str, end: str) -> None:
    text = (HEADER + end + LINE + end).replace(",", separator)
    assert read_table(b"\xef\xbb\xbf" + text.encode()).rows[0].observation == ROW


@pytest.mark.parametrize("width", [12, 13])
def test_unnamed_columns_are_in_the_contract_s_order(width: int) -> None:
    table = read_table(",".join([LINE, "4"][: width - 11]).encode())
    assert table.header == list(COLUMNS[:width])
    assert table.rows[0].observation == ROW


def test_area_and_soil_may_be_indexes_and_numbers_may_be_written_with_a_point() -> None:
    values = [f"{value}.0" for value in ROW[:10]]
    index = WILDERNESS_AREA.values.index(str(ROW[10]))
    table = read_table(table_of(",".join([*values, str(index), str(ROW[11])])))
    assert table.rows[0].observation == ROW


def test_every_bad_row_is_told_with_its_line_and_what_it_held() -> None:
    bad = LINE.replace("3134", "12000").replace("C7745", "C9")
    table = read_table(table_of(HEADER, LINE, bad, "", "1,2,3", LINE))
    assert [row.line for row in table.rows] == [2, 6]
    assert [(fault.line, fault.features, fault.width) for fault in table.faults] == [
        (3, {"Elevation": "12000", "Soil_Type": "C9"}, 12),
        (5, {}, 3),
    ]


@pytest.mark.parametrize("value", ["", "nan", "inf", "-1", "10.5", "1_0", "ten", "٣"])
def test_what_is_no_whole_number_in_range_is_a_fault(value: str) -> None:
    cells = LINE.split(",")
    cells[2] = value
    table = read_table(table_of(HEADER, ",".join(cells)))
    assert table.faults[0].features == {"Slope": value}


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"", NoRows),
        (b"\n\n", NoRows),
        (HEADER.encode(), NoRows),
        (b"PK\x03\x04\0\0binary", NotText),
        (b"a,b,c\n1,2,3\n", NotATable),
        (b"uno,dos,tres,cuatro,cinco,seis,siete,ocho,nueve,diez,once,doce\n", NotATable),
        (HEADER.replace("Slope,", "").encode(), ColumnsMissing),
        (b'"' + b"x" * 200_000, NotText),
    ],
)
def test_a_file_that_is_no_table_is_refused(content: bytes, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        read_table(content)


def test_missing_columns_are_named() -> None:
    with pytest.raises(ColumnsMissing) as refused:
        read_table(HEADER.replace("Slope,", "").encode())
    assert refused.value.columns == ("Slope",)


def test_a_file_that_is_too_long_is_refused_with_its_length() -> None:
    with pytest.raises(TooLong) as refused:
        read_table(b"1\n" * (ROW_LIMIT + 2))
    assert refused.value.rows == ROW_LIMIT + 2


def test_real_rows_all_pass_and_tell_their_classes(real_rows: pd.DataFrame) -> None:
    table = read_table(real_rows.to_csv(index=False).encode())
    assert not table.faults
    assert table.true_classes() == real_rows[TARGET.name].tolist()


def test_classes_that_some_rows_lack_are_not_told() -> None:
    assert read_table(table_of(f"{LINE},4", f"{LINE},")).true_classes() is None


def test_a_file_of_lines_that_end_as_on_old_macs_is_refused_as_too_long_too() -> None:
    with pytest.raises(TooLong):
        read_table(b"1\r" * (ROW_LIMIT + 2))


def test_written_cells_are_no_formulas_and_numbers_stay_numbers() -> None:
    rows = [["=1+1", -5, "-5"], ["@a", 0.25, "Rawah"]]
    written = write_csv(["+name", "n", "m"], iter(rows)).decode()
    assert written == "'+name,n,m\n'=1+1,-5,-5\n'@a,0.25,Rawah\n"


@given(st.binary(max_size=300))
def test_no_content_is_a_crash(content: bytes) -> None:
    try:
        table = read_table(content)
    except (NotText, NoRows, NotATable, ColumnsMissing, TooLong):
        return
    assert len(table)
