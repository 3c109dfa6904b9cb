"""Rows as small integers, so that they are compared exactly and fast."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from covertype.contract import CATEGORIES, COLUMNS

Codes = npt.NDArray[np.int16]
"""Shape (n, 13), columns as in `COLUMNS`; a category is its index in the contract."""

_NAMES = {category.name: pa.array(category.values, pa.large_string()) for category in CATEGORIES}

SCHEMA = pa.schema(
    [(name, pa.large_string() if name in _NAMES else pa.int16()) for name in COLUMNS]
)

NO_ROWS: Codes = np.empty((0, len(COLUMNS)), np.int16)


def from_frame(frame: pd.DataFrame) -> Codes:
    """Return the codes of valid rows as `covertype.rows.validation.split_valid` gives them."""
    # In one thread: where memory is short, Python waits for ever for one that could not begin.
    return from_table(pa.Table.from_pandas(frame, preserve_index=False, nthreads=1))


def from_table(table: pa.Table) -> Codes:
    """Return the codes of a table with the columns of `SCHEMA`.

    Raises
    ------
    ValueError
        If it holds a missing value, or a category that the contract does not name.
    """
    table = table.select(SCHEMA.names).cast(SCHEMA)
    codes = np.empty((len(table), len(COLUMNS)), np.int16)
    for number, name in enumerate(COLUMNS):
        column = table[name]
        if name in _NAMES:
            column = pc.index_in(column, value_set=_NAMES[name])
        if column.null_count:
            raise ValueError(f"{name} holds a value that the contract does not allow")
        codes[:, number] = column.to_numpy()
    return codes


def to_table(codes: Codes) -> pa.Table:
    """Return the rows of codes, as they are stored."""
    columns = [
        _NAMES[name].take(pa.array(column)) if name in _NAMES else pa.array(column)
        for name, column in zip(COLUMNS, codes.T, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def distinct(codes: Codes) -> Codes:
    """Return each row once, in the order of first appearance."""
    if not len(codes):
        return codes
    numbers = _keys(codes).dictionary_encode().indices.to_numpy()
    # Numbers are given in the order of first appearance: a new row has the highest so far.
    highest = np.maximum.accumulate(numbers)
    return codes[np.concatenate(([True], highest[1:] > highest[:-1]))]


def find(rows: Codes, wanted: Codes) -> npt.NDArray[np.intp]:
    """Return the positions in `wanted`, which are distinct, of those of its rows in `rows`."""
    found = pc.index_in(_keys(rows), value_set=_keys(wanted)).drop_null()
    positions: npt.NDArray[np.intp] = found.to_numpy().astype(np.intp)
    return positions


def rechunk(parts: Iterable[Codes], size: int) -> Iterator[Codes]:
    """Yield the rows of `parts`, `size` at a time, the last ones as many as are left."""
    kept = NO_ROWS
    for part in parts:
        kept = np.concatenate((kept, part)) if len(kept) else part
        while len(kept) >= size:
            yield kept[:size]
            kept = kept[size:]
    if len(kept):
        yield kept


def _keys(codes: Codes) -> pa.Array:
    """Return the bytes of each row; equal rows and no others have equal bytes."""
    packed = np.ascontiguousarray(codes)
    width = packed.itemsize * packed.shape[1]
    return pa.Array.from_buffers(pa.binary(width), len(packed), [None, pa.py_buffer(packed)])
