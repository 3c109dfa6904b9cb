"""Reads feedback: true classes, each of a prediction by its id or of an observation."""

import re
from typing import Any, NamedTuple

from covertype.data.prediction_ids import PATTERN
from covertype.rows.codes import Row
from covertype.rows.observations import InvalidRow, parse_class
from covertype.rows.violations import describe, shown
from inference.api.bodies import Body
from inference.api.requests import SHOWN_FAULTS, InvalidRequest, invalid, parse_features, read_json

MOST = 100
"""How many true classes one request may hold."""

_TRUTH, _ID, _FEATURES = "cover_type", "prediction_id", "features"
_FIELDS = ({_TRUTH, _ID}, {_TRUTH, _FEATURES})
_NO_LOG = (
    "this service keeps no log of its predictions (PREDICTION_LOG=false): send the observation as "
    f'"{_FEATURES}"'
)
_IS_ID = re.compile(PATTERN, re.ASCII).fullmatch


class Feedback(NamedTuple):
    """A true class, and what it is of: the prediction with an id, or an observation."""

    truth: int
    of: str | Row


def read_feedback(body: Body, ids_are_logged: bool) -> list[Feedback]:
    """Read one true class, `{"prediction_id": …, "cover_type": …}`, or a list of them.

    An observation stands as `features` in place of the id, as `/predict` takes it.

    Parameters
    ----------
    body : bytes-like
    ids_are_logged : bool
        Whether predictions are logged, so that they can be found by their ids.

    Raises
    ------
    InvalidRequest
        If the body is anything else, with the first values that break their rules.
    """
    content = read_json(body)
    if not isinstance(content, list):
        return [_read(content, ids_are_logged)]
    if not 1 <= len(content) <= MOST:
        raise invalid(f"must hold 1 to {MOST} true classes, got {len(content)}", "body")
    read: list[Feedback] = []
    faults = []
    for number, entry in enumerate(content):
        try:
            read.append(_read(entry, ids_are_logged, number))
        except InvalidRequest as error:
            faults += error.faults
    if faults:
        raise InvalidRequest(faults[:SHOWN_FAULTS])
    return read


def _read(entry: Any, ids_are_logged: bool, *loc: int) -> Feedback:
    if not isinstance(entry, dict) or set(entry) not in _FIELDS:
        message = f'must be an object with "{_TRUTH}" and either "{_ID}" or "{_FEATURES}"'
        raise invalid(message, *loc or ("body",))
    truth = _read_class(entry[_TRUTH], *loc)
    if _FEATURES in entry:
        return Feedback(truth, parse_features(entry[_FEATURES], *loc, _FEATURES))
    if not ids_are_logged:
        raise invalid(_NO_LOG, *loc, _ID)
    named = entry[_ID]
    if not isinstance(named, str) or not _IS_ID(named):
        got = shown(named) or "nothing"
        raise invalid(f"must be the id that a prediction came with, got {got}", *loc, _ID)
    return Feedback(truth, named)


def _read_class(value: Any, *loc: int) -> int:
    try:
        return parse_class(value)
    except InvalidRow as error:
        raise invalid("; ".join(map(describe, error.violations)), *loc, _TRUTH) from None
