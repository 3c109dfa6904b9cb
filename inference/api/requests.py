"""From the bytes of a request to observations, or to why not.

Observations are first read by a decoder made from the contract, in compiled code. What that
refuses, and an object by column name, is read again by the contract's own rules, which decide and
word the refusal: the decoder only accepts a part of what they accept, faster.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from covertype.contract import CATEGORIES, FEATURE_NAMES, QUANTITIES
from covertype.rows.validation import InvalidObservation, parse_observation
from inference.api.bodies import (
    Body,
    Content,
    Fields,
    Malformed,
    count,
    is_list,
    quote_what_is_no_number,
    values,
)
from inference.model.codes import Codes, Row, to_codes, to_row

Fault = dict[str, Any]
"""One fault as FastAPI words them: `loc`, `msg`, `type`."""

_SHOWN_FAULTS = 20
_BLOCK = 10_000
_BLOCK_BYTES = 250_000

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
_decode_one: Callable[[Body], Any] = msgspec.json.Decoder(_One).decode
_decode_many: Callable[[bytes], list[Any]] = msgspec.json.Decoder(list[_Values]).decode

_BATCH = Fields("features")
_NO_FEATURES = 'the body must be an object with "features"'


class InvalidRequest(Exception):
    """A request that can't be answered; `faults` say which value, and what is allowed."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("; ".join(fault["msg"] for fault in faults))


def fault(message: str, *loc: str | int) -> Fault:
    """Return one fault at a place in the body."""
    return {"loc": list(loc), "msg": message, "type": "value_error"}


def refuse(message: str, *loc: str | int) -> InvalidRequest:
    """Return a refusal for one fault."""
    return InvalidRequest([fault(message, *loc)])


def read_one(body: Body) -> Row:
    """Read the observation of `{"features": …}`.

    Raises
    ------
    InvalidRequest
        If the body is anything else, with every value that breaks its rule.
    """
    try:
        return to_row(_decode_one(body).features)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return to_row(_observation(_features(read_json(body)), "features"))


def read_many(body: Content, most: int) -> Codes:
    """Read the observations of `{"features": [[…], …]}`, `most` at most.

    Raises
    ------
    InvalidRequest
        If the body is anything else, with the first values that break their rules.
    """
    found = read_fields(_BATCH, body)
    if "features" not in found:
        raise refuse(_NO_FEATURES, "features")
    return read_rows(found["features"], most, "features")


def read_fields(fields: Fields, body: Content) -> dict[str, memoryview]:
    """Find fields of a body; none are in what is no object.

    Raises
    ------
    InvalidRequest
        If it is no JSON.
    """
    try:
        try:
            return fields.find(body)
        except Malformed:
            return fields.find(quote_what_is_no_number(body))
    except TypeError:
        return {}
    except Malformed as error:
        raise refuse(f"the body must be JSON: {error}", "body") from None


def read_rows(
    rows: memoryview, most: int, *loc: str | int, columns: Sequence[str] = FEATURE_NAMES
) -> Codes:
    """Read observations, each a list of 12 values or an object by column name.

    Parameters
    ----------
    rows : memoryview
        A list as JSON.
    most : int
        How many observations it may hold.
    *loc : str or int
        Where in the body it is.
    columns : sequence of str
        The order of the values in a list.

    Raises
    ------
    InvalidRequest
        With the first values that break their rules, each with its row.
    """
    if not is_list(rows):
        raise refuse("must be a list of observations", *loc)
    in_order = list(columns) == list(FEATURE_NAMES)
    # Each is one list or object with none inside; with more than that it is refused anyway.
    begun = count(rows, b"[", b"{") - 1
    if begun > most:
        check_count(begun, most, *loc)
    blocks, end = _read_fast(rows) if in_order else ([], 1)
    if end < len(rows):
        rest = values(rows, end)
        named = rest if in_order else (_by_name(row, columns) for row in rest)
        blocks.append(parse_each(named, *loc, first=sum(map(len, blocks))))
    codes = np.concatenate(blocks)
    check_count(len(codes), most, *loc)
    return codes


def _read_fast(rows: memoryview) -> tuple[list[Codes], int]:
    """Read what is right at first sight; return where the rest begins, and that is for the rules.

    A block ends where a list does, before a comma. If that was no end of an observation, what is
    cut off is no JSON, and refused.
    """
    blocks: list[Codes] = []
    start = 1
    while start < len(rows):
        block = bytes(rows[start : start + _BLOCK_BYTES])
        is_last = start + len(block) == len(rows)
        end = len(block) - 1 if is_last else block.rfind(b"],") + 1
        if end < 1:
            break
        try:
            blocks.append(to_codes(_decode_many(b"[" + block[:end] + b"]")))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            break
        start += end + 1
    return blocks, start


def _by_name(row: Any, columns: Sequence[str]) -> Any:
    if isinstance(row, list) and len(row) == len(columns):
        return dict(zip(columns, row, strict=True))
    return row


def parse_each(rows: Iterable[Any], *loc: str | int, first: int = 0) -> Codes:
    """Read observations one by one, with little more memory than their codes.

    Parameters
    ----------
    rows : iterable
        Observations as clients may send them.
    *loc : str or int
        Where in the body they are.
    first : int, default 0
        The number of the first of them.

    Raises
    ------
    InvalidRequest
        With the first values that break their rules, each with its row.
    """
    blocks: list[Codes] = []
    parsed: list[Any] = []
    faults: list[Fault] = []
    number = first - 1
    try:
        for number, row in enumerate(rows, first):
            try:
                parsed.append(_observation(row, *loc, number))
            except InvalidRequest as error:
                faults += error.faults
                if len(faults) >= _SHOWN_FAULTS:
                    break
            if len(parsed) == _BLOCK:
                blocks.append(to_codes(parsed))
                parsed = []
    except Malformed as error:
        faults.append(fault(str(error), *loc, number + 1))
    if faults:
        raise InvalidRequest(faults[:_SHOWN_FAULTS])
    return np.concatenate([*blocks, to_codes(parsed)])


def check_count(count: int, most: int, *loc: str | int) -> None:
    """Refuse no rows at all, and more than `most`."""
    if not 1 <= count <= most:
        raise refuse(f"must hold 1 to {most} observations, got {count}", *loc)


def read_json(body: Content) -> Any:
    """Parse JSON, NaN and infinity included, so that what holds them can be named.

    Raises
    ------
    InvalidRequest
        If it is no JSON.
    """
    try:
        return json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise refuse(f"the body must be JSON: {error}", "body") from None


def _features(content: Any) -> Any:
    if not isinstance(content, dict) or "features" not in content:
        raise refuse(_NO_FEATURES, "features")
    return content["features"]


def _observation(values: Any, *loc: str | int) -> Sequence[Any]:
    if not isinstance(values, list | dict):
        raise refuse(
            f"must be a list of {len(FEATURE_NAMES)} values or an object by column name", *loc
        )
    try:
        return parse_observation(values)
    except InvalidObservation as error:
        raise InvalidRequest(
            [
                fault(message, *loc, *([name] if name else []))
                for name, message in error.errors.items()
            ]
        ) from None
