"""Starts again what was killed, and what hangs.

Docker's restart policy brings back a server that ends by itself. But it takes `docker kill` for the
wish of a person, and it leaves a server alone that runs and no longer answers. `make up` leaves
this watching; it obeys `docker stop`, and ends when the platform is taken down. A server that has
too much to do misses its health checks too, and a restart would only add to that: it is given time.
"""

import argparse
import contextlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tools.containers.engine import (
    ROOT,
    SERVICE_LABEL,
    DockerFailed,
    docker,
    inspect_all,
    label,
    project,
    service_of,
)

log = logging.getLogger("keeper")


_KILLED = 137
_SETTLING_SECONDS = 3.0
_RECONNECT_SECONDS = 2.0

_CALM_SECONDS = 3600.0
_LONGEST_PAUSE_SECONDS = 600.0
_MOST_STARTS = 10
"""How often one container is brought back in an hour, at growing pauses."""

_HANGING_SECONDS = 120.0
_BUSY_SECONDS = 900.0
_LOOK_SECONDS = 30.0
_BUSY_PERCENT = 10.0
"""What an unhealthy server takes of a core if it works; one that hangs takes next to nothing."""


class Keeper:
    """Watches the events of one platform's containers."""

    def __init__(self, project_label: str) -> None:
        self._label = project_label
        self._stopped: dict[str, float] = {}
        self._starts: dict[str, list[float]] = {}
        self._unhealthy_since: dict[str, float] = {}

    def watch(self) -> None:
        """Watch until the platform has no containers."""
        while True:
            events = self._events()
            try:
                # After the stream has begun, so that nothing falls between the two.
                if not self._check_all():
                    log.info("The platform is down: nothing to keep")
                    return
                for line in events.stdout or ():
                    self._handle(json.loads(line))
                    if '"destroy"' in line and not inspect_all(self._label):
                        break
            except DockerFailed as error:
                log.warning("Docker does not answer: %s", error)
            finally:
                events.terminate()
                events.wait()
            time.sleep(_RECONNECT_SECONDS)

    def _events(self) -> "subprocess.Popen[str]":
        filters = [f"label={self._label}", "type=container", "event=die", "event=stop"]
        filters += ["event=health_status", "event=destroy"]
        flags = [flag for one in filters for flag in ("--filter", one)]
        command = ["docker", "events", "--format", "{{json .}}", *flags]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def _check_all(self) -> bool:
        """Bring back what is down already; return whether there is anything to keep."""
        containers = inspect_all(self._label)
        for container in containers:
            state = container["State"]
            if state["Status"] == "exited" and state["ExitCode"] == _KILLED:
                self._restart_later(
                    container["Id"], service_of(container), "start", "is down, killed"
                )
            elif state.get("Health", {}).get("Status") == "unhealthy":
                self._suspect(container["Id"], service_of(container))
        return bool(containers)

    def _handle(self, event: Mapping[str, Any]) -> None:
        container = event["Actor"]["ID"]
        service = event["Actor"]["Attributes"].get(SERVICE_LABEL, container[:12])
        match event["Action"]:
            case "stop":
                self._stopped[container] = time.monotonic()
            case "die":
                _later(_SETTLING_SECONDS, self._restart_if_killed, container, service)
            case "health_status: unhealthy":
                self._suspect(container, service)

    def _restart_if_killed(self, container: str, service: str) -> None:
        """Bring back a container that died and was not stopped by anyone."""
        with contextlib.suppress(DockerFailed):
            state, code = docker(
                *("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", container)
            ).split()
            stopped = time.monotonic() - self._stopped.get(container, -1e9) < 2 * _SETTLING_SECONDS
            if state == "exited" and int(code) == _KILLED and not stopped:
                self._restart_later(container, service, "start", "was killed")

    def _suspect(self, container: str, service: str) -> None:
        """Take note of a container that is not healthy, and see later if it still is not."""
        if container not in self._unhealthy_since:
            self._unhealthy_since[container] = time.monotonic()
            log.warning("%s runs but is not healthy: it is watched", service)
            _later(_HANGING_SECONDS, self._judge, container, service)

    def _judge(self, container: str, service: str) -> None:
        """Restart a container that hangs; leave one that is busy some more time."""
        with contextlib.suppress(DockerFailed, ValueError):
            if _is_unhealthy(container):
                seconds = time.monotonic() - self._unhealthy_since[container]
                if seconds < _BUSY_SECONDS and _is_busy(container):
                    _later(_LOOK_SECONDS, self._judge, container, service)
                    return
                reason = f"has not been healthy for {seconds:.0f} s"
                self._restart_later(container, service, "restart", reason)
        del self._unhealthy_since[container]

    def _restart_later(self, container: str, service: str, action: str, reason: str) -> None:
        now = time.monotonic()
        recent = [at for at in self._starts.get(container, []) if now - at < _CALM_SECONDS]
        if len(recent) >= _MOST_STARTS:
            log.error(
                "%s %s, and was brought back %d times within an hour: it is left as it is. "
                "`make doctor` tells more; `make up` begins anew",
                *(service, reason, len(recent)),
            )
            return
        self._starts[container] = [*recent, now]
        pause = min(2.0 ** len(recent) - 1, _LONGEST_PAUSE_SECONDS)
        log.warning("%s %s: %s in %.0f s", service, reason, action, pause)
        _later(pause, self._act, container, service, action)

    def _act(self, container: str, service: str, action: str) -> None:
        try:
            if action == "restart" and not _is_unhealthy(container):
                log.info("%s became healthy by itself", service)
                return
            docker(action, container)
        except DockerFailed as error:
            log.error("%s could not be brought back: %s", service, error)
        else:
            log.info("%s is running again", service)


def _is_unhealthy(container: str) -> bool:
    health = "{{.State.Status}} {{with .State.Health}}{{.Status}}{{end}}"
    return docker("inspect", "--format", health, container).split() == ["running", "unhealthy"]


def _is_busy(container: str) -> bool:
    cpu = docker("stats", "--no-stream", "--format", "{{.CPUPerc}}", container)
    return float(cpu.strip().removesuffix("%")) >= _BUSY_PERCENT


def _later(seconds: float, action: Callable[..., None], *arguments: str) -> None:
    timer = threading.Timer(seconds, action, arguments)
    timer.daemon = True
    timer.start()


def log_file() -> Path:
    """Return where the keeper says what it brought back, when and why."""
    return ROOT / ".local" / f"keeper.{project()}.log"


def _pid_file() -> Path:
    return log_file().with_suffix(".pid")


def start() -> None:
    """Leave a keeper watching in the background, in place of a former one."""
    stop()
    log_file().parent.mkdir(exist_ok=True)
    with log_file().open("a") as file:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tools.containers.keeper"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    _pid_file().write_text(str(keeper.pid))


def stop() -> None:
    """End the keeper that `start` left, if it is there."""
    file = _pid_file()
    if not file.exists():
        return
    pid = int(file.read_text())
    if _is_keeper(pid):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)
    file.unlink()


def is_watching() -> bool:
    """Tell if a keeper that `start` left is there."""
    file = _pid_file()
    return file.exists() and _is_keeper(int(file.read_text()))


def _is_keeper(pid: int) -> bool:
    command = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    # One that an earlier version left is `tools.keeper`.
    return re.search(r"\btools\.(containers\.)?keeper\b", command.stdout) is not None


def main() -> None:
    """Watch the platform of this folder."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    Keeper(label()).watch()


if __name__ == "__main__":
    main()
