"""What of an answer leaves the service in one write."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest
from fastapi import Response
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import ServerState

from inference.api.connections import Connection, Connections
from inference.api.transport import JoiningTransport
from inference.settings import ServingSettings

_REQUEST = b"%s / HTTP/1.1\r\nHost: test\r\n\r\n"


class Recorded(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self._closing = False

    @property
    def sent(self) -> bytes:
        return b"".join(self.writes)

    def write(self, data: Any) -> None:
        assert not self._closing
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    abort = close

    def pause_reading(self) -> None:
        """Nothing more is to be read."""

    resume_reading = pause_reading


def joining(act: Callable[[JoiningTransport], Awaitable[None]]) -> Recorded:
    """Return what is written when `act` has been done and the loop has gone on."""
    recorded = Recorded()

    async def run() -> None:
        await act(JoiningTransport(recorded, asyncio.get_running_loop()))
        await asyncio.sleep(0)

    asyncio.run(run())
    return recorded


def answered(app: ASGIApp, request: bytes) -> Recorded:
    """Return what a connection of the service writes for a request."""
    recorded = Recorded()

    async def run() -> None:
        connections = Connections(ServingSettings())
        server = ServerState()
        state = {Connections.STATE: connections}
        connection = Connection(Config(app, log_level="error"), server, state)
        connection.connection_made(recorded)
        connection.data_received(request)
        while server.tasks:
            await asyncio.gather(*server.tasks)
        connection.connection_lost(None)

    asyncio.run(run())
    return recorded


@pytest.mark.parametrize(
    ("method", "response"),
    [
        (b"GET", Response("one", 200)),
        (b"GET", Response("no", 503, {"connection": "close"})),
        (b"GET", Response(status_code=204)),
        (b"HEAD", Response("one", 200)),
    ],
)
def test_an_answer_is_written_at_once(method: bytes, response: Response) -> None:
    (written,) = answered(response, _REQUEST % method).writes
    assert written.startswith(b"HTTP/1.1 %d " % response.status_code)
    body = b"" if method == b"HEAD" else response.body
    assert written.partition(b"\r\n\r\n")[2] == body


def test_answers_of_pipelined_requests_keep_their_order() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await Response(scope["path"])(scope, receive, send)

    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: test\r\n\r\n" % n for n in range(3))
    sent = answered(app, requests).sent
    assert [part[-2:] for part in sent.split(b"HTTP/1.1 200")[1:]] == [b"/0", b"/1", b"/2"]


@given(st.lists(st.one_of(st.none(), st.binary(max_size=3))))
def test_all_is_written_in_order_and_one_piece_waits_at_most(
    pieces: Sequence[bytes | None],
) -> None:
    """A None lets the loop go on."""

    async def act(transport: JoiningTransport) -> None:
        recorded = cast(Recorded, transport._transport)
        given = b""
        last = b""
        for piece in pieces:
            if piece is None:
                await asyncio.sleep(0)
                assert recorded.sent == given
            else:
                transport.write(piece)
                given, last = given + piece, piece
                assert recorded.sent in (given, given.removesuffix(last))

    assert joining(act).sent == b"".join(piece or b"" for piece in pieces)


def test_a_close_writes_first_what_is_held() -> None:
    async def act(transport: JoiningTransport) -> None:
        transport.write(b"last")
        transport.close()
        assert transport.is_closing()

    assert joining(act).writes == [b"last"]


def test_nothing_is_written_after_an_abort() -> None:
    async def act(transport: JoiningTransport) -> None:
        transport.write(b"lost")
        transport.abort()

    assert not joining(act).writes
