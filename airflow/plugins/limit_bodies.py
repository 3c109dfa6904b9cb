"""Refuses long bodies at the API server, which has no limit of its own.

It would read a body whole before it asks who sends it, so that one request without a login could
take all memory that its container has.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

MAX_BODY_BYTES = 1_000_000
"""Runs, variables and XComs of this platform have some hundred bytes; XComs carry no rows."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class LimitBodies:
    """Answers 413 in place of an ASGI application if a body is too long.

    What comes beyond the limit is read and not kept: a client that is still sending would see a
    broken connection, and not the answer.
    """

    def __init__(self, app: App, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        if scope["type"] != "http" or not _may_be_longer(headers, self.max_bytes):
            await self.app(scope, receive, send)
            return
        body, length, more = bytearray(), 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            part, more = message.get("body", b""), message.get("more_body", False)
            length += len(part)
            if length <= self.max_bytes:
                body += part
            else:
                body.clear()
        if length > self.max_bytes:
            await self._refuse(send)
            return
        again = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def receive_again() -> Message:
            return again.pop() if again else await receive()

        await self.app(scope, receive_again, send)

    async def _refuse(self, send: Send) -> None:
        answer = json.dumps({"detail": f"The body may have {self.max_bytes} bytes"}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(answer)).encode()),
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def _may_be_longer(headers: dict[bytes, bytes], max_bytes: int) -> bool:
    """A body in chunks has no length before it is there."""
    if b"transfer-encoding" in headers:
        return True
    return int(headers.get(b"content-length", 0)) > max_bytes


class LimitBodiesPlugin(AirflowPlugin):
    name = "limit_bodies"
    fastapi_root_middlewares = [  # noqa: RUF012  Airflow declares it so
        {
            "name": "Limit of bodies",
            "middleware": LimitBodies,
            "kwargs": {"max_bytes": MAX_BODY_BYTES},
        }
    ]
