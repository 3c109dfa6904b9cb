"""The transport of a connection, which sends a short answer whole."""

import asyncio
from typing import Any

_CONTINUE = b"HTTP/1.1 100 "


class JoiningTransport:
    """A transport that sends the head of an answer in one write with the first of its body.

    uvicorn writes them apart. If a service is killed in between, a gateway has passed on the head
    and can't ask another replica. All that follows is written as it comes.
    """

    __slots__ = ("_held", "_is_answering", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""
        self._is_answering = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        elif self._is_answering or data.startswith(_CONTINUE):
            self._transport.write(data)
        else:
            self._held = data
            self._is_answering = True

    def end_answer(self) -> None:
        """Send a head that no body followed; what is written next is the head of another answer."""
        if self._held:
            self.write(b"")
        self._is_answering = False

    def close(self) -> None:
        self.end_answer()
        self._transport.close()
