"""Observations and answers as CSV."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from covertype.contract import CATEGORIES, CLASSES, FEATURE_NAMES, QUANTITIES, TARGET
from inference.codes import WIDTH, Codes
from inference.requests import check_count, parse_each, refuse

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
_BLOCK = 20_000

_TEXTS = {
    category.name: {
        text: index for index, value in enumerate(category.values) for text in (value, str(index))
    }
    for category in CATEGORIES
}


def read_csv(body: bytes, most: int) -> Codes:
    """Read observations, a line each, as CSV with commas (or semicolons).

    The first line may name the columns, in any order, Cover_Type among them or not; without it
    there are twelve, in the contract's order.

    Raises
    ------
    InvalidRequest
        If a line breaks the contract, with the first values that do.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    first = body.split(b"\n", 1)[0].decode("utf-8", "replace")
    delimiter = ";" if ";" in first and "," not in first else ","
    named = [cell.strip(' "\r') for cell in first.split(delimiter)]
    header = any(name in FEATURE_NAMES for name in named)
    columns = named if header else list(FEATURE_NAMES)
    if header and (
        len(set(columns)) < len(columns)
        or not set(FEATURE_NAMES) <= set(columns) <= {*FEATURE_NAMES, TARGET.name}
    ):
        raise refuse(f"the first line must name {', '.join(FEATURE_NAMES)}", "body", 0)
    lines = body.count(b"\n") + (not body.endswith(b"\n")) - header
    if lines > most + 1:
        # With a blank line among them it may still be right.
        check_count(lines, most, "body")
    codes = _read_fast(body, columns, delimiter, header)
    if codes is None:
        codes = parse_each(_rows(body, columns, delimiter, header), "body")
    check_count(len(codes), most, "body")
    return codes


def _read_fast(body: bytes, columns: list[str], delimiter: str, header: bool) -> Codes | None:
    """Read what is right at first sight; None leaves it to the rules."""
    types = {quantity.name: pa.float64() for quantity in QUANTITIES}
    types |= {category.name: pa.string() for category in CATEGORIES}
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(body),
            pyarrow.csv.ReadOptions(column_names=columns, skip_rows=int(header)),
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
        texts = table[category.name].combine_chunks().dictionary_encode()
        indexes = [_TEXTS[category.name].get(text) for text in texts.dictionary.to_pylist()]
        if None in indexes or texts.null_count:
            return None
        codes[:, number] = np.array(indexes, np.int16)[texts.indices.to_numpy()]
    return codes


def _rows(body: bytes, columns: list[str], delimiter: str, header: bool) -> Iterator[list[Any]]:
    """Yield the lines as the contract's rules read them."""
    text = io.StringIO(body.decode("utf-8", "replace"), newline="")
    lines = (line for line in csv.reader(text, delimiter=delimiter) if line)
    try:
        for line in islice(lines, int(header), None):
            cells = [_cell(cell) for cell in line]
            if len(cells) == len(columns):
                named = dict(zip(columns, cells, strict=True))
                cells = [named[name] for name in FEATURE_NAMES]
            yield cells
    except csv.Error as error:
        raise refuse(f"the body must be CSV: {error}", "body") from None


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
