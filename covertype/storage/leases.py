"""Locks in a bucket: leases that their holders renew, since S3 does not notice that a process ends.

A lock is a folder of numbered objects. Whoever creates the next number by `If-None-Match` holds the
lock, and renews its object every few seconds. If the highest object says that it was given back, or
has not changed for `LEASE_SECONDS` by the watch of the one who waits, the next number may be taken.
The highest object is never removed, so a number is never used twice. Clocks are not compared.

A holder that was stopped for longer than its lease and then goes on does not notice: what is
written under a lock must be such that the next run mends it, or be created by `If-None-Match`.
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

log = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
_RENEW_SECONDS = 8.0
_PAUSE_SECONDS = 0.2
_FREE = b"free"


class Objects(Protocol):
    """What a lock needs of a bucket; see `covertype.storage.s3.Bucket`."""

    @property
    def url(self) -> str: ...

    def at(self, folder: str) -> "Objects": ...

    def etags(self) -> dict[str, str]: ...

    def read(self, name: str) -> bytes: ...

    def create(self, name: str, content: bytes) -> bool: ...

    def write(self, name: str, content: bytes) -> None: ...

    def remove(self, name: str) -> None: ...


@contextmanager
def leased(store: Objects, name: str, seconds: float) -> Iterator[None]:
    """Hold the lock of a name.

    Raises
    ------
    Busy
        If another process holds it for longer than `seconds`.
    """
    objects = store.at(name)
    who = f"process {os.getpid()} on {socket.gethostname()} ({uuid4().hex})"
    number = _acquire(objects, who, seconds)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(objects, number, who, ended), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        _give_back(objects, number)


def _acquire(objects: Objects, who: str, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    watched, since = "", 0.0
    while True:
        etags = objects.etags()
        highest = max(etags, default="")
        if etags.get(highest, "") != watched:
            watched, since = etags[highest], time.monotonic()
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
    numbers = sorted(objects.etags())
    if numbers[-1] != number:
        objects.remove(number)
        return False
    for former in numbers[:-1]:
        objects.remove(former)
    return True


def _renew(objects: Objects, number: str, who: str, ended: threading.Event) -> None:
    beats = 0
    while not ended.wait(_RENEW_SECONDS):
        beats += 1
        try:
            objects.write(number, f"{who}, renewed {beats} times".encode())
        except OSError as error:
            log.warning("The lease of %s can't be renewed: %s", objects.url, error)


def _give_back(objects: Objects, number: str) -> None:
    try:
        objects.write(number, _FREE)
    except OSError as error:
        # The work under the lock is done; the next one waits until the lease ends.
        log.warning("The lock of %s can't be given back: %s", objects.url, error)


def _holder(objects: Objects, number: str) -> str:
    return _content(objects, number).decode(errors="replace").partition(" (")[0]


def _content(objects: Objects, number: str) -> bytes:
    try:
        return objects.read(number)
    except FileNotFoundError:
        # Whoever took the next number has removed it.
        return b""
