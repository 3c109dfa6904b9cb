"""Starts again what was killed, and what hangs.

Docker's restart policy brings back a server that ends by itself. But it takes `docker kill` for the
wish of a person, and it leaves a server alone that runs and no longer answers. `make up` leaves
this watching; it obeys `docker stop`, and ends when the platform is taken down.
"""

import argparse
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.containers import (
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
_LONGEST_PAUSE_SECONDS = 60.0
_CALM_SECONDS = 300.0
_RECONNECT_SECONDS = 2.0


class Keeper:
    """Watches the events of one platform's containers."""

    def __init__(self, project_label: str) -> None:
        self._label = project_label
        self._stopped: dict[str, float] = {}
        self._starts: dict[str, list[float]] = {}

    def watch(self) -> None:
        """Watch until the platform has no containers."""
        while True:
            events = self._events()
            try:
                # After the stream has begun, so that nothing falls between the two.
                if not self._look_over():
                    log.info("The platform is down: nothing to keep")
                    return
                for line in events.stdout or ():
                    self._heed(json.loads(line))
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

    def _look_over(self) -> bool:
        """Bring back what is down already; return whether there is anything to keep."""
        containers = inspect_all(self._label)
        for container in containers:
            state = container["State"]
            if state["Status"] == "exited" and state["ExitCode"] == _KILLED:
                self._bring_back(container["Id"], service_of(container), "start", "is down, killed")
            elif state.get("Health", {}).get("Status") == "unhealthy":
                self._bring_back(
                    container["Id"], service_of(container), "restart", "runs but is not healthy"
                )
        return bool(containers)

    def _heed(self, event: Mapping[str, Any]) -> None:
        container = event["Actor"]["ID"]
        service = event["Actor"]["Attributes"].get(SERVICE_LABEL, container[:12])
        match event["Action"]:
            case "stop":
                self._stopped[container] = time.monotonic()
            case "die":
                later = threading.Timer(_SETTLING_SECONDS, self._see_after, (container, service))
                later.daemon = True
                later.start()
            case "health_status: unhealthy":
                self._bring_back(container, service, "restart", "runs but is not healthy")

    def _see_after(self, container: str, service: str) -> None:
        """Bring back a container that died and was not stopped by anyone."""
        with contextlib.suppress(DockerFailed):
            state, code = docker(
                *("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", container)
            ).split()
            stopped = time.monotonic() - self._stopped.get(container, -1e9) < 2 * _SETTLING_SECONDS
            if state == "exited" and int(code) == _KILLED and not stopped:
                self._bring_back(container, service, "start", "was killed")

    def _bring_back(self, container: str, service: str, action: str, reason: str) -> None:
        now = time.monotonic()
        recent = [at for at in self._starts.get(container, []) if now - at < _CALM_SECONDS]
        self._starts[container] = [*recent, now]
        pause = min(2.0 ** len(recent) - 1, _LONGEST_PAUSE_SECONDS)
        log.warning("%s %s: %s in %.0f s", service, reason, action, pause)
        later = threading.Timer(pause, self._act, (container, service, action))
        later.daemon = True
        later.start()

    def _act(self, container: str, service: str, action: str) -> None:
        try:
            docker(action, container)
        except DockerFailed as error:
            log.error("%s could not be brought back: %s", service, error)
        else:
            log.info("%s is running again", service)


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
            [sys.executable, "-m", "tools.keeper"],
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
        ["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return "tools.keeper" in command.stdout


def main() -> None:
    """Watch the platform of this folder."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    Keeper(label()).watch()


if __name__ == "__main__":
    main()
