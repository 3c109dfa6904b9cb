"""Many observations in one request: read, answered and written aside, then counted and logged."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import Request

from inference.codes import Codes
from inference.http import read_body
from inference.service import service_of
from inference.serving import ServedModel

Content = TypeVar("Content")


async def answer_many(
    request: Request,
    read: Callable[[bytes, int], Codes],
    render: Callable[[ServedModel, Codes, npt.NDArray[np.float64]], Content],
) -> Content:
    """Return what `render` makes of the answers.

    Parameters
    ----------
    read : callable
        Reads a body of at most so many observations.
    render : callable
        Takes the version, the observations, and their probabilities of shape (n, 7).
    """
    service = service_of(request)
    model, settings = service.model, service.settings
    async with service.batch():
        body = await read_body(request, settings.max_body_bytes, settings.request_timeout_seconds)

        def work() -> tuple[Codes, npt.NDArray[np.float64], Content]:
            codes = read(body, settings.max_batch_rows)
            probabilities = model.predictor.probabilities(codes)
            return codes, probabilities, render(model, codes, probabilities)

        codes, probabilities, content = await service.work(work)
    service.note_many(model.card.version, codes, probabilities)
    return content
