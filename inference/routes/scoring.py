"""MLflow's scoring protocol, so that its clients work."""

from importlib.metadata import version as installed
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from covertype.contract import FEATURE_NAMES
from inference.batches import answer_many
from inference.codes import Codes
from inference.documentation import INVOCATIONS
from inference.http import JSON, BareRoute, is_csv
from inference.requests import parse_rows, read_json, refuse
from inference.service import service_of
from inference.serving import ServedModel
from inference.tables import read_csv

router = APIRouter(tags=["MLflow"], route_class=BareRoute)

_FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")


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
    read = read_csv if is_csv(request) else _read_invocation
    return Response(await answer_many(request, read, _as_predictions), media_type=JSON)


def _as_predictions(_: ServedModel, __: Codes, probabilities: npt.NDArray[np.float64]) -> bytes:
    return msgspec.json.encode({"predictions": probabilities.argmax(axis=1).tolist()})


def _read_invocation(body: bytes, most: int) -> Codes:
    """Read the observations of one of MLflow's four formats.

    Raises
    ------
    InvalidRequest
        If the body is none of them, with the first values that break their rules.
    """
    content = read_json(body)
    formats = [name for name in _FORMATS if isinstance(content, dict) and name in content]
    if len(formats) != 1:
        raise refuse(f"the body must be an object with one of {', '.join(_FORMATS)}", "body")
    return parse_rows(_rows(formats[0], content[formats[0]]), most, formats[0])


def _rows(name: str, content: Any) -> Any:
    if name == "dataframe_split":
        return _split_rows(content)
    if name == "inputs" and isinstance(content, dict):
        return _column_rows(content)
    return content


def _split_rows(content: Any) -> Any:
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise refuse('must be an object with "columns" and "data"', "dataframe_split")
    columns = content.get("columns", list(FEATURE_NAMES))
    if columns == list(FEATURE_NAMES):
        return content["data"]
    if not isinstance(columns, list) or set(map(str, columns)) != set(FEATURE_NAMES):
        raise refuse(f"must name {', '.join(FEATURE_NAMES)}", "dataframe_split", "columns")
    return [
        dict(zip(columns, row, strict=True))
        if isinstance(row, list) and len(row) == len(columns)
        else row
        for row in content["data"]
    ]


def _column_rows(columns: dict[str, Any]) -> Any:
    if set(columns) != set(FEATURE_NAMES):
        raise refuse(f"must hold {', '.join(FEATURE_NAMES)}", "inputs")
    values = [columns[name] for name in FEATURE_NAMES]
    if not all(isinstance(column, list) for column in values):
        return [columns]
    if len({len(column) for column in values}) != 1:
        raise refuse("every column must have as many values as the others", "inputs")
    return [list(row) for row in zip(*values, strict=True)]
