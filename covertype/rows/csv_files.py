"""Rows as CSV, in one dialect: bodies of requests, files that people upload, and raw files."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from covertype.contract import COLUMNS, FEATURE_NAMES, QUANTITIES, TARGET, Quantity
from covertype.rows.cells import value_of
from covertype.rows.codes import INDEXES, Codes, Row
from covertype.rows.observations import InvalidRow, parse_labelled, parse_row
from covertype.rows.violations import CELLS, Violation

Lines = bytes | bytearray | memoryview

SEPARATORS = ",;\t"
_SAMPLE = 1000

_BY_LOWER_CASE = {name.lower(): name for name in COLUMNS}

_NUMBERS: tuple[Quantity, ...] = (*QUANTITIES, TARGET)
_DIGITS = np.isin(np.arange(256), np.frombuffer(b"0123456789", np.uint8))
_ENDS = np.isin(np.arange(256), np.frombuffer(f"{SEPARATORS}\r\n".encode(), np.uint8))

_TEXTS: dict[str, tuple[pa.Array, npt.NDArray[np.int16]]] = {
    name: (pa.array(map(str, indexes)), np.array(list(indexes.values()), np.int16))
    for name, indexes in INDEXES.items()
}
"""The texts that stand for a value, name or index, and the index that each of them means."""


class InvalidHeader(ValueError):
    """The first line names some features, but not each of them once.

    Attributes
    ----------
    missing, repeated : tuple of str
        The names of features.
    """

    def __init__(self, missing: Sequence[str], repeated: Sequence[str]) -> None:
        self.missing, self.repeated = tuple(missing), tuple(repeated)
        named = {"missing": self.missing, "repeated": self.repeated}
        super().__init__("; ".join(f"{what}: {', '.join(of)}" for what, of in named.items() if of))


@dataclass(frozen=True)
class Layout:
    """The columns of a file.

    Parameters
    ----------
    columns : sequence of str
        Their names, in the file's order; features and class as the contract names them.
    separator : str
    has_header : bool
        Whether the first line names them.
    labelled : bool
        Whether rows are read with their class.
    """

    columns: Sequence[str]
    separator: str = ","
    has_header: bool = False
    labelled: bool = False
    _positions: list[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        positions = [self.columns.index(name) for name in self._read]
        object.__setattr__(self, "_positions", positions)

    @property
    def _read(self) -> tuple[str, ...]:
        return COLUMNS if self.labelled else FEATURE_NAMES

    @classmethod
    def of(cls, first: Sequence[str], separator: str) -> "Layout":
        """Return the layout of a file from the cells of its first line.

        The line names the columns, in any order, in any case, with others between; or it names
        none, and rows hold the features in the contract's order, with or without the class.

        Raises
        ------
        InvalidHeader
            If it names some features, but not each of them once.
        """
        names = [_BY_LOWER_CASE.get(cell.strip().lower(), cell.strip()) for cell in first]
        missing = [name for name in FEATURE_NAMES if name not in names]
        repeated = [name for name in COLUMNS if names.count(name) > 1]
        if len(missing) == len(FEATURE_NAMES):
            columns = COLUMNS if len(first) == len(COLUMNS) else FEATURE_NAMES
            return cls(columns, separator)
        if missing or repeated:
            raise InvalidHeader(missing, repeated)
        return cls(names, separator, has_header=True)

    def parse(self, cells: Sequence[str]) -> Row:
        """Read one row.

        Raises
        ------
        InvalidRow
            If it breaks the contract, or has another number of cells than there are columns.
        """
        if len(cells) != len(self.columns):
            raise InvalidRow([Violation(CELLS, value=str(len(cells)))])
        values = [value_of(cells[position]) for position in self._positions]
        return parse_labelled(values) if self.labelled else parse_row(values)

    def read_fast(self, lines: Lines, skipped: int = 0) -> Codes | None:
        """Read many lines quickly; None if one of them is invalid or not in a usual form.

        Parameters
        ----------
        lines : bytes-like
            Whole lines, in UTF-8.
        skipped : int
            Number of first lines to skip.
        """
        lines = bytes(lines)
        if lines.startswith(codecs.BOM_UTF8) or _has_hexadecimals(lines):
            return None
        table = None if b".0" in lines[:_SAMPLE] else self._table(lines, skipped, pa.int16())
        if table is None and _fractions_are_zero(lines):
            table = self._table(lines, skipped, pa.float64())
        if table is None or (b'"' in lines and len(table) != count_lines(lines) - skipped):
            # A quoted cell holds the end of a line, and may go on in the next block.
            return None
        return self._codes(table)

    def _table(self, lines: bytes, skipped: int, number: pa.DataType) -> pa.Table | None:
        types = {quantity.name: number for quantity in _NUMBERS}
        types |= dict.fromkeys(INDEXES, pa.string())
        try:
            return pyarrow.csv.read_csv(
                pa.BufferReader(lines),
                # Faster than with threads, for so few lines.
                pyarrow.csv.ReadOptions(
                    use_threads=False, column_names=list(self.columns), skip_rows=skipped
                ),
                pyarrow.csv.ParseOptions(delimiter=self.separator),
                pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(self._read)),
            )
        except pa.ArrowException:
            return None

    def _codes(self, table: pa.Table) -> Codes | None:
        codes = np.empty((len(table), len(self._read)), np.int16)
        for number, name in enumerate(self._read):
            if name in _TEXTS:
                texts, indexes = _TEXTS[name]
                found = pc.index_in(table[name], value_set=texts)
                if found.null_count:
                    return None
                codes[:, number] = indexes[found.to_numpy()]
        for quantity in _NUMBERS[: len(_NUMBERS) if self.labelled else -1]:
            column = table[quantity.name]
            if column.null_count:
                return None
            values = column.to_numpy()
            if not ((values >= quantity.minimum) & (values <= quantity.maximum)).all():
                return None
            codes[:, self._read.index(quantity.name)] = values
        return codes


def _has_hexadecimals(lines: bytes) -> bool:
    """Return whether there may be numbers such as 0x10, which Arrow accepts."""
    return any(letter in lines and b"0" + letter in lines for letter in (b"x", b"X"))


def _fractions_are_zero(lines: bytes) -> bool:
    """Return whether all numbers are written as 7 or 7.0; floats may round others to integers."""
    characters = np.frombuffer(lines + b"\n\n", np.uint8)
    points = np.flatnonzero(characters == ord("."))
    exponents = np.flatnonzero((characters | 0x20) == ord("e"))
    before_exponents = characters[exponents - 1]
    return bool(
        _DIGITS[characters[points - 1]].all()
        and (characters[points + 1] == ord("0")).all()
        and _ENDS[characters[points + 2]].all()
        and not (_DIGITS[before_exponents] | (before_exponents == ord("."))).any()
    )


def count_lines(content: bytes | bytearray) -> int:
    """Return the number of lines, or of those that end as on an old Mac if they are more."""
    newlines = content.count(b"\n") + (not content.endswith(b"\n"))
    return max(newlines, content.count(b"\r") - content.count(b"\r\n"))


def separator_of(line: str) -> str:
    """Return the separator of a line: a comma, a semicolon or a tab."""
    return max(SEPARATORS, key=line.count)
