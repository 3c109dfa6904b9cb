"""Watches the memory of a platform's containers, and what the kernel kills for it."""

import json
import subprocess
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from tests.compose.stack import Stack

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


class Watch:
    """Samples the memory of every container, about once in two seconds, while it is open.

    `peaks` holds the highest sample of each service in MiB, as `docker stats` counts: without the
    files that the kernel could let go.
    """

    def __init__(self, stack: Stack) -> None:
        self.peaks: dict[str, float] = {}
        self._stack = stack
        self._services = {
            container["Name"].removeprefix("/"): service
            for service, container in stack.containers().items()
        }
        self._since = datetime.now(UTC).isoformat()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(30)

    def killed_for_memory(self) -> list[str]:
        """Return the services in which the kernel killed a process for memory since it opened."""
        listed = subprocess.run(
            [
                *("docker", "events", "--since", self._since, "--until", "0s"),
                *("--filter", "event=oom", "--format", "{{json .Actor.Attributes}}"),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        names = [json.loads(line)["name"] for line in listed.splitlines()]
        return [self._services[name] for name in names if name in self._services]

    def _sample(self) -> None:
        while not self._ended.wait(0.5):
            for service, mebibytes in self._memory().items():
                self.peaks[service] = max(mebibytes, self.peaks.get(service, 0.0))

    def _memory(self) -> Mapping[str, float]:
        command = ["docker", "stats", "--no-stream", "--format", "{{json .}}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        samples = [json.loads(line) for line in done.stdout.splitlines()]
        return {
            self._services[one["Name"]]: _mebibytes(one["MemUsage"].split(" / ")[0])
            for one in samples
            if one["Name"] in self._services
        }


def _mebibytes(text: str) -> float:
    unit = next(unit for unit in reversed(_UNITS) if text.endswith(unit))
    return float(text.removesuffix(unit)) * _UNITS[unit] / 2**20
