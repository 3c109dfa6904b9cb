"""From the bytes of a request to observations, or to why not.

A body is first read by a decoder made from the contract, in compiled code. What that refuses, and
an object by column name, is read again by the contract's own rules, which decide and word the
refusal: the decoder only accepts a part of what they accept, faster.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from covertype.contract import CATEGORIES, FEATURE_NAMES, QUANTITIES
from covertype.validation import InvalidObservation, parse_observation
from inference.codes import Codes, Row, to_codes, to_row

Fault = dict[str, Any]
"""One fault as FastAPI words them: `loc`, `msg`, `type`."""

_SHOWN_FAULTS = 20
_BLOCK = 10_000

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
_Many = msgspec.defstruct("_Many", [("features", list[_Values])])
_decode_one: Callable[[bytes], Any] = msgspec.json.Decoder(_One).decode
_decode_many: Callable[[bytes], Any] = msgspec.json.Decoder(_Many).decode


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


def read_one(body: bytes) -> Row:
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


def read_many(body: bytes, most: int) -> Codes:
    """Read the observations of `{"features": [[…], …]}`, `most` at most.

    Raises
    ------
    InvalidRequest
        If the body is anything else, with the first values that break their rules.
    """
    try:
        rows: Any = _decode_many(body).features
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return parse_rows(_features(read_json(body)), most, "features")
    check_count(len(rows), most, "features")
    return to_codes(rows)


def parse_rows(rows: Any, most: int, *loc: str | int) -> Codes:
    """Read observations, each a list of 12 values or an object by column name.

    Raises
    ------
    InvalidRequest
        With the first values that break their rules, each with its row.
    """
    if not isinstance(rows, list):
        raise refuse("must be a list of observations", *loc)
    check_count(len(rows), most, *loc)
    return parse_each(rows, *loc)


def parse_each(rows: Iterable[Any], *loc: str | int) -> Codes:
    """Read observations one by one, with little more memory than their codes.

    Raises
    ------
    InvalidRequest
        With the first values that break their rules, each with its row.
    """
    blocks: list[Codes] = []
    parsed: list[Any] = []
    faults: list[Fault] = []
    for number, row in enumerate(rows):
        try:
            parsed.append(_observation(row, *loc, number))
        except InvalidRequest as error:
            faults += error.faults
            if len(faults) >= _SHOWN_FAULTS:
                break
        if len(parsed) == _BLOCK:
            blocks.append(to_codes(parsed))
            parsed = []
    if faults:
        raise InvalidRequest(faults[:_SHOWN_FAULTS])
    return np.concatenate([*blocks, to_codes(parsed)])


def check_count(count: int, most: int, *loc: str | int) -> None:
    """Refuse no rows at all, and more than `most`."""
    if not 1 <= count <= most:
        raise refuse(f"must hold 1 to {most} observations, got {count}", *loc)


def read_json(body: bytes) -> Any:
    """Parse JSON, NaN and infinity included, so that what holds them can be named.

    Raises
    ------
    InvalidRequest
        If it is no JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise refuse(f"the body must be JSON: {error}", "body") from None


def _features(content: Any) -> Any:
    if not isinstance(content, dict) or "features" not in content:
        raise refuse('the body must be an object with "features"', "features")
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
