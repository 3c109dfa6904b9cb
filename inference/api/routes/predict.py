"""Predictions for one observation, and for many."""

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from covertype.answers import ExplainedAnswer
from covertype.models.explanations import NoDecisionPaths
from covertype.rows.codes import Codes, Row
from inference.api.answering import answer_one, batch_answer, explain_one
from inference.api.batches import BatchResponse
from inference.api.bodies import LONGEST_VALUE
from inference.api.documentation import BATCH, EXPLAIN, PREDICT
from inference.api.http import CSV, BareRoute, is_csv
from inference.api.requests import InvalidRequest, invalid, read_flag, read_many, read_one
from inference.api.responses import JSON, answer_response, encode, json_response
from inference.api.service import service_of
from inference.api.tables import read_csv, write_csv
from inference.model.serving import ServedModel

router = APIRouter(tags=["predictions"], route_class=BareRoute)


@router.post("/predict", **PREDICT)
async def predict(request: Request) -> Response:
    """Answer one observation; with `explain=true` also why its class is probable."""
    service = service_of(request)
    model = service.model
    is_explained = read_flag(request.scope["query_string"], EXPLAIN)
    seconds = service.settings.request_timeout_seconds
    with await service.bodies.receive(request, LONGEST_VALUE, seconds) as upload:
        row = read_one(upload.content)
    named = service.ids.new()
    # Without a log nobody could find the prediction by its id.
    shown = named.text if service.settings.prediction_log else ""
    try:
        answer = (_explain if is_explained else answer_one)(model, row, shown)
    except InvalidRequest:
        raise
    except Exception:
        service.fail(model.card.version)
        raise
    service.record(
        named, model.card.version, row, answer.prediction[0], answer.probabilities[answer.label]
    )
    return answer_response(answer)


def _explain(model: ServedModel, row: Row, prediction_id: str) -> ExplainedAnswer:
    try:
        return explain_one(model, row, prediction_id)
    except NoDecisionPaths:
        version = model.card.version
        message = f"version {version} is not a forest, so it has no decision paths to explain it by"
        raise invalid(message, "query", EXPLAIN) from None


@router.post("/predict/batch", **BATCH)
async def predict_batch(request: Request) -> Response:
    """Answer many observations, JSON or CSV, in the same format unless `Accept` names the other."""
    accepted = request.headers.get("accept", "")
    csv_in = is_csv(request)
    csv_out = CSV in accepted or (csv_in and JSON not in accepted)
    return BatchResponse(
        request, read_csv if csv_in else read_many, _as_csv if csv_out else _as_json
    )


def _as_csv(
    model: ServedModel, _: Codes, probabilities: npt.NDArray[np.float64], __: str
) -> Response:
    return StreamingResponse(write_csv(probabilities, model.card.version), media_type=CSV)


def _as_json(
    model: ServedModel, codes: Codes, probabilities: npt.NDArray[np.float64], prediction_id: str
) -> Response:
    return json_response(encode(batch_answer(model, codes, probabilities, prediction_id)))
