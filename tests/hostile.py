"""Requests made to exhaust the inference service, and a load of them beside honest clients."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import cycle
from urllib.parse import urlsplit

SIZE = 32_000_000
"""Bytes of the longest body that the service takes by default."""

_PATIENCE = 30.0
_PART = 256_000

JSON = "application/json"
CSV = "text/csv"


@dataclass(frozen=True)
class Body:
    """One body: its route, its content type, and what it is made of."""

    path: str
    kind: str
    head: bytes
    repeated: bytes
    tail: bytes

    def make(self, size: int = SIZE, most: int = SIZE) -> bytes:
        """Return the body, of `size` bytes and `most` repetitions at most."""
        times = min(most, (size - len(self.head) - len(self.tail)) // len(self.repeated))
        return self.head + self.repeated * times + self.tail


def _batch(head: bytes, repeated: bytes, tail: bytes) -> Body:
    return Body("/predict/batch", JSON, head, repeated, tail)


def _invocation(head: bytes, repeated: bytes, tail: bytes) -> Body:
    return Body("/invocations", JSON, head, repeated, tail)


def _csv(head: bytes, repeated: bytes, tail: bytes = b"") -> Body:
    return Body("/predict/batch", CSV, head, repeated, tail)


FOUR: Mapping[str, Body] = {
    "empty rows": _batch(b'{"features":[', b"[],", b"[]]}"),
    "small objects": _batch(b'{"features":[', b'{"":0},', b"{}]}"),
    "nested rows": _batch(b'{"features":[', b"[[]],", b"[]]}"),
    "endless line": _csv(b"", b"ab,"),
}
"""Each needed 1 to 2 GB to be read, when rows were counted after they were made."""

_ROW = b"3000,45,10,100,20,200,220,230,180,150"
_EMOJI = "\N{EVERGREEN TREE}".encode()

MORE: Mapping[str, Body] = {
    "scalars": _batch(b'{"features":[', b"0,", b"0]}"),
    "fractions": _batch(b'{"features":[', b"0.5,", b"0]}"),
    "one long row": _batch(b'{"features":[[', b"0,", b"0]]}"),
    "one long string": _batch(b'{"features":[["' + _EMOJI, b"a", b'"]]}'),
    "one escaped string": _batch(b'{"features":[["', b"a", b'\\ud83c\\udf32"]]}'),
    "rows of strings": _batch(b'{"features":[', b'["","","","","","","","","","","",""],', b"[]]}"),
    "one object of many keys": _batch(b'{"features":[{', b'"":0,', b'"":0}]}'),
    "deep lists": _batch(b'{"features":', b"[", b""),
    "deep objects": _batch(b'{"features":', b'{"":', b""),
    "many other keys": _batch(b"{", b'"":0,', b'"features":[]}'),
    "an ignored list": _batch(b'{"a":[', b"[],", b'[]],"features":[]}'),
    "not a number": _batch(b'{"features":[', b"NaN,", b"0]}"),
    "no end": _batch(b'{"features":[', b"[],", b""),
    "white space": _batch(b'{"features":[', b" ", b"[]]}"),
    "instances": _invocation(b'{"instances":[', b"[],", b"[]]}"),
    "records": _invocation(b'{"dataframe_records":[', b'{"":0},', b"{}]}"),
    "split": _invocation(b'{"dataframe_split":{"data":[', b"[],", b"[]]}}"),
    "split columns": _invocation(b'{"dataframe_split":{"columns":[', b"[],", b'[]],"data":[[]]}}'),
    "inputs": _invocation(b'{"inputs":[', b"[[]],", b"[]]}"),
    "inputs of one column": _invocation(b'{"inputs":{"Elevation":[', b"[],", b"[]]}}"),
    "inputs of many columns": _invocation(b'{"inputs":{', b'"":0,', b'"":0}}'),
    "many formats": _invocation(b"{", b'"":[],', b'"instances":[]}'),
    "endless names": _csv(b"Elevation", b",ab"),
    "endless cell": _csv(b"", b"a"),
    "commas": _csv(b"", b","),
    "no newline after semicolons": _csv(b"", b"1;"),
    "quote without end": _csv(b'"', b"a\n"),
    "quotes over lines": _csv(b'"', b'\n",' + b"a," * 64 + b'"'),
    "empty lines": _csv(b"", b"\n"),
    "old lines": _csv(b"", b"\r1"),
    "lines of many cells": _csv(b"", b"1," * 30_000 + b"\n"),
    "trees": _csv(_EMOJI, b"a,b\n"),
    "rows under old lines": _csv(b"", _ROW + b",Rawah,C7745\r"),
    "long names": _csv(b"", _ROW + b"," + b"a" * 50 + b"," + b"b" * 50 + b"\n"),
}
"""Other ways to make much of a body: the same limits hold."""


@dataclass
class Seen:
    """What a load saw: latencies of the clients in seconds, their failures, and statuses."""

    latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    hostile: Counter[str] = field(default_factory=Counter)

    @property
    def p99(self) -> float:
        """The 99th percentile of the latencies, in seconds."""
        return sorted(self.latencies)[int(len(self.latencies) * 0.99)]


def attack(
    address: str, observation: bytes, seconds: float, clients: int = 32, attackers: int = 0
) -> Seen:
    """Ask on connections of `clients` for `seconds`, while `attackers` send the four bodies.

    Parameters
    ----------
    address : str
        The service, as http://host:port.
    observation : bytes
        The body that the clients send to `/predict`, each again as soon as it is answered.
    seconds : float
        How long.
    clients, attackers : int
        How many of each there are at once.
    """
    parts = urlsplit(address)
    return asyncio.run(
        _attack(parts.hostname or "", parts.port or 80, observation, seconds, clients, attackers)
    )


async def _attack(
    host: str, port: int, observation: bytes, seconds: float, clients: int, attackers: int
) -> Seen:
    seen = Seen()
    until = time.monotonic() + seconds
    bodies = [_request(body.path, body.kind, body.make()) for body in FOUR.values()]
    one = _request("/predict", JSON, observation)
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(_ask(host, port, one, until, seen))
        for number in range(attackers):
            group.create_task(
                _send(host, port, bodies[number % 4 :] + bodies[: number % 4], until, seen)
            )
    return seen


def _request(path: str, kind: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _answer(reader: asyncio.StreamReader) -> str:
    """Read one answer; return its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length:")[2].split("\r\n", 1)[0])
    await reader.readexactly(length)
    return head.split()[1]


