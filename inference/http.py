"""HTTP without detours: routes that go from the body's bytes to the answer's."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference.errors import BodyTooLong, BodyTooSlow
from inference.metrics import REQUESTS, SECONDS

Endpoint = Callable[[Request], Awaitable[Response]]

JSON = "application/json"
CSV = "text/csv"


class BareRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response, with nothing between.

    FastAPI's own way through dependencies and models takes longer than the forest; the endpoint
    reads and checks the body itself. It is in the documentation as any other route is.
    """

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        super().__init__(path, endpoint, **options)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive))
            await response(scope, receive, send)

        self.app = app


def is_csv(request: Request) -> bool:
    """Tell if the body is said to be CSV."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == CSV


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """Read a request's body.

    Raises
    ------
    BodyTooLong
        If it has more than `most` bytes.
    BodyTooSlow
        If it takes more than `seconds` to arrive.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk: bytes = message.get("body", b"")
                size += len(chunk)
                if size > most:
                    raise BodyTooLong(most)
                if not message.get("more_body", False):
                    return b"".join((*chunks, chunk)) if chunks else chunk
                chunks.append(chunk)
    except TimeoutError:
        raise BodyTooSlow(seconds) from None


class Measured:
    """Counts and times every answer, by route and status."""

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

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            count, observe = self._measure(scope["path"], status)
            count()
            observe(time.perf_counter() - start)

    def _measure(self, path: str, status: int) -> tuple[Any, Any]:
        route = path if path in self._paths else "other"
        measure = self._measures.get((route, status))
        if measure is None:
            measure = REQUESTS.labels(route, status).inc, SECONDS.labels(route).observe
            self._measures[route, status] = measure
        return measure
