"""A load generator: each connection sends its next request when it has the response.

It speaks just enough HTTP/1.1 to keep a fast server busy from one core. A request without a
response of status 200 counts as failed. Run as `python -m benchmarks.client`; prints JSON.
"""

import argparse
import asyncio
import json
import resource
import signal
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
import uvloop

_CONNECT_TRIES = 20
_PATIENCE = 120.0


@dataclass(frozen=True)
class Result:
    """The result of one run; latencies in milliseconds."""

    connections: int
    requests: int
    failures: int
    seconds: float
    p50: float
    p99: float
    mean: float
    longest: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


class _Connection(asyncio.Protocol):
    def __init__(self, run: "_Run", number: int) -> None:
        self._run = run
        self._number = number
        self._buffer = b""
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None
        self.first_answer = asyncio.Event()
        self._answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._run.open += 1

    @property
    def is_open(self) -> bool:
        """Whether it got a first response and is still open."""
        return self._answered and self._transport is not None and not self._transport.is_closing()

    def ask(self) -> None:
        # The server may have closed it as idle while others were opened.
        if self._transport is None or self._transport.is_closing():
            return
        requests = self._run.requests
        self._sent = time.perf_counter()
        self._transport.write(requests[self._number % len(requests)])
        self._number += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lower = self._buffer[:head].lower()
        length = int(lower.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if len(self._buffer) < head + 4 + length:
            return
        now = time.perf_counter()
        self._answered = True
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            self._run.failures += 1
        elif self.first_answer.is_set():
            self._run.latencies.append(now - self._sent)
        self._buffer = b""
        self._sent = 0.0
        if not self.first_answer.is_set():
            self.first_answer.set()
        elif now < self._run.deadline and len(self._run.latencies) < self._run.limit:
            self.ask()
        else:
            self._close()

    def _close(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self._sent:
            self._run.failures += 1
        self.first_answer.set()
        self._run.open -= 1
        if self._run.open == 0:
            self._run.finished.set()


class _Run:
    def __init__(
        self, requests: list[bytes], seconds: float, limit: int, tls: ssl.SSLContext | None
    ) -> None:
        self.requests = requests
        self.tls = tls
        self.seconds = seconds
        self.limit = limit
        self.deadline = 0.0
        self.latencies: list[float] = []
        self.failures = 0
        self.open = 0
        self.finished = asyncio.Event()

    def stop(self) -> None:
        self.seconds = self.deadline = 0.0

    async def connect(self, host: str, port: int, number: int) -> _Connection | None:
        loop = asyncio.get_running_loop()
        for attempt in range(_CONNECT_TRIES):
            try:
                _, made = await loop.create_connection(
                    lambda: _Connection(self, number), host, port, ssl=self.tls
                )
            except OSError:
                await asyncio.sleep(0.05 * (attempt + 1))
            else:
                return made
        self.failures += 1
        return None


async def load(
    host: str,
    port: int,
    requests: list[bytes],
    connections: int,
    seconds: float,
    limit: int,
    tls: ssl.SSLContext | None = None,
) -> Result:
    """Open the connections, then send requests on all of them until the time or `limit` is reached.

    A connection counts as open when it was answered once: until then it may only wait to be
    accepted. On SIGTERM none asks again: what was asked is waited for.
    """
    run = _Run(requests, seconds, limit, tls)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, run.stop)
    pace = asyncio.Semaphore(256)

    async def open_one(number: int) -> _Connection | None:
        async with pace:
            connection = await run.connect(host, port, number)
            if connection is not None:
                connection.ask()
                with suppress(TimeoutError):
                    await asyncio.wait_for(connection.first_answer.wait(), _PATIENCE)
            return connection

    made = await asyncio.gather(*(open_one(number) for number in range(connections)))
    opened = sum(connection is not None and connection.is_open for connection in made)
    start = time.perf_counter()
    run.deadline = start + run.seconds
    for connection in made:
        if connection is not None:
            connection.ask()
    if run.open == 0:
        run.finished.set()
    try:
        await asyncio.wait_for(run.finished.wait(), seconds + _PATIENCE)
    except TimeoutError:
        run.failures += run.open
    elapsed = time.perf_counter() - start
    latencies = np.array(run.latencies or [float("nan")]) * 1000
    return Result(
        connections=opened,
        requests=len(run.latencies),
        failures=run.failures,
        seconds=elapsed,
        p50=float(np.percentile(latencies, 50)),
        p99=float(np.percentile(latencies, 99)),
        mean=float(latencies.mean()),
        longest=float(latencies.max()),
    )


def http_request(
    path: str, body: bytes, host: str = "benchmark", headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a POST of JSON as it goes over the wire."""
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"{more}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main() -> None:
    """Run one load and print its result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("bodies", type=Path, help="a file of JSON bodies, one a line")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--limit", type=int, default=10**9, help="stop after this many responses")
    given = parser.parse_args()
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    requests = [
        http_request(given.path, line) for line in given.bodies.read_bytes().splitlines() if line
    ]
    result = uvloop.run(
        load("127.0.0.1", given.port, requests, given.connections, given.seconds, given.limit)
    )
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
