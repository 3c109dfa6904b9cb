"""From the bytes of a request to observations, or to why not.

Observations are first read by compiled code. What that does not accept, and an object by column
name, is read again by the rule itself, which decides and says what is wrong.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import numpy as np

from covertype.contract import FEATURE_NAMES
from covertype.rows.codes import WIDTH, Codes, Row
from covertype.rows.json_values import decode_many, decode_one
from covertype.rows.observations import InvalidRow, parse_row
from covertype.rows.violations import describe
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

Fault = dict[str, Any]
"""One fault as FastAPI words them: `loc`, `msg`, `type`."""

SHOWN_FAULTS = 20
"""How many faults an answer lists."""

_SHOWN_VALUES = 2
_FLAGS = {"true": True, "false": False}
_BLOCK = 10_000
_BLOCK_BYTES = 250_000

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


def invalid(message: str, *loc: str | int) -> InvalidRequest:
    """Return the error for one fault."""
    return InvalidRequest([fault(message, *loc)])


def read_one(body: Body) -> Row:
    """Read the observation of `{"features": …}`.

    Raises
    ------
    InvalidRequest
        If the body is anything else, with every value that breaks its rule.
    """
    row = decode_one(body)
    return row if row is not None else parse_features(_features(read_json(body)), "features")


def read_flag(query: bytes, name: str) -> bool:
    """Read a parameter of the query string: true or false, in any case; false if it is missing.

    Raises
    ------
    InvalidRequest
        If it is anything else, or there more than once.
    """
    if not query:
        return False
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True).get(name, ["false"])
    if len(given) > 1 or given[0].lower() not in _FLAGS:
        shown = ", ".join(map(repr, given[:_SHOWN_VALUES]))
        raise invalid(f"{name} must be true or false, once; got {shown}", "query", name)
    return _FLAGS[given[0].lower()]


def read_many(body: Content, limit: int) -> Codes:
    """Read the observations of `{"features": [[…], …]}`, at most `limit`.

    Raises
    ------
    InvalidRequest
        If the body is anything else, with the first values that break their rules.
    """
    found = read_fields(_BATCH, body)
    if "features" not in found:
        raise invalid(_NO_FEATURES, "features")
    return read_rows(found["features"], limit, "features")


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
        raise invalid(f"the body must be JSON: {error}", "body") from None


def read_rows(
    rows: memoryview, limit: int, *loc: str | int, columns: Sequence[str] = FEATURE_NAMES
) -> Codes:
    """Read observations, each a list of 12 values or an object by column name.

    Parameters
    ----------
    rows : memoryview
        A list as JSON.
    limit : int
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
        raise invalid("must be a list of observations", *loc)
    in_order = list(columns) == list(FEATURE_NAMES)
    # A valid observation is a list or an object without others inside.
    begun = count(rows, b"[", b"{") - 1
    if begun > limit:
        check_count(begun, limit, *loc)
    blocks, end = _read_fast(rows) if in_order else ([], 1)
    if end < len(rows):
        rest = values(rows, end)
        named = rest if in_order else (_by_name(row, columns) for row in rest)
        blocks.append(parse_each(named, *loc, first=sum(map(len, blocks))))
    codes = np.concatenate(blocks)
    check_count(len(codes), limit, *loc)
    return codes


def _read_fast(rows: memoryview) -> tuple[list[Codes], int]:
    """Read blocks of observations that the decoder accepts; return where the rest begins.

    A block ends at the end of a list, before a comma. If that is not the end of an observation, the
    block is not JSON, and the rest begins with it.
    """
    blocks: list[Codes] = []
    start = 1
    while start < len(rows):
        block = bytes(rows[start : start + _BLOCK_BYTES])
        is_last = start + len(block) == len(rows)
        end = len(block) - 1 if is_last else block.rfind(b"],") + 1
        if end < 1:
            break
        codes = decode_many(b"[" + block[:end] + b"]")
        if codes is None:
            break
        blocks.append(codes)
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
    return collect((partial(parse_features, row) for row in rows), *loc, first=first)


def collect(readers: Iterable[Callable[..., Row]], *loc: str | int, first: int = 0) -> Codes:
    """Put together the observations that functions of a place in the body return.

    Raises
    ------
    InvalidRequest
        With the first faults that they raise.
    """
    blocks: list[Codes] = []
    rows: list[Row] = []
    faults: list[Fault] = []
    number = first - 1
    try:
        for number, read in enumerate(readers, first):
            try:
                rows.append(read(*loc, number))
            except InvalidRequest as error:
                faults += error.faults
                if len(faults) >= SHOWN_FAULTS:
                    break
            if len(rows) == _BLOCK:
                blocks.append(_to_codes(rows))
                rows = []
    except Malformed as error:
        faults.append(fault(str(error), *loc, number + 1))
    if faults:
        raise InvalidRequest(faults[:SHOWN_FAULTS])
    return np.concatenate([*blocks, _to_codes(rows)])


def _to_codes(rows: list[Row]) -> Codes:
    return np.array(rows, np.int16).reshape(-1, WIDTH)


def check_count(count: int, limit: int, *loc: str | int) -> None:
    """Raise `InvalidRequest` for no rows at all, and for more than `limit`."""
    if not 1 <= count <= limit:
        raise invalid(f"must hold 1 to {limit} observations, got {count}", *loc)


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
        raise invalid(f"the body must be JSON: {error}", "body") from None


def _features(content: Any) -> Any:
    if not isinstance(content, dict) or "features" not in content:
        raise invalid(_NO_FEATURES, "features")
    return content["features"]


def parse_features(values: Any, *loc: str | int) -> Row:
    """Read one observation as a client sends it.

    Raises
    ------
    InvalidRequest
        With every value that breaks its rule.
    """
    if not isinstance(values, list | dict):
        raise invalid(
            f"must be a list of {len(FEATURE_NAMES)} values or an object by column name", *loc
        )
    try:
        return parse_row(values)
    except InvalidRow as error:
        raise invalid_row(error, *loc) from None


def invalid_row(
    error: InvalidRow, *loc: str | int, columns: int = len(FEATURE_NAMES)
) -> InvalidRequest:
    """Return the faults of a row that breaks the contract, each at its feature.

    Parameters
    ----------
    error : InvalidRow
    *loc : str or int
        Where in the body the row is.
    columns : int
        How many columns its file has.
    """
    return InvalidRequest(
        [
            fault(describe(broken, columns), *loc, *([broken.feature] if broken.feature else []))
            for broken in error.violations
        ]
    )
