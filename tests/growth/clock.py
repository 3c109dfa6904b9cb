"""The clock of a platform's processes, which a test sets by whole days as a person might.

libfaketime tells every process of the platform another time of day, while their monotonic clock
goes on, as it does when a real clock is set. The kernel knows nothing of it, so the files that are
written meanwhile get the time that they would have got.
"""

import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

DAY_SECONDS = 86_400

_LIBRARY = Path("vendor") / "libfaketime" / "src" / "libfaketime.so.1"
_STAMP_SECONDS = 0.2
_NOTICED_SECONDS = 2
"""Each process reads the setting anew when a second is over."""


class Clock:
    """A clock that is right, or whole days ahead or behind, while it is open.

    Parameters
    ----------
    file : Path
        Where the processes read how far it is off.
    folders : sequence of Path
        Where files are stamped by it.
    """

    def __init__(self, file: Path, folders: Sequence[Path]) -> None:
        self.days = 0
        self._file = file
        self._folders = folders
        self._since = time.time_ns()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._stamping = threading.Thread(target=self._stamp_often, daemon=True)
        self._write(0)

    def __enter__(self) -> Self:
        self._check()
        self._stamping.start()
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._stamping.join()

    @property
    def environment(self) -> dict[str, str]:
        """What gives a process, and those that it starts, this clock."""
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "0",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # A file keeps the time that it got, however the clock is set later.
            "NO_FAKE_STAT": "1",
        }

    def set(self, days: int) -> None:
        """Set the clock, and return when every process has noticed."""
        with self._lock:
            self._stamp()
            self._write(days)
            self.days = days
            self._since = time.time_ns()
        time.sleep(_NOTICED_SECONDS)

    def now(self) -> float:
        """Return the time of this clock, in seconds since 1970."""
        return time.time() + self.days * DAY_SECONDS

    def _write(self, days: int) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(f"{days * DAY_SECONDS:+d}\n")
        part.replace(self._file)

    def _check(self) -> None:
        """Fail if this machine can't run programs with another clock."""
        self._write(-1)
        program = "import time; t = time.monotonic(); time.sleep(0.1); print(time.time())"
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or abs(float(done.stdout) - time.time() + DAY_SECONDS) > 60:
            pytest.fail(f"{_library()} gives no other clock on this machine: {done}")
        self._write(0)

    def _stamp_often(self) -> None:
        while not self._ended.wait(_STAMP_SECONDS):
            with self._lock:
                self._stamp()

    def _stamp(self) -> None:
        if self.days == 0:
            return
        moved = self.days * DAY_SECONDS * 10**9
        for folder in self._folders:
            for path in folder.rglob("*"):
                try:
                    written = path.lstat().st_mtime_ns
                    if self._since <= written <= time.time_ns():
                        os.utime(path, ns=(written + moved,) * 2, follow_symlinks=False)
                except FileNotFoundError:
                    continue


def _library() -> Path:
    package = importlib.util.find_spec("libfaketime")
    if package is None or package.origin is None:
        pytest.fail("libfaketime is not there: `make test-growth` brings it")
    return Path(package.origin).parent / _LIBRARY
