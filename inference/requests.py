"""From the bytes of a request to observations, or to why not."""

import json
from typing import Any

from covertype.validation import InvalidObservation, Observation, parse_observation

Fault = dict[str, Any]
"""One fault as FastAPI words them: `loc`, `msg`, `type`."""


class InvalidRequest(Exception):
    """A request that can't be answered; `faults` say which value, and what is allowed."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("; ".join(fault["msg"] for fault in faults))


def fault(message: str, *loc: str | int) -> Fault:
    return {"loc": list(loc), "msg": message, "type": "value_error"}


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
        raise InvalidRequest([fault(f"the body is no JSON: {error}", "body")]) from None


def parse_features(features: Any, *loc: str | int) -> Observation:
    """Read one observation of a request; `loc` says where in the body it stands.

    Raises
    ------
    InvalidRequest
        With every value that breaks its rule.
    """
    if not isinstance(features, list | dict):
        raise InvalidRequest(
            [fault("features must be a list of 12 values or an object by column name", *loc)]
        )
    try:
        return parse_observation(features)
    except InvalidObservation as error:
        raise InvalidRequest(
            [
                fault(message, *loc, *([name] if name else []))
                for name, message in error.errors.items()
            ]
        ) from None


def read_predict(body: bytes) -> Observation:
    """Read the observation of `{"features": …}`.

    Raises
    ------
    InvalidRequest
        If the body is anything else.
    """
    content = read_json(body)
    if not isinstance(content, dict) or "features" not in content:
        raise InvalidRequest(
            [fault('the body must be an object with "features"', "body", "features")]
        )
    return parse_features(content["features"], "features")
