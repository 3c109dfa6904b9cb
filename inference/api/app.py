"""The FastAPI application: its lifespan, its routes, and its error responses."""

import asyncio
import ctypes
import gc
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from covertype.answers import ErrorAnswer, InvalidAnswer, InvalidValue
from inference.api.connections import Connections
from inference.api.documentation import document_answers
from inference.api.errors import Unanswered
from inference.api.http import MetricsMiddleware
from inference.api.requests import InvalidRequest
from inference.api.responses import error_response
from inference.api.routes import feedback, predict, scoring, status
from inference.api.service import Service
from inference.settings import ServingSettings
from inference.telemetry.metrics import Metrics

# From malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

_DESCRIPTION = (
    "Predicts the cover type of a piece of forest from twelve observations, with the model in "
    "Production, and follows Production as it changes."
)


def create_app(settings: ServingSettings) -> FastAPI:
    """Return the application; its lifespan loads the model and starts the metrics."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Connections]]:
        _raise_open_file_limit()
        _return_freed_memory()
        connections = Connections(settings)
        service = app.state.service = Service(settings, Metrics.start())
        async with service.running():
            watching = asyncio.create_task(connections.watch())
            # Freeze start-up objects so that garbage collection never pauses requests.
            gc.collect()
            gc.freeze()
            yield {Connections.STATE: connections}
            watching.cancel()

    app = FastAPI(
        title="Covertype", version=version("covertype"), description=_DESCRIPTION, lifespan=lifespan
    )
    for routes in (predict, feedback, scoring, status):
        app.include_router(routes.router)
    document_answers(app)
    app.add_middleware(MetricsMiddleware, paths=frozenset(app.openapi()["paths"]))

    @app.exception_handler(InvalidRequest)
    async def invalid_request(request: Request, error: InvalidRequest) -> Response:
        return error_response(InvalidAnswer([InvalidValue(**fault) for fault in error.faults]), 422)

    @app.exception_handler(Unanswered)
    async def unanswered(request: Request, error: Unanswered) -> Response:
        return error_response(ErrorAnswer(str(error)), error.status, error.headers)

    @app.exception_handler(ClientDisconnect)
    async def client_disconnected(request: Request, error: ClientDisconnect) -> Response:
        # Nobody reads it, but without a response the log would show an error of the service.
        return Response(status_code=400)

    return app


def _raise_open_file_limit() -> None:
    """Raise the limit of open files, which is one of connections, to the allowed maximum."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


def _return_freed_memory() -> None:
    """Make glibc return large blocks of memory to the system as soon as they are freed.

    By default it keeps fragmented memory: a worker that had read long bodies stayed hundreds of
    megabytes larger. Other C libraries have no such option.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, size in ((_M_MMAP_THRESHOLD, 1 << 20), (_M_TRIM_THRESHOLD, 1 << 23)):
            set_option(option, size)
