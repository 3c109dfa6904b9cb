"""The true classes of earlier predictions and of observations."""

from functools import partial

import numpy as np
from fastapi import APIRouter, Request, Response

from covertype.answers import FeedbackAnswer
from covertype.rows.codes import Row
from inference.api.bodies import LONGEST_VALUE
from inference.api.documentation import FEEDBACK
from inference.api.feedback import read_feedback
from inference.api.http import BareRoute
from inference.api.responses import answer_response
from inference.api.service import Service, service_of

router = APIRouter(tags=["predictions"], route_class=BareRoute)


@router.post("/feedback", status_code=202, **FEEDBACK)
async def feedback(request: Request) -> Response:
    """Take the true class of a prediction, by its id, or of an observation; or a list of them.

    Of several true classes of one prediction, the last counts.
    """
    service = service_of(request)
    settings = service.settings
    seconds = settings.request_timeout_seconds
    with await service.bodies.receive(request, LONGEST_VALUE, seconds) as upload:
        read = read_feedback(upload.content, ids_are_logged=settings.prediction_log)
    by_id = [(truth, of) for truth, of in read if isinstance(of, str)]
    observed = [(truth, of) for truth, of in read if not isinstance(of, str)]
    correct = await _take_observed(service, observed) if observed else 0
    for truth, prediction_id in by_id:
        service.learn_later(truth, prediction_id)
    counts = FeedbackAnswer(len(read), correct, len(observed) - correct, len(by_id))
    return answer_response(counts, 202)


async def _take_observed(service: Service, observed: list[tuple[int, Row]]) -> int:
    """Predict the observations and take their true classes; return how many are predicted."""
    model = service.model
    codes = np.array([row for _, row in observed], np.int16)
    probabilities = await service.work(partial(model.predictor.answer, codes))
    predictions = probabilities.argmax(axis=1).tolist()
    for (truth, row), prediction in zip(observed, predictions, strict=True):
        service.learn(truth, row, model.card.version, prediction)
    return sum(
        truth == prediction for (truth, _), prediction in zip(observed, predictions, strict=True)
    )
