"""Keeps exactly one follower running, in one of the service's workers."""

import fcntl
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from inference.telemetry.metrics import SHARED_METRICS

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_LONGEST_PAUSE = 30.0
_PATIENCE = 5.0


class FollowerSupervisor:
    """Runs the follower in the worker that holds the store's lock.

    When that worker ends, the lock is released and another worker takes over.
    """

    def __init__(self, root: Path) -> None:
        self._lock = root / "follower.lock"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="follower", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop the follower if it runs here, and wait until it has ended."""
        self._stopped.set()
        self._thread.join(_PATIENCE + 1)

    def _supervise(self) -> None:
        pause = _RETRY_SECONDS
        while not self._stopped.is_set():
            try:
                lock = self._lock.open("w")
            except OSError as error:
                log.error("The follower's lock can't be made: %s", error)
                self._stopped.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            with lock:
                if self._acquire(lock):
                    self._keep_running()

    def _acquire(self, lock: IO[str]) -> bool:
        while not self._stopped.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._stopped.wait(_RETRY_SECONDS)
            else:
                return True
        return False

    def _keep_running(self) -> None:
        pause = _RETRY_SECONDS
        while not self._stopped.is_set():
            try:
                follower = _begin()
            except OSError:
                log.exception("The follower can't be started")
                self._stopped.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            while follower.poll() is None and not self._stopped.wait(0.5):
                pass
            if self._stopped.is_set():
                _end(follower)
                return
            log.error("The follower ended with %s; it is restarted", follower.returncode)
            self._stopped.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _begin() -> "subprocess.Popen[bytes]":
    # Keep the follower out of the workers' metrics.
    environment = {name: value for name, value in os.environ.items() if name != SHARED_METRICS}
    return subprocess.Popen(
        [sys.executable, "-m", "inference.follower"], stdin=subprocess.PIPE, env=environment
    )


def _end(follower: subprocess.Popen[bytes]) -> None:
    if follower.stdin is not None:
        follower.stdin.close()
    try:
        follower.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        follower.kill()
        follower.wait()
