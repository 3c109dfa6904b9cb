"""The transport of a connection, which sends a short answer whole."""

import asyncio
from typing import Any


class JoiningTransport:
    """A transport that sends the head of an answer in one write with the body that follows at once.

    uvicorn writes them apart. If a service is killed in between, a gateway has passed on the head
    and can't ask another replica.
    """

    __slots__ = ("_call_soon", "_held", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send data with what is held, or hold it until the loop has done what is due now."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        else:
            self._held = data
            self._call_soon(self._release)

    def close(self) -> None:
        self._release()
        self._transport.close()

    def _release(self) -> None:
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)
