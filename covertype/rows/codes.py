"""Rows as whole numbers, with categories as indexes: for models, and to compare rows.

Every number of the contract fits in 16 bits, so that an observation is 24 bytes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from covertype.contract import CATEGORIES, FEATURE_NAMES, QUANTITIES, QUANTITY_NAMES

if TYPE_CHECKING:
    import pandas as pd

Row = tuple[int, ...]
"""One row in the contract's order: an observation, or an observation and its class."""

Codes = npt.NDArray[np.int16]
"""Shape (n, features) or, with the class as the last column, (n, features + 1); C order."""

WIDTH = len(FEATURE_NAMES)
"""The columns of an observation."""

_MEASURED = len(QUANTITIES)

INDEXES: Mapping[str, dict[Any, int]] = {
    category.name: {
        key: index for index, value in enumerate(category.values) for key in (value, index)
    }
    for category in CATEGORIES
}
"""The index of a category's value, by name and by index, as clients may send either.

3.0 finds the same entry as 3.
"""

_INDEXES = tuple(INDEXES.values())


def to_row(values: Sequence[Any]) -> Row:
    """Return one valid observation, as a client may send it, as whole numbers."""
    return (
        *map(int, values[:_MEASURED]),
        *map(dict.__getitem__, _INDEXES, values[_MEASURED:]),
    )


def to_codes(observations: Sequence[Sequence[Any]]) -> Codes:
    """Return valid observations, as clients may send them, as codes."""
    codes = np.empty((len(observations), WIDTH), np.int16)
    for number in range(_MEASURED):
        codes[:, number] = [row[number] for row in observations]
    for number, indexes in enumerate(_INDEXES, _MEASURED):
        codes[:, number] = [indexes[row[number]] for row in observations]
    return codes


def to_frame(codes: Codes) -> "pd.DataFrame":
    """Return observations as the raw columns that a model was trained on."""
    import pandas as pd

    frame = pd.DataFrame(codes[:, :_MEASURED].astype(np.int64), columns=list(QUANTITY_NAMES))
    for number, category in enumerate(CATEGORIES, _MEASURED):
        frame[category.name] = np.array(category.values, object)[codes[:, number]]
    return frame


def distinct(codes: Codes) -> Codes:
    """Return each row once, in the order of first appearance."""
    if not len(codes):
        return codes
    numbers = _keys(codes).dictionary_encode().indices.to_numpy()
    # Rows are numbered in order of first appearance, so a new row has the highest number so far.
    highest = np.maximum.accumulate(numbers)
    return codes[np.concatenate(([True], highest[1:] > highest[:-1]))]


def find(rows: Codes, wanted: Codes) -> npt.NDArray[np.intp]:
    """Return the positions in `wanted`, which are distinct, of those of its rows in `rows`."""
    import pyarrow.compute as pc

    found = pc.index_in(_keys(rows), value_set=_keys(wanted)).drop_null()
    positions: npt.NDArray[np.intp] = found.to_numpy().astype(np.intp)
    return positions


def rechunk(parts: Iterable[Codes], size: int) -> Iterator[Codes]:
    """Yield the rows of `parts` in chunks of `size`; the last chunk may be smaller."""
    kept: Codes | None = None
    for part in parts:
        kept = part if kept is None or not len(kept) else np.concatenate((kept, part))
        while len(kept) >= size:
            yield kept[:size]
            kept = kept[size:]
    if kept is not None and len(kept):
        yield kept


def _keys(codes: Codes) -> Any:
    """Return the bytes of each row as an Arrow array; they are equal for equal rows only."""
    import pyarrow as pa

    packed = np.ascontiguousarray(codes)
    width = packed.itemsize * packed.shape[1]
    return pa.Array.from_buffers(pa.binary(width), len(packed), [None, pa.py_buffer(packed)])
