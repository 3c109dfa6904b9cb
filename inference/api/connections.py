"""Connections with limits: `uvicorn … --http inference.api.connections:Connection`.

uvicorn itself waits forever for the head of a request, and for a client to read its answer. One
task checks all connections every second or more often, so that requests need no timers.
"""

import asyncio
import logging
import resource
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from inference.api.transport import JoiningTransport
from inference.settings import ServingSettings

log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 16_000
"""Bytes that may arrive without completing a head or adding to a body."""

MAX_HEADERS = 100
MAX_PIPELINED = 16
"""Requests that one read may contain before the first of them is answered."""

_LONGEST_PAUSE = 1.0
_OTHER_OPEN_FILES = 100


class Connections:
    """The connections of one worker, and their limits.

    Parameters
    ----------
    settings : ServingSettings
        At most `max_connections` are open, or fewer if the limit of open files is lower.
    """

    STATE = "connections"
    """The key of the lifespan state under which a connection finds this object."""

    def __init__(self, settings: ServingSettings) -> None:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._limit = min(settings.max_connections, max(1, files - _OTHER_OPEN_FILES))
        self._idle_seconds = settings.idle_timeout_seconds
        self._answer_seconds = settings.answer_timeout_seconds
        self._open: set[Connection] = set()

    def add(self, connection: "Connection") -> bool:
        """Add a connection; return False if there are too many."""
        if len(self._open) >= self._limit:
            return False
        self._open.add(connection)
        return True

    def remove(self, connection: "Connection") -> None:
        self._open.discard(connection)

    async def watch(self) -> None:
        """Close the connections that take too long, until cancelled."""
        loop = asyncio.get_running_loop()
        pause = min(_LONGEST_PAUSE, self._idle_seconds / 4, self._answer_seconds / 4)
        while True:
            await asyncio.sleep(pause)
            now = loop.time()
            for connection in tuple(self._open):
                try:
                    connection.enforce_limits(now, self._idle_seconds, self._answer_seconds)
                except Exception:
                    log.exception("The limits of a connection can't be enforced")


class Connection(HttpToolsProtocol):
    """A uvicorn connection within the limits of its `Connections`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._all: Connections = self.app_state[Connections.STATE]
        self._wasted_bytes = 0
        self._seen: object = None
        self._idle_since: float | None = None
        self._unread_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self._joining = JoiningTransport(cast(asyncio.Transport, transport))
        super().connection_made(cast(asyncio.Transport, self._joining))
        if not self._all.add(self):
            self._reject(b"503 Service Unavailable", b"Too many connections", b"retry-after: 5\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        held = 0 if before is None else len(before.body)
        super().data_received(data)
        if self.cycle is not before:
            self._wasted_bytes = 0
            if len(self.pipeline) > MAX_PIPELINED:
                self.transport.abort()
            elif len(data) > MAX_HEAD_BYTES and self._head_bytes() > MAX_HEAD_BYTES:
                self._reject_head()
        elif before is not None and (len(before.body) > held or self._is_unread_rest(before)):
            self._wasted_bytes = 0
        else:
            self._wasted_bytes += len(data)
        if self._wasted_bytes > MAX_HEAD_BYTES or (
            self.headers and len(self.headers) > MAX_HEADERS
        ):
            self._reject_head()

    def on_response_complete(self) -> None:
        self._joining.end_answer()
        super().on_response_complete()

    def _is_unread_rest(self, cycle: RequestResponseCycle) -> bool:
        """Return whether the bytes are the rest of a body whose request is already answered."""
        return cycle.response_complete and cycle.more_body and "method" in self.scope

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _should_upgrade(self) -> bool:
        # The service has no WebSockets; they would escape the limits.
        return False

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: the request is answered as a plain one."""

    def enforce_limits(self, now: float, idle_seconds: float, answer_seconds: float) -> None:
        """Close the connection if its client has taken too long."""
        if self.cycle is not self._seen:
            self._seen = self.cycle
            self._idle_since = self._unread_since = None
        if self.transport.get_write_buffer_size():
            self._idle_since = None
            self._unread_since = self._unread_since or now
            if now - self._unread_since > answer_seconds:
                self.transport.abort()
            return
        self._unread_since = None
        is_answered = self.cycle is None or self.cycle.response_complete
        if not is_answered or self.timeout_keep_alive_task is not None:
            self._idle_since = None
            return
        self._idle_since = self._idle_since or now
        if now - self._idle_since > idle_seconds:
            self.transport.close()

    def _reject_head(self) -> None:
        self._reject(b"431 Request Header Fields Too Large", b"The head is too long")

    def _reject(self, status: bytes, sentence: bytes, headers: bytes = b"") -> None:
        if not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 %s\r\ncontent-type: text/plain; charset=utf-8\r\n%s"
                b"content-length: %d\r\nconnection: close\r\n\r\n%s"
                % (status, headers, len(sentence), sentence)
            )
            self.transport.close()