async def _ask(host: str, port: int, request: bytes, until: float, seen: Seen) -> None:
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection(host, port)
            try:
                while (begun := time.monotonic()) < until:
                    writer.write(request)
                    async with asyncio.timeout(_PATIENCE):
                        status = await _answer(reader)
                    if status == "200":
                        seen.latencies.append(time.monotonic() - begun)
                    else:
                        seen.failures[status] += 1
            finally:
                writer.close()
        except (OSError, EOFError, TimeoutError) as error:
            seen.failures[type(error).__name__] += 1
            await asyncio.sleep(0.1)


async def _send(host: str, port: int, requests: list[bytes], until: float, seen: Seen) -> None:
    for request in cycle(requests):
        if time.monotonic() > until:
            return
        try:
            reader, writer = await asyncio.open_connection(host, port)
            # Read meanwhile: it may be refused before its end, and then be cut off.
            answer = asyncio.create_task(_answer(reader))
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            try:
                async with asyncio.timeout(_PATIENCE):
                    for start in range(0, len(request), _PART):
                        writer.write(request[start : start + _PART])
                        await writer.drain()
                    seen.hostile[await answer] += 1
            finally:
                answer.cancel()
                writer.close()
        except (OSError, EOFError, TimeoutError) as error:
            # It was refused while it was still sending.
            seen.hostile[type(error).__name__] += 1
            await asyncio.sleep(0.05)
