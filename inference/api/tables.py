"""Observations and answers as CSV."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from covertype.contract import CATEGORIES, CLASSES, FEATURE_NAMES, QUANTITIES, TARGET
from inference.api.bodies import BYTE_ORDER_MARK, LONGEST_VALUE, Body
from inference.api.requests import check_count, parse_each, refuse
from inference.model.codes import WIDTH, Codes

_LINE_END = re.compile(rb"[\r\n]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
_BLOCK = 20_000

_BLOCK_BYTES = 2_000_000
_TOO_LONG = f"a line may have {LONGEST_VALUE} bytes"

_INDEXES: dict[str, tuple[pa.Array, npt.NDArray[np.int16]]] = {
    category.name: (
        pa.array([*category.values, *map(str, range(len(category.values)))]),
        np.tile(np.arange(len(category.values), dtype=np.int16), 2),
    )
    for category in CATEGORIES
}
"""The texts that stand for a value, name or index, and the index that each of them means."""


def read_csv(body: Body, most: int) -> Codes:
    """Read observations, a line each, as CSV with commas (or semicolons).

    The first line may name the columns, in any order, Cover_Type among them or not; without it
    there are twelve, in the contract's order.

    Raises
    ------
    InvalidRequest
        If a line breaks the contract, with the first values that do.
    """
    if body.startswith(BYTE_ORDER_MARK):
        body = body[len(BYTE_ORDER_MARK) :]
    _check_lines(body)
    first = re.split(rb"[\r\n]", body[: LONGEST_VALUE + 1], maxsplit=1)[0].decode(
        "utf-8", "replace"
    )
    delimiter = ";" if ";" in first and "," not in first else ","
    named = [cell.strip(' "\r') for cell in first.split(delimiter)]
    header = any(name in FEATURE_NAMES for name in named)
    columns = named if header else list(FEATURE_NAMES)
    if header and (
        len(set(columns)) < len(columns)
        or not set(FEATURE_NAMES) <= set(columns) <= {*FEATURE_NAMES, TARGET.name}
    ):
        raise refuse(f"the first line must name {', '.join(FEATURE_NAMES)}", "body", 0)
    lines = _count_lines(body) - header
    if lines > most + 1:
        # With a blank line among them it may still be right.
        check_count(lines, most, "body")
    codes = _read_fast(body, columns, delimiter, header)
    if codes is None:
        codes = parse_each(_rows(body, columns, delimiter, header), "body")
    check_count(len(codes), most, "body")
    return codes


def _check_lines(body: Body) -> None:
    """Refuse a line that is too long, before anything is made of it."""
    start = 0
    while len(body) - start > LONGEST_VALUE:
        limit = start + LONGEST_VALUE + 1
        end = max(body.rfind(b"\n", start, limit), body.rfind(b"\r", start, limit))
        if end < 0:
            raise refuse(_TOO_LONG, "body")
        start = end + 1


def _count_lines(body: Body) -> int:
    """Return the number of lines, or of those that end as on an old Mac if they are more."""
    newlines = body.count(b"\n") + (not body.endswith(b"\n"))
    return max(newlines, body.count(b"\r") - body.count(b"\r\n"))


def _read_fast(body: Body, columns: list[str], delimiter: str, header: bool) -> Codes | None:
    """Read what is right at first sight, by blocks of lines; None leaves it to the rules."""
    blocks: list[Codes] = []
    start = 0
    while start < len(body):
        # A line is far shorter than a block.
        end = start + _BLOCK_BYTES
        end = body.rfind(b"\n", start, end) + 1 if end < len(body) else len(body)
        block = memoryview(body)[start:end] if end > start else memoryview(body)[start:]
        codes = _read_block(block, columns, delimiter, skipped=int(header and start == 0))
        if codes is None:
            return None
        blocks.append(codes)
        start += len(block)
    return np.concatenate(blocks) if blocks else None


def _read_block(
    block: memoryview, columns: list[str], delimiter: str, skipped: int
) -> Codes | None:
    types = {quantity.name: pa.float64() for quantity in QUANTITIES}
    types |= {category.name: pa.string() for category in CATEGORIES}
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(block),
            # Faster than with threads, for so few lines.
            pyarrow.csv.ReadOptions(use_threads=False, column_names=columns, skip_rows=skipped),
            pyarrow.csv.ParseOptions(delimiter=delimiter),
            pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(FEATURE_NAMES)),
        )
    except pa.ArrowException:
        return None
    codes = np.empty((len(table), WIDTH), np.int16)
    for number, quantity in enumerate(QUANTITIES):
        values = table[quantity.name].to_numpy()
        if not ((values >= quantity.minimum) & (values <= quantity.maximum)).all():
            return None
        codes[:, number] = values
        if not (codes[:, number] == values).all():
            return None
    for number, category in enumerate(CATEGORIES, len(QUANTITIES)):
        texts, indexes = _INDEXES[category.name]
        found = pyarrow.compute.index_in(table[category.name], value_set=texts)
        if found.null_count:
            return None
        codes[:, number] = indexes[found.to_numpy()]
    return codes


def _rows(body: Body, columns: list[str], delimiter: str, header: bool) -> Iterator[list[Any]]:
    """Yield the lines as the contract's rules read them."""
    try:
        for line in islice(_records(body, delimiter), int(header), None):
            cells = [_cell(cell) for cell in line]
            if len(cells) == len(columns):
                named = dict(zip(columns, cells, strict=True))
                cells = [named[name] for name in FEATURE_NAMES]
            yield cells
    except csv.Error as error:
        raise refuse(f"the body must be CSV: {error}", "body") from None


def _records(body: Body, delimiter: str) -> Iterator[list[str]]:
    lines = _Lines(io.TextIOWrapper(pa.BufferReader(body), "utf-8", "replace", newline=""))
    for record in csv.reader(lines, delimiter=delimiter):
        lines.length = 0
        if record:
            yield record


class _Lines:
    """The lines of a text, and how long those are together that a quote makes one of."""

    def __init__(self, text: Iterable[str]) -> None:
        self._lines = iter(text)
        self.length = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.length += len(line)
        if self.length > LONGEST_VALUE:
            raise refuse(_TOO_LONG, "body")
        return line


def _cell(text: str) -> int | float | str:
    text = text.strip()
    if not _NUMBER.fullmatch(text) or len(text) > 100:
        return text
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def write_csv(probabilities: npt.NDArray[np.float64], version: str) -> Iterator[bytes]:
    """Yield the answers, probabilities of shape (n, 7), a line each in blocks of lines.

    Columns: prediction, label, the seven classes by name, model_version.
    """
    for start in range(0, len(probabilities), _BLOCK):
        part = probabilities[start : start + _BLOCK]
        predicted = part.argmax(axis=1)
        labels = pa.DictionaryArray.from_arrays(predicted.astype(np.int32), pa.array(CLASSES))
        columns = {
            "prediction": pa.array(predicted),
            "label": labels.dictionary_decode(),
            **{name: pa.array(part[:, number].copy()) for number, name in enumerate(CLASSES)},
            "model_version": pa.array([version] * len(part)),
        }
        sink = io.BytesIO()
        options = pyarrow.csv.WriteOptions(include_header=start == 0, quoting_style="needed")
        pyarrow.csv.write_csv(pa.table(columns), sink, options)
        yield sink.getvalue()
