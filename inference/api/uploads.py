"""Receives request bodies: each in bounded time, all together in bounded memory.

A slow upload does not take the place of a batch. When memory runs out, the slowest upload is
aborted, so that many slow clients can't keep out a fast one.
"""

import asyncio
from typing import Self

from fastapi import Request
from starlette.requests import ClientDisconnect

from inference.api.bodies import Body
from inference.api.errors import BodyTooLong, BodyTooSlow, UploadAborted


class Upload:
    """One body. It counts against the memory limit until it is dropped, at the latest by `with`."""

    __slots__ = ("_uploads", "aborted", "begun", "content", "is_counted", "timeout")

    def __init__(self, uploads: "Uploads", seconds: float) -> None:
        self.content: Body = b""
        self.aborted = False
        self.is_counted = False
        self.timeout = asyncio.timeout(seconds)
        self.begun = 0.0
        self._uploads = uploads

    def rate(self, now: float) -> float:
        """Return the bytes received per second."""
        return len(self.content) / (now - self.begun + 1e-3)

    def drop(self) -> None:
        """Free the content."""
        if self.is_counted:
            self._uploads.forget(self)
        self.content = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()


class Uploads:
    """The bodies that are arriving, and those that have arrived and are not dropped yet.

    Parameters
    ----------
    limit : int
        How many bytes they may hold together. A body that arrives in one piece does not count.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._arriving: set[Upload] = set()

    async def receive(self, request: Request, limit: int, seconds: float) -> Upload:
        """Receive the body of a request.

        Raises
        ------
        BodyTooLong
            If it has more than `limit` bytes.
        BodyTooSlow
            If it takes more than `seconds` to arrive.
        UploadAborted
            If the bodies need too much memory together, and this one is the slowest.
        """
        upload = Upload(self, seconds)
        try:
            async with upload.timeout:
                more = True
                while more:
                    message = await request.receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    if upload.aborted:
                        raise UploadAborted
                    chunk: bytes = message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(upload.content) + len(chunk) > limit:
                        raise BodyTooLong(limit)
                    if more or upload.is_counted:
                        self._add(upload, chunk)
                    else:
                        upload.content = chunk
        except TimeoutError:
            upload.drop()
            raise (UploadAborted() if upload.aborted else BodyTooSlow(seconds)) from None
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
        while self._held > self._limit and self._arriving:
            slowest = min(self._arriving, key=lambda one: one.rate(now))
            slowest.aborted = True
            slowest.drop()
            if slowest is upload:
                raise UploadAborted
            slowest.timeout.reschedule(now)

    def forget(self, upload: Upload) -> None:
        """Stop counting an upload."""
        upload.is_counted = False
        self._arriving.discard(upload)
        self._held -= len(upload.content)
