"""Bodies as they arrive: each in bounded time, all together in bounded memory.

Who sends slowly holds no place among the batches. When there is no room for more, the slowest body
is given up: many who send slowly can't keep out one who does not.
"""

import asyncio
from typing import Self

from fastapi import Request
from starlette.requests import ClientDisconnect

from inference.api.bodies import Body
from inference.api.errors import BodyTooLong, BodyTooSlow, UploadGivenUp


class Upload:
    """One body; what it holds takes room until it is dropped, by the end of `with` at last."""

    __slots__ = ("_uploads", "begun", "content", "given_up", "is_counted", "timeout")

    def __init__(self, uploads: "Uploads", seconds: float) -> None:
        self.content: Body = b""
        self.given_up = False
        self.is_counted = False
        self.timeout = asyncio.timeout(seconds)
        self.begun = 0.0
        self._uploads = uploads

    def rate(self, now: float) -> float:
        """Return how many bytes a second arrived."""
        return len(self.content) / (now - self.begun + 1e-3)

    def drop(self) -> None:
        """Let go of what it holds."""
        if self.is_counted:
            self._uploads.forget(self)
        self.content = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()


class Uploads:
    """The bodies that arrive, and those that have and were not dropped yet.

    Parameters
    ----------
    room : int
        How many bytes they may hold together. What arrives in one piece is not counted.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._held = 0
        self._arriving: set[Upload] = set()

    async def receive(self, request: Request, most: int, seconds: float) -> Upload:
        """Receive a request's body.

        Raises
        ------
        BodyTooLong
            If it has more than `most` bytes.
        BodyTooSlow
            If it takes more than `seconds` to arrive.
        UploadGivenUp
            If there is no room for all that arrive, and this one is the slowest.
        """
        upload = Upload(self, seconds)
        try:
            async with upload.timeout:
                more = True
                while more:
                    message = await request.receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    if upload.given_up:
                        raise UploadGivenUp
                    chunk: bytes = message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(upload.content) + len(chunk) > most:
                        raise BodyTooLong(most)
                    if more or upload.is_counted:
                        self._add(upload, chunk)
                    else:
                        upload.content = chunk
        except TimeoutError:
            upload.drop()
            raise (UploadGivenUp() if upload.given_up else BodyTooSlow(seconds)) from None
        except BaseException:
            upload.drop()
            raise
        self._arriving.discard(upload)
        return upload

    def _add(self, upload: Upload, chunk: bytes) -> None:
        now = asyncio.get_running_loop().time()
        if not upload.is_counted:
            upload.is_counted = True
            self._arriving.add(upload)
            upload.begun = now
            upload.content = bytearray()
        upload.content += chunk
        self._held += len(chunk)
        while self._held > self._room and self._arriving:
            slowest = min(self._arriving, key=lambda one: one.rate(now))
            slowest.given_up = True
            slowest.drop()
            if slowest is upload:
                raise UploadGivenUp
            slowest.timeout.reschedule(now)

    def forget(self, upload: Upload) -> None:
        """Count an upload no more."""
        upload.is_counted = False
        self._arriving.discard(upload)
        self._held -= len(upload.content)
