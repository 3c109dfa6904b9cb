"""Observations and answers as CSV."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from covertype.contract import CLASSES, FEATURE_NAMES
from covertype.rows.codes import Codes, Row
from covertype.rows.csv_files import InvalidHeader, Layout, count_lines, separator_of
from covertype.rows.observations import InvalidRow
from inference.api.bodies import LONGEST_VALUE, Body
from inference.api.requests import check_count, collect, invalid, invalid_row

_BLOCK = 20_000

_BLOCK_BYTES = 2_000_000
_TOO_LONG = f"a line may have {LONGEST_VALUE} bytes"


def read_csv(body: Body, limit: int) -> Codes:
    """Read observations, a line each, in the dialect of `covertype.rows.csv_files`.

    Raises
    ------
    InvalidRequest
        If a line breaks the contract, with the first values that do.
    """
    if body.startswith(codecs.BOM_UTF8):
        body = body[len(codecs.BOM_UTF8) :]
    _check_lines(body)
    layout = _layout(body)
    lines = count_lines(body) - layout.has_header
    if lines > limit + 1:
        # With a blank line among them it may still be right.
        check_count(lines, limit, "body")
    codes = _read_fast(body, layout)
    if codes is None:
        codes = collect(_readers(body, layout), "body")
    check_count(len(codes), limit, "body")
    return codes


def _layout(body: Body) -> Layout:
    begun = body[: LONGEST_VALUE + 1].lstrip(b"\r\n")
    first = re.split(rb"[\r\n]", begun, maxsplit=1)[0].decode("utf-8", "replace")
    separator = separator_of(first)
    try:
        cells = next(csv.reader([first], delimiter=separator), [])
        return Layout.of(cells, separator)
    except InvalidHeader as error:
        message = f"the first line must name each of {', '.join(FEATURE_NAMES)} once"
        raise invalid(f"{message} ({error})", "body", 0) from None
    except csv.Error as error:
        raise invalid(f"the body must be CSV: {error}", "body") from None


def _check_lines(body: Body) -> None:
    """Raise `InvalidRequest` for a line that is too long, before anything is made of it."""
    start = 0
    while len(body) - start > LONGEST_VALUE:
        limit = start + LONGEST_VALUE + 1
        end = max(body.rfind(b"\n", start, limit), body.rfind(b"\r", start, limit))
        if end < 0:
            raise invalid(_TOO_LONG, "body")
        start = end + 1


def _read_fast(body: Body, layout: Layout) -> Codes | None:
    """Read lines that are right at first sight, block by block; None if one of them is not."""
    blocks: list[Codes] = []
    start = 0
    while start < len(body):
        # A line is far shorter than a block.
        end = start + _BLOCK_BYTES
        end = body.rfind(b"\n", start, end) + 1 if end < len(body) else len(body)
        block = memoryview(body)[start:end] if end > start else memoryview(body)[start:]
        codes = layout.read_fast(block, skipped=int(layout.has_header and start == 0))
        if codes is None:
            return None
        blocks.append(codes)
        start += len(block)
    return np.concatenate(blocks) if blocks else None


def _readers(body: Body, layout: Layout) -> Iterator[Callable[..., Row]]:
    """Yield a function for each line that reads it, given its place in the body."""
    try:
        for cells in islice(_records(body, layout.separator), int(layout.has_header), None):
            yield partial(_parse, layout, cells)
    except csv.Error as error:
        raise invalid(f"the body must be CSV: {error}", "body") from None


def _parse(layout: Layout, cells: list[str], *loc: str | int) -> Row:
    try:
        return layout.parse(cells)
    except InvalidRow as error:
        raise invalid_row(error, *loc, columns=len(layout.columns)) from None


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
            raise invalid(_TOO_LONG, "body")
        return line


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
