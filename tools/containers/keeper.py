"""The keeper restarts containers that were killed or hang.

Docker's restart policy restarts a server that ends by itself. Docker treats `docker kill` as
intentional, however, and does not restart a container that is running but unhealthy. `make up`
starts the keeper in the background. It respects `docker stop`, and ends when the platform is taken
down. An overloaded server misses its health checks too; a restart would only add to the load, so
the keeper gives it more time.
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
_GRACE_SECONDS = 3.0
_RECONNECT_SECONDS = 2.0

_RESTART_WINDOW_SECONDS = 3600.0
_MAX_BACKOFF_SECONDS = 600.0
_MAX_RESTARTS = 10
"""How often one container is restarted within an hour, with exponential backoff."""

_HANGING_SECONDS = 120.0
_BUSY_SECONDS = 900.0
_RECHECK_SECONDS = 30.0
_BUSY_PERCENT = 10.0
"""An unhealthy server that uses more of a core than this is busy; one that hangs uses none."""


class Keeper:
    """Watches the container events of one platform."""

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
                # The event stream is open already, so that no event is missed in between.
                if not self._check_all():
                    log.info("The platform is down: nothing to watch")
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
        """Restart what is down already; return whether there are any containers."""
        containers = inspect_all(self._label)
        for container in containers:
            state = container["State"]
            if state["Status"] == "exited" and state["ExitCode"] == _KILLED:
                self._restart_later(
                    container["Id"], service_of(container), "start", "is down, killed"
                )
            elif state.get("Health", {}).get("Status") == "unhealthy":
                self._watch_unhealthy(container["Id"], service_of(container))
        return bool(containers)

    def _handle(self, event: Mapping[str, Any]) -> None:
        container = event["Actor"]["ID"]
        service = event["Actor"]["Attributes"].get(SERVICE_LABEL, container[:12])
        match event["Action"]:
            case "stop":
                self._stopped[container] = time.monotonic()
            case "die":
                _later(_GRACE_SECONDS, self._restart_if_killed, container, service)
            case "health_status: unhealthy":
                self._watch_unhealthy(container, service)

    def _restart_if_killed(self, container: str, service: str) -> None:
        """Restart a container that was killed, unless `docker stop` did it."""
        with contextlib.suppress(DockerFailed):
            state, code = docker(
                *("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", container)
            ).split()
            stopped = time.monotonic() - self._stopped.get(container, -1e9) < 2 * _GRACE_SECONDS
            if state == "exited" and int(code) == _KILLED and not stopped:
                self._restart_later(container, service, "start", "was killed")

    def _watch_unhealthy(self, container: str, service: str) -> None:
        """Check an unhealthy container again after `_HANGING_SECONDS`."""
        if container not in self._unhealthy_since:
            self._unhealthy_since[container] = time.monotonic()
            log.warning("%s is running but unhealthy: checking it again later", service)
            _later(_HANGING_SECONDS, self._restart_if_hung, container, service)

    def _restart_if_hung(self, container: str, service: str) -> None:
        """Restart a container that hangs; check a busy one again later."""
        with contextlib.suppress(DockerFailed, ValueError):
            if _is_unhealthy(container):
                seconds = time.monotonic() - self._unhealthy_since[container]
                if seconds < _BUSY_SECONDS and _is_busy(container):
                    _later(_RECHECK_SECONDS, self._restart_if_hung, container, service)
                    return
                reason = f"has not been healthy for {seconds:.0f} s"
                self._restart_later(container, service, "restart", reason)
        del self._unhealthy_since[container]

    def _restart_later(self, container: str, service: str, action: str, reason: str) -> None:
        now = time.monotonic()
        recent = [
            at for at in self._starts.get(container, []) if now - at < _RESTART_WINDOW_SECONDS
        ]
        if len(recent) >= _MAX_RESTARTS:
            log.error(
                "%s %s, and was restarted %d times within an hour: giving up. "
                "`make doctor` shows more; `make up` starts it again",
                *(service, reason, len(recent)),
            )
            return
        self._starts[container] = [*recent, now]
        backoff = min(2.0 ** len(recent) - 1, _MAX_BACKOFF_SECONDS)
        log.warning("%s %s: %s in %.0f s", service, reason, action, backoff)
        _later(backoff, self._act, container, service, action)

    def _act(self, container: str, service: str, action: str) -> None:
        try:
            if action == "restart" and not _is_unhealthy(container):
                log.info("%s became healthy by itself", service)
                return
            docker(action, container)
        except DockerFailed as error:
            log.error("%s could not be restarted: %s", service, error)
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
    """Return the keeper's log: what it restarted, when and why."""
    return ROOT / ".local" / f"keeper.{project()}.log"


def _pid_file() -> Path:
    return log_file().with_suffix(".pid")


def start() -> None:
    """Start a keeper in the background; it replaces one that is running."""
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
    """End the keeper that `start` left, if it is running."""
    file = _pid_file()
    if not file.exists():
        return
    pid = int(file.read_text())
    if _is_keeper(pid):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)
    file.unlink()


def is_watching() -> bool:
    """Return whether a keeper that `start` left is running."""
    file = _pid_file()
    return file.exists() and _is_keeper(int(file.read_text()))


def _is_keeper(pid: int) -> bool:
    command = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    # An earlier version of the platform started it as `tools.keeper`.
    return re.search(r"\btools\.(containers\.)?keeper\b", command.stdout) is not None


def main() -> None:
    """Watch the platform of this folder."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    Keeper(label()).watch()


if __name__ == "__main__":
    main()
