"""Rows with their class as Arrow tables, as they are stored: categories by name."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from covertype.contract import CATEGORIES, COLUMNS
from covertype.rows.codes import Codes

_NAMES = {category.name: pa.array(category.values, pa.large_string()) for category in CATEGORIES}

SCHEMA = pa.schema(
    [(name, pa.large_string() if name in _NAMES else pa.int16()) for name in COLUMNS]
)

NO_ROWS: Codes = np.empty((0, len(COLUMNS)), np.int16)


def from_frame(frame: pd.DataFrame) -> Codes:
    """Return the codes of a frame with the columns of `SCHEMA`; raises as `from_table` does."""
    # In one thread: when memory is short, Python waits for ever for a thread that could not start.
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
