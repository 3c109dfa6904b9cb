"""From an uploaded CSV file to observations, and to what is wrong with the others.

The rules of a row are those of `covertype.rows.validation`; here is only what makes a file a table.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

from covertype.contract import CLASSES, COLUMNS, FEATURE_NAMES, TARGET
from covertype.rows.spreadsheets import inert
from covertype.rows.validation import InvalidObservation, Observation, parse_observation

ROW_LIMIT = 250_000
_SEPARATORS = ",;\t"


class NotText(Exception):
    """The file is no text."""


class NoRows(Exception):
    """The file holds no rows."""


class NotATable(Exception):
    """The first line neither names the columns nor has as many values as the contract."""


class ColumnsMissing(Exception):
    """The first line names some features and lacks `columns`."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        super().__init__(", ".join(columns))


class TooLong(Exception):
    """The file has `rows` rows, more than `ROW_LIMIT`."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        super().__init__(str(rows))


UnusableFile = NotText | NoRows | NotATable | ColumnsMissing | TooLong
UNUSABLE = (NotText, NoRows, NotATable, ColumnsMissing, TooLong)


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is right: its line in the file, its cells as they came, the observation."""

    line: int
    cells: list[str]
    observation: Observation


@dataclass(frozen=True)
class Fault:
    """A row that is not right: what it held, by the name of each feature that breaks its rule.

    With no features, the row has `width` cells instead of as many as the first line.
    """

    line: int
    features: dict[str, str]
    width: int


@dataclass(frozen=True)
class Table:
    """A file of rows, all columns of the file kept; `header` names them."""

    header: list[str]
    rows: list[Row]
    faults: list[Fault]

    def __len__(self) -> int:
        return len(self.rows) + len(self.faults)

    def true_classes(self) -> list[int] | None:
        """Return the class of every right row, if the file tells all of them."""
        if TARGET.name not in self.header:
            return None
        position = self.header.index(TARGET.name)
        known = {str(number): number for number in range(len(CLASSES))}
        classes = [known.get(row.cells[position].strip()) for row in self.rows]
        told = [number for number in classes if number is not None]
        return told if told and len(told) == len(classes) else None


def read_table(content: bytes) -> Table:
    """Read a CSV file, separated by commas, semicolons or tabs.

    Its first line names the columns, in any order and with others between; or it names none, and
    every row holds the twelve features in the contract's order, with or without the class.

    Raises
    ------
    NotText, NoRows, NotATable, ColumnsMissing, TooLong
        If it is no such file.
    """
    if (lines := max(content.count(b"\n"), content.count(b"\r"))) > ROW_LIMIT + 1:
        raise TooLong(lines)
    numbered = _cells(content)
    first = next(numbered, None)
    if first is None:
        raise NoRows
    header = _header(first[1])
    if header is None:
        header, numbered = list(COLUMNS[: len(first[1])]), chain([first], numbered)
    table = _check(header, numbered)
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


def _cells(content: bytes) -> Iterator[tuple[int, list[str]]]:
    # Each distinct cell is kept once: a file of many rows has few of them.
    distinct: dict[str, str] = {}
    first = next((line for line in io.BytesIO(content) if line.strip()), b"").decode("latin-1")
    # Decoded as it is read: as one text it would take several times its size.
    text = io.TextIOWrapper(io.BytesIO(content), _encoding(content), "replace", newline="")
    reader = csv.reader(text, delimiter=max(_SEPARATORS, key=first.count))
    try:
        for cells in reader:
            if any(cells):
                yield reader.line_num, [distinct.setdefault(cell, cell) for cell in cells]
    except csv.Error as error:
        raise NotText from error


def _header(cells: Sequence[str]) -> list[str] | None:
    """Return the names of the columns; None if the line is a row already."""
    canonical = {name.lower(): name for name in COLUMNS}
    names = [canonical.get(cell.strip().lower(), cell.strip()) for cell in cells]
    missing = [name for name in FEATURE_NAMES if name not in names]
    if not missing:
        return names
    if len(missing) < len(FEATURE_NAMES):
        raise ColumnsMissing(missing)
    numbers = [cell for cell in cells if not isinstance(_value(cell), str)]
    if not numbers or len(cells) not in (len(FEATURE_NAMES), len(COLUMNS)):
        raise NotATable
    return None


def _check(header: list[str], numbered: Iterable[tuple[int, list[str]]]) -> Table:
    positions = [header.index(name) for name in FEATURE_NAMES]
    value = cache(_value)
    rows: list[Row] = []
    faults: list[Fault] = []
    for line, cells in numbered:
        if len(cells) != len(header):
            faults.append(Fault(line, {}, len(cells)))
            continue
        values = [value(cells[position]) for position in positions]
        try:
            rows.append(Row(line, cells, parse_observation(values)))
        except InvalidObservation as invalid:
            held = {name: cells[header.index(name)].strip() for name in invalid.errors}
            faults.append(Fault(line, held, len(cells)))
    return Table(header, rows, faults)


def _value(cell: str) -> int | float | str:
    """Return the number that a cell writes, or its text."""
    cell = cell.strip()
    try:
        return int(cell) if cell.isascii() and "_" not in cell else cell
    except ValueError:
        pass
    try:
        return float(cell) if cell[:1] in "+-.0123456789" else cell
    except ValueError:
        return cell


def write_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Write a table as CSV, in which no cell is a formula to a spreadsheet."""
    content = io.BytesIO()
    text = io.TextIOWrapper(content, "utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    for row in chain([header], rows):
        writer.writerow([inert(cell) if isinstance(cell, str) else cell for cell in row])
    text.flush()
    return content.getvalue()
