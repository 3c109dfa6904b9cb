"""Routes that go directly from the bytes of a body to the bytes of an answer."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference.telemetry.metrics import Metrics

Endpoint = Callable[[Request], Awaitable[Response]]

CSV = "text/csv"


class BareRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response.

    FastAPI's dependencies and models take longer than the forest, so the endpoint reads and checks
    the body itself. OpenAPI lists the route like any other.
    """

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        super().__init__(path, endpoint, **options)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive))
            await response(scope, receive, send)

        self.app = app


def is_csv(request: Request) -> bool:
    """Return whether the content type of the request is CSV."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == CSV


class MetricsMiddleware:
    """Counts and times every request, by route and status."""

    def __init__(self, app: ASGIApp, paths: frozenset[str]) -> None:
        self._app = app
        self._paths = paths
        self._measures: dict[tuple[str, int], tuple[Any, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 500

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        finally:
            count, observe = self._measure(scope, status)
            count()
            observe(time.perf_counter() - start)

    def _measure(self, scope: Scope, status: int) -> tuple[Any, Any]:
        route = scope["path"] if scope["path"] in self._paths else "other"
        measure = self._measures.get((route, status))
        if measure is None:
            metrics: Metrics = scope["app"].state.service.metrics
            measure = (
                metrics.requests.labels(route, status).inc,
                metrics.seconds.labels(route).observe,
            )
            self._measures[route, status] = measure
        return measure
