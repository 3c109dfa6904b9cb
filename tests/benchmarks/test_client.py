"""The load generator tells what was answered from what was not."""

import asyncio
import os
import signal
from collections.abc import Callable

import pytest
import uvloop

from benchmarks import client
from benchmarks.client import Result, http_request, load

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BAD = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}"
CLOSE = b""

REQUESTS = [http_request("/predict", body) for body in (b'{"a": 1}', b'{"a": 2}')]


def result_of(answer: Callable[[int], bytes], connections: int = 4, limit: int = 40) -> Result:
    """Ask a server whose answers depend on how many it gave before."""

    async def measure() -> Result:
        served = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal served
            while True:
                try:
                    head = await reader.readuntil(b"\r\n\r\n")
                except (asyncio.IncompleteReadError, ConnectionError):
                    break
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                content = answer(served)
                served += 1
                if not content:
                    break
                # In two parts, as a network may bring it.
                writer.write(content[:20])
                await asyncio.sleep(0)
                writer.write(content[20:])
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await load("127.0.0.1", port, REQUESTS, connections, 30, limit)

    return uvloop.run(measure())


def test_every_answer_is_counted_with_its_latency() -> None:
    result = result_of(lambda _: GOOD)
    assert result.failures == 0
    assert result.connections == 4
    assert 40 <= result.requests < 44
    assert 0 < result.p50 <= result.p99 <= result.longest
    assert result.per_second == pytest.approx(result.requests / result.seconds)


def test_an_answer_that_is_not_200_is_a_failure() -> None:
    result = result_of(lambda served: BAD if served in (10, 20, 30) else GOOD)
    assert result.failures == 3
    assert result.requests >= 40


def test_a_connection_that_is_closed_before_the_answer_is_a_failure() -> None:
    result = result_of(lambda served: CLOSE if served == 10 else GOOD)
    assert result.failures == 1
    assert result.requests >= 40


def test_a_server_that_refuses_connections_is_a_failure_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "_CONNECT_TRIES", 2)
    result = uvloop.run(load("127.0.0.1", 9, REQUESTS, 2, 1, 10))
    assert (result.connections, result.requests, result.failures) == (0, 0, 2)


def test_a_load_that_is_ended_waits_for_what_was_asked() -> None:
    def answer(served: int) -> bytes:
        if served == 20:
            os.kill(os.getpid(), signal.SIGTERM)
        return GOOD

    result = result_of(answer, limit=10**9)
    assert result.failures == 0
    assert 10 <= result.requests < 40
    assert result.seconds < 10
