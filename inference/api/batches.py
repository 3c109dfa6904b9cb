"""Batches: read, predicted and encoded in a thread, then counted and logged."""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from covertype.rows.codes import Codes
from inference.api.bodies import Body
from inference.api.service import Service, service_of
from inference.api.uploads import Upload
from inference.model.serving import ServedModel

Read = Callable[[Body, int], Codes]
Respond = Callable[[ServedModel, Codes, npt.NDArray[np.float64], str], Response]


class BatchResponse(Response):
    """The answer to a batch. It counts as a batch in work until it is sent.

    Parameters
    ----------
    request : Request
        The request; its body is read when the response is sent.
    read : callable
        Takes a body and the largest number of observations; returns the observations.
    respond : callable
        Takes the model, the observations, their probabilities of shape (n, 7) and the id of the
        batch; returns the response.
    """

    def __init__(self, request: Request, read: Read, respond: Respond) -> None:
        self._request = request
        self._read = read
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = service_of(self._request)
        model, settings = service.model, service.settings
        limit, seconds = settings.max_body_bytes, settings.request_timeout_seconds
        with await service.batch_bodies.receive(self._request, limit, seconds) as upload:
            async with service.batch():
                response = await self._answer(service, model, upload)
                await response(scope, receive, send)

    async def _answer(self, service: Service, model: ServedModel, upload: Upload) -> Response:
        rows = service.settings.max_batch_rows
        codes = await service.work(partial(self._read, upload.content, rows))
        upload.drop()
        named = service.ids.new()

        def work() -> tuple[npt.NDArray[np.float64], Response]:
            probabilities = model.predictor.probabilities(codes)
            return probabilities, self._respond(model, codes, probabilities, named.text)

        try:
            probabilities, response = await service.work(work)
        except Exception:
            service.fail(model.card.version)
            raise
        service.record_many(named, model.card.version, codes, probabilities)
        return response
