"""What of an answer leaves the service in one write."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from fastapi import Response
from fastapi.responses import StreamingResponse
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


def test_blocks_of_a_long_answer_are_written_as_they_come() -> None:
    blocks = [b"%d" % number * 1000 for number in range(5)]

    async def pieces() -> AsyncIterator[bytes]:
        for block in blocks:
            yield block

    long = StreamingResponse(pieces(), headers={"content-length": "5000"})
    first, *others, last = answered(long, _REQUEST % b"GET").writes
    assert first.endswith(b"\r\n\r\n" + blocks[0])
    assert others == blocks[1:]
    assert not last


def test_an_answer_that_breaks_off_shows_its_head() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    recorded = answered(app, _REQUEST % b"GET")
    assert recorded.sent.startswith(b"HTTP/1.1 200 ")
    assert recorded.is_closing()


def test_a_client_that_waits_to_send_its_body_is_told_to_go_on_at_once() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await Response("one")(scope, receive, send)

    head = b"POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    go_on, answer = answered(app, head + b"x").writes
    assert go_on.startswith(b"HTTP/1.1 100 ")
    assert answer.endswith(b"\r\n\r\none")


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from([b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 503 No\r\n\r\n"]),
            st.lists(st.binary(max_size=3)),
        )
    ),
)
def test_all_is_written_in_order(answers: Sequence[tuple[bool, bytes, Sequence[bytes]]]) -> None:
    recorded = Recorded()
    transport = JoiningTransport(recorded)
    expected = b""
    for is_asked_to_go_on, head, body in answers:
        if is_asked_to_go_on:
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            expected += b"HTTP/1.1 100 Continue\r\n\r\n"
            assert recorded.sent == expected
        for piece in (head, *body):
            transport.write(piece)
            expected += piece
        assert recorded.sent == (expected if body else expected.removesuffix(head))
        transport.end_answer()
        assert recorded.sent == expected


def test_a_close_sends_first_what_is_held() -> None:
    recorded = Recorded()
    transport = JoiningTransport(recorded)
    transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
    assert not recorded.sent
    transport.close()
    assert recorded.writes == [b"HTTP/1.1 200 OK\r\n\r\n"]
    assert recorded.is_closing()
