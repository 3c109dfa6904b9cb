"""Encodes answers and errors as responses."""

import json
from collections.abc import AsyncIterator, Mapping

import msgspec
from fastapi import Response
from fastapi.responses import StreamingResponse

from covertype.answers import ErrorAnswer, InvalidAnswer

JSON = "application/json"

_BLOCK = 64_000

encode = msgspec.json.Encoder().encode
"""Encodes an answer, which is a struct of `covertype.answers`, as JSON."""


def answer_response(answer: msgspec.Struct, status: int = 200) -> Response:
    """Return a response with a short answer."""
    return Response(encode(answer), status, media_type=JSON)


def json_response(content: bytes) -> Response:
    """Return a response that ends when the client has read all of it but a last block.

    Content that is handed over at once would count as sent while it waits in memory for the client.
    """
    if len(content) <= _BLOCK:
        return Response(content, media_type=JSON)
    length = {"Content-Length": str(len(content))}
    return StreamingResponse(_blocks(content), media_type=JSON, headers=length)


async def _blocks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _BLOCK):
        yield content[start : start + _BLOCK]


def error_response(
    answer: ErrorAnswer | InvalidAnswer, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with an error."""
    # ASCII: a message may quote text of the client that is not valid Unicode.
    return Response(json.dumps(msgspec.to_builtins(answer)), status, headers, JSON)
