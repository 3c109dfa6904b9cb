"""Answers to one observation, and to many."""

from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from inference.answers import answer_one, batch_answer
from inference.batches import answer_many
from inference.codes import Codes
from inference.documentation import BATCH, PREDICT
from inference.http import CSV, JSON, BareRoute, is_csv, read_body
from inference.requests import read_many, read_one
from inference.service import service_of
from inference.serving import ServedModel
from inference.tables import read_csv, write_csv

router = APIRouter(tags=["predictions"], route_class=BareRoute)

_encode = msgspec.json.Encoder().encode
_ONE_BODY_BYTES = 64_000


@router.post("/predict", **PREDICT)
async def predict(request: Request) -> Response:
    """Answer one observation."""
    service = service_of(request)
    model = service.model
    row = read_one(
        await read_body(request, _ONE_BODY_BYTES, service.settings.request_timeout_seconds)
    )
    answer = answer_one(model, row)
    service.note(model.card.version, row, answer.prediction[0], answer.probabilities[answer.label])
    return Response(_encode(answer), media_type=JSON)


@router.post("/predict/batch", **BATCH)
async def predict_batch(request: Request) -> Response:
    """Answer many observations, JSON or CSV, in the same format unless `Accept` asks otherwise."""
    accepted = request.headers.get("accept", "")
    csv_in = is_csv(request)
    csv_out = CSV in accepted or (csv_in and JSON not in accepted)
    read = read_csv if csv_in else read_many
    if csv_out:
        return StreamingResponse(await answer_many(request, read, _as_csv), media_type=CSV)
    return Response(await answer_many(request, read, _as_json), media_type=JSON)


def _as_csv(
    model: ServedModel, _: Codes, probabilities: npt.NDArray[np.float64]
) -> Iterator[bytes]:
    return write_csv(probabilities, model.card.version)


def _as_json(model: ServedModel, codes: Codes, probabilities: npt.NDArray[np.float64]) -> bytes:
    return _encode(batch_answer(model, codes, probabilities))
