"""Reads an uploaded CSV file into observations and invalid rows.

What a valid row is, and what the columns of a file are, is decided in `covertype.rows`.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from covertype.contract import CLASSES, TARGET
from covertype.rows.cells import value_of
from covertype.rows.csv_files import InvalidHeader, Layout, separator_of
from covertype.rows.observations import InvalidRow, Observation, with_names
from covertype.rows.spreadsheets import inert
from covertype.rows.violations import VALUE

ROW_LIMIT = 250_000


class NotText(Exception):
    """The file is not text."""


class NoRows(Exception):
    """The file has no rows."""


class NotATable(Exception):
    """The first line neither names the columns nor has as many values as the contract."""


class _Columns(Exception):
    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        super().__init__(", ".join(columns))


class ColumnsMissing(_Columns):
    """The first line names some features and lacks `columns`."""


class ColumnsRepeated(_Columns):
    """The first line names some features more than once: `columns`."""


class TooLong(Exception):
    """The file has `rows` rows, more than `ROW_LIMIT`."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        super().__init__(str(rows))


UnusableFile = NotText | NoRows | NotATable | ColumnsMissing | ColumnsRepeated | TooLong
UNUSABLE = (NotText, NoRows, NotATable, ColumnsMissing, ColumnsRepeated, TooLong)


@dataclass(frozen=True, slots=True)
class Row:
    """A valid row: its line in the file, its cells as they came, the observation."""

    line: int
    cells: list[str]
    observation: Observation


@dataclass(frozen=True)
class Fault:
    """An invalid row: its values by the name of each feature that breaks its rule.

    With no features, the row has `width` cells instead of as many as the first line.
    """

    line: int
    features: dict[str, str]
    width: int


@dataclass(frozen=True)
class Table:
    """A file of rows with all its columns; `header` names them."""

    header: list[str]
    rows: list[Row]
    faults: list[Fault]

    def __len__(self) -> int:
        return len(self.rows) + len(self.faults)

    def true_classes(self) -> list[int] | None:
        """Return the class of every valid row, if the file holds all of them."""
        if TARGET.name not in self.header:
            return None
        position = self.header.index(TARGET.name)
        known = {str(number): number for number in range(len(CLASSES))}
        classes = [known.get(row.cells[position].strip()) for row in self.rows]
        given = [number for number in classes if number is not None]
        return given if given and len(given) == len(classes) else None


def read_table(content: bytes) -> Table:
    """Read a CSV file, separated by commas, semicolons or tabs.

    Its first line names the columns, in any order and with others between; or it names none, and
    every row holds the twelve features in the contract's order, with or without the class.

    Raises
    ------
    NotText, NoRows, NotATable, ColumnsMissing, ColumnsRepeated, TooLong
        If it is no such file.
    """
    if (lines := max(content.count(b"\n"), content.count(b"\r"))) > ROW_LIMIT + 1:
        raise TooLong(lines)
    separator = separator_of(_first_line(content))
    numbered = _cells(content, separator)
    first = next(numbered, None)
    if first is None:
        raise NoRows
    layout = _layout(first[1], separator)
    if not layout.has_header:
        numbered = chain([first], numbered)
    table = _check(layout, numbered)
    if not len(table):
        raise NoRows
    if len(table) > ROW_LIMIT:
        raise TooLong(len(table))
    return table


def _encoding(content: bytes) -> str:
    if b"\0" in content:
        raise NotText
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _first_line(content: bytes) -> str:
    return next((line for line in io.BytesIO(content) if line.strip()), b"").decode("latin-1")


def _cells(content: bytes, separator: str) -> Iterator[tuple[int, list[str]]]:
    # Each distinct cell is stored once: even a large file has few of them.
    distinct: dict[str, str] = {}
    # Decoded while reading: one string would take several times the size of the file.
    text = io.TextIOWrapper(io.BytesIO(content), _encoding(content), "replace", newline="")
    reader = csv.reader(text, delimiter=separator)
    try:
        for cells in reader:
            if any(cells):
                yield reader.line_num, [distinct.setdefault(cell, cell) for cell in cells]
    except csv.Error as error:
        raise NotText from error


def _layout(first: list[str], separator: str) -> Layout:
    try:
        layout = Layout.of(first, separator)
    except InvalidHeader as invalid:
        if invalid.missing:
            raise ColumnsMissing(invalid.missing) from None
        raise ColumnsRepeated(invalid.repeated) from None
    holds_numbers = any(isinstance(value_of(cell), int) for cell in first)
    if not layout.has_header and not (holds_numbers and len(first) == len(layout.columns)):
        raise NotATable
    return layout


def _check(layout: Layout, numbered: Iterable[tuple[int, list[str]]]) -> Table:
    columns = list(layout.columns)
    rows: list[Row] = []
    faults: list[Fault] = []
    for line, cells in numbered:
        try:
            rows.append(Row(line, cells, with_names(layout.parse(cells))))
        except InvalidRow as invalid:
            held = {
                one.feature: cells[columns.index(one.feature)].strip()
                for one in invalid.violations
                if one.rule == VALUE
            }
            faults.append(Fault(line, held, len(cells)))
    return Table(columns, rows, faults)


def write_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Write a table as CSV, with cells escaped that a spreadsheet would run as a formula."""
    content = io.BytesIO()
    text = io.TextIOWrapper(content, "utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    for row in chain([header], rows):
        writer.writerow([inert(cell) if isinstance(cell, str) else cell for cell in row])
    text.flush()
    return content.getvalue()
