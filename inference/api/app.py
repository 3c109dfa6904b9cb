"""The application: its life, its routes, and how it refuses."""

import asyncio
import ctypes
import gc
import json
import resource
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from inference.api.connections import Connections
from inference.api.errors import Unanswered
from inference.api.http import JSON, Measured
from inference.api.requests import InvalidRequest
from inference.api.routes import predict, scoring, status
from inference.api.service import Service
from inference.settings import ServingSettings

# From malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

_DESCRIPTION = (
    "Answers with the model in Production which cover type a piece of forest has, from twelve "
    "observations of it, and follows Production as it changes."
)


def create_app(settings: ServingSettings) -> FastAPI:
    """Return the service; the model is loaded when it starts, not here."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[dict[str, Connections]]:
        _allow_many_connections()
        _give_back_memory()
        connections = Connections(settings)
        service = app.state.service = Service(settings)
        async with service.running():
            watching = asyncio.create_task(connections.watch())
            # What was made by now stays: to look through it for garbage would halt all requests.
            gc.collect()
            gc.freeze()
            yield {Connections.STATE: connections}
            watching.cancel()

    app = FastAPI(
        title="Covertype", version=version("covertype"), description=_DESCRIPTION, lifespan=life
    )
    for routes in (predict, scoring, status):
        app.include_router(routes.router)
    app.add_middleware(Measured, paths=frozenset(app.openapi()["paths"]))

    @app.exception_handler(InvalidRequest)
    async def name_faults(request: Request, error: InvalidRequest) -> Response:
        return _detail(error.faults, 422)

    @app.exception_handler(Unanswered)
    async def say_why(request: Request, error: Unanswered) -> Response:
        return _detail(str(error), error.status, error.headers)

    @app.exception_handler(ClientDisconnect)
    async def leave(request: Request, error: ClientDisconnect) -> Response:
        # Nobody reads it; without it the log would call it a fault of the service.
        return Response(status_code=400)

    return app


def _detail(detail: Any, status: int, headers: Mapping[str, str] | None = None) -> Response:
    # Plain ASCII, as what a client sent and is shown again may be no valid Unicode.
    return Response(json.dumps({"detail": detail}), status, headers, JSON)


def _allow_many_connections() -> None:
    """Raise the limit of open files, of which a connection is one, as far as is allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _give_back_memory() -> None:
    """Have large blocks of memory given back to the system as soon as they are let go.

    By itself glibc keeps what it once had to reserve, in pieces between what is in use: a worker
    that had read long bodies stayed hundreds of megabytes larger. Other C libraries do without.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, size in ((_M_MMAP_THRESHOLD, 1 << 20), (_M_TRIM_THRESHOLD, 1 << 23)):
            set_option(option, size)
