"""Locks in a bucket: leases that their holders renew, since S3 does not notice that a process ends.

A lock is a folder of numbered objects. Whoever creates the next number by `If-None-Match` holds the
lock, and renews its object every few seconds. If the highest object says that it was given back, or
has not changed for `LEASE_SECONDS` by the watch of the one who waits, the next number may be taken.
The highest object is never removed, so a number is never used twice. Clocks are not compared, and
what nobody saw, as the server was away, counts for nobody.

A holder that was stopped for longer than its lease, and then goes on, notices only at the end: what
is written under a lock must be such that the next run mends it, or be created by `If-None-Match`.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from uuid import uuid4

from covertype.atomic import Busy
from covertype.storage.store import Unavailable

log = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
_RENEW_SECONDS = 8.0
_AGAIN_SECONDS = 1.0
_PAUSE_SECONDS = 0.2
_BLIND_SECONDS = 4.0
"""A look at a lock that takes longer says nothing about the time before it."""
_FREE = b"free"


class Objects(Protocol):
    """What a lock needs of a bucket; see `covertype.storage.s3.Bucket`."""

    @property
    def url(self) -> str: ...

    def at(self, folder: str) -> "Objects": ...

    def etags(self) -> dict[str, str]: ...

    def read(self, name: str) -> bytes: ...

    def create(self, name: str, content: bytes) -> bool: ...

    def write_soon(self, name: str, content: bytes) -> None: ...

    def remove(self, name: str) -> None: ...


@contextmanager
def leased(store: Objects, name: str, seconds: float) -> Iterator[None]:
    """Hold the lock of a name.

    Raises
    ------
    Busy
        If another process holds it for longer than `seconds`.
    Unavailable
        At the end, if it was lost meanwhile: another process may have held it too.
    """
    objects = store.at(name)
    who = f"process {os.getpid()} on {socket.gethostname()} ({uuid4().hex})"
    lease = _Lease(objects, _acquire(objects, who, seconds), who)
    lease.start()
    try:
        yield
    finally:
        lease.end()
    if lease.lost:
        raise Unavailable(
            f"the lock of {objects.url} was lost while it was held, as its server was away or this "
            "process was stopped: run it again, which mends what another process wrote meanwhile"
        )


def _acquire(objects: Objects, who: str, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    watched, since = "", 0.0
    while True:
        looked = time.monotonic()
        etags = _numbers(objects)
        highest = max(etags, default="")
        was_blind = time.monotonic() - looked > _BLIND_SECONDS
        if etags.get(highest, "") != watched or was_blind:
            watched, since = etags.get(highest, ""), time.monotonic()
        if not highest or _is_free(objects, highest, since):
            number = f"{int(highest or 0) + 1:012d}"
            if objects.create(number, who.encode()) and _is_highest(objects, number):
                return number
        if time.monotonic() > deadline:
            raise Busy(
                f"{objects.url} has been locked for {seconds:g} s by {_holder(objects, highest)}: "
                "wait until that process is done, or end it"
            )
        time.sleep(_PAUSE_SECONDS)


def _is_free(objects: Objects, number: str, since: float) -> bool:
    if time.monotonic() - since > LEASE_SECONDS:
        log.warning("The lease of %s has ended: its holder is gone", objects.url)
        return True
    return _content(objects, number) == _FREE


def _is_highest(objects: Objects, number: str) -> bool:
    """Tell whether a created number is the lock; remove those that it replaces, or itself.

    It is not if it was created after a long pause: others had the lock since, and removed the
    number that this one followed.
    """
    numbers = sorted(_numbers(objects))
    if numbers[-1] != number:
        objects.remove(number)
        return False
    for former in numbers[:-1]:
        objects.remove(former)
    return True


class _Lease:
    """A lock that is held, and the thread that renews it."""

    def __init__(self, objects: Objects, number: str, who: str) -> None:
        self.lost = False
        self._objects = objects
        self._number = number
        self._who = who
        self._ended = threading.Event()
        self._renewed = time.monotonic()
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    def start(self) -> None:
        self._renewing.start()

    def end(self) -> None:
        """Give the lock back; without the server, the next one waits until the lease ends."""
        self._ended.set()
        self._renewing.join()
        self._check()
        try:
            self._objects.write_soon(self._number, _FREE)
        except OSError as error:
            log.warning("The lock of %s can't be given back: %s", self._objects.url, error)

    def _renew(self) -> None:
        beats, pause = 0, _RENEW_SECONDS
        while not self._ended.wait(pause):
            self._check()
            beats += 1
            try:
                content = f"{self._who}, renewed {beats} times".encode()
                self._objects.write_soon(self._number, content)
                self._renewed, pause = time.monotonic(), _RENEW_SECONDS
            except OSError as error:
                pause = _AGAIN_SECONDS
                log.warning("The lease of %s can't be renewed: %s", self._objects.url, error)

    def _check(self) -> None:
        self.lost = self.lost or time.monotonic() - self._renewed > LEASE_SECONDS


def _numbers(objects: Objects) -> dict[str, str]:
    return {name: etag for name, etag in objects.etags().items() if name.isdecimal()}


def _holder(objects: Objects, number: str) -> str:
    return _content(objects, number).decode(errors="replace").partition(" (")[0]


def _content(objects: Objects, number: str) -> bytes:
    try:
        return objects.read(number)
    except FileNotFoundError:
        # Whoever took the next number has removed it.
        return b""
