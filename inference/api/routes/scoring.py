"""MLflow's scoring protocol, so that its clients work."""

from importlib.metadata import version as installed
from typing import Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from covertype.answers import ScoringAnswer
from covertype.contract import FEATURE_NAMES
from covertype.rows.codes import Codes
from inference.api.batches import BatchResponse
from inference.api.bodies import LONGEST_VALUE, Content, Fields, count, is_list, is_object, values
from inference.api.documentation import INVOCATIONS
from inference.api.http import BareRoute, is_csv
from inference.api.requests import (
    check_count,
    invalid,
    parse_each,
    read_fields,
    read_json,
    read_rows,
)
from inference.api.responses import encode, json_response
from inference.api.service import service_of
from inference.api.tables import read_csv
from inference.model.serving import ServedModel

router = APIRouter(tags=["MLflow"], route_class=BareRoute)

_NAMES = ("dataframe_split", "dataframe_records", "instances", "inputs")
_FORMATS = Fields(*_NAMES)
_SPLIT = Fields("columns", "data")
_COLUMNS = Fields(*FEATURE_NAMES, others=False)


@router.get(
    "/ping",
    response_class=PlainTextResponse,
    responses={503: {"description": "No model is in Production yet"}},
)
async def ping(request: Request) -> Response:
    """Answer with an empty line if there is a model."""
    _ = service_of(request).model
    return PlainTextResponse("\n")


@router.get("/version", response_class=PlainTextResponse)
async def version(request: Request) -> Response:
    """Name the version of MLflow."""
    return PlainTextResponse(installed("mlflow-skinny"))


@router.post("/invocations", **INVOCATIONS)
async def invocations(request: Request) -> Response:
    """Answer many observations with their classes."""
    return BatchResponse(request, read_csv if is_csv(request) else read_invocation, _as_predictions)


def _as_predictions(
    _: ServedModel, __: Codes, probabilities: npt.NDArray[np.float64], ___: str
) -> Response:
    predictions = probabilities.argmax(axis=1).tolist()
    return json_response(encode(ScoringAnswer(predictions)))


def read_invocation(body: Content, limit: int) -> Codes:
    """Read the observations of one of MLflow's four formats.

    Raises
    ------
    InvalidRequest
        If the body is none of them, with the first values that break their rules.
    """
    found = read_fields(_FORMATS, body)
    if len(found) != 1:
        raise invalid(f"the body must be an object with one of {', '.join(_NAMES)}", "body")
    ((name, content),) = found.items()
    if name == "dataframe_split":
        return _read_split(content, limit)
    if name == "inputs" and is_object(content):
        return _read_columns(content, limit)
    return read_rows(content, limit, name)


def _read_split(content: memoryview, limit: int) -> Codes:
    split = read_fields(_SPLIT, content)
    if "data" not in split or not is_list(split["data"]):
        raise invalid('must be an object with "columns" and "data"', "dataframe_split")
    columns: Any = FEATURE_NAMES
    if "columns" in split:
        short = len(split["columns"]) <= LONGEST_VALUE
        columns = read_json(split["columns"]) if short else None
    if not isinstance(columns, list | tuple) or set(map(str, columns)) != set(FEATURE_NAMES):
        raise invalid(f"must name {', '.join(FEATURE_NAMES)}", "dataframe_split", "columns")
    return read_rows(split["data"], limit, "dataframe_split", columns=columns)


def _read_columns(content: memoryview, limit: int) -> Codes:
    columns = read_fields(_COLUMNS, content)
    if len(columns) < len(FEATURE_NAMES):
        raise invalid(f"must hold {', '.join(FEATURE_NAMES)}", "inputs")
    lists = [column for column in columns.values() if is_list(column)]
    if len(lists) < len(columns):
        one = {name: read_json(value[:LONGEST_VALUE]) for name, value in columns.items()}
        return parse_each([one], "inputs")
    check_count(max(count(column, b",") for column in lists) + 1, limit, "inputs")
    rows = zip(*map(values, lists), strict=True)
    try:
        codes = parse_each((list(row) for row in rows), "inputs")
    except ValueError:
        raise invalid("every column must have as many values as the others", "inputs") from None
    check_count(len(codes), limit, "inputs")
    return codes
