"""Reads observations from JSON with compiled decoders, which are made from the contract.

They accept a part of what `covertype.rows.observations` accepts: lists of values.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from covertype.contract import CATEGORIES, QUANTITIES
from covertype.rows.codes import Codes, Row, to_codes, to_row

_quantities: list[Any] = [
    Annotated[int, Meta(ge=quantity.minimum, le=quantity.maximum)]
    | Annotated[float, Meta(ge=quantity.minimum, le=quantity.maximum, multiple_of=1.0)]
    for quantity in QUANTITIES
]
_categories: list[Any] = [
    Literal[category.values] | Annotated[int, Meta(ge=0, le=len(category.values) - 1)]
    for category in CATEGORIES
]
_Values: Any = tuple.__class_getitem__((*_quantities, *_categories))
_One = msgspec.defstruct("_One", [("features", _Values)])
_decode_one: Callable[[Any], Any] = msgspec.json.Decoder(_One).decode
_decode_many: Callable[[Any], list[Any]] = msgspec.json.Decoder(list[_Values]).decode
_UNREAD = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def decode_one(body: bytes | bytearray) -> Row | None:
    """Read `{"features": [values]}`; None if the decoder does not accept it."""
    try:
        return to_row(_decode_one(body).features)
    except _UNREAD:
        return None


def decode_many(content: bytes) -> Codes | None:
    """Read a list of lists of values; None if the decoder does not accept it."""
    try:
        return to_codes(_decode_many(content))
    except _UNREAD:
        return None
