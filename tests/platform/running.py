"""The platform as `make run` starts it, for tests: over a folder and on ports of their own."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from covertype.data import Datasets
from tests.airflow_api import ask_airflow
from tests.conftest import ROOT
from tools.local.processes import AIRFLOW_PASSWORD, AIRFLOW_USER, port_variable


@dataclass
class Platform:
    """One run of the platform: its state, its addresses and what it printed."""

    state: Path
    ports: dict[str, int]
    process: "subprocess.Popen[str]"
    printed: Path

    def address(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    @property
    def datasets(self) -> Datasets:
        return Datasets(self.state / "datasets")

    def airflow(self, method: str, path: str, **arguments: Any) -> Any:
        """Ask Airflow's API as its administrator; return what it answered.

        Raises
        ------
        requests.RequestException
            If it does not answer, or with an error.
        """
        login = {"username": AIRFLOW_USER, "password": AIRFLOW_PASSWORD}
        return ask_airflow(self.address("airflow"), login, method, path, 10, **arguments)

    def wait_until_printed(self, text: str, seconds: float) -> str:
        deadline = time.monotonic() + seconds
        while text not in self.printed.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{text!r} was not printed:\n{self.printed.read_text()}")
            time.sleep(0.5)
        return self.printed.read_text()

    def end(self) -> None:
        """Press Ctrl-C."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)


def start(state: Path, ports: dict[str, int], **settings: str) -> Platform:
    """Start the platform as `make run` does, over a folder, with these ports and settings."""
    printed = state.with_name(f"printed-{time.monotonic_ns()}")
    variables = {port_variable(service): str(port) for service, port in ports.items()}
    with printed.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.local.run", "--state", str(state)],
            cwd=ROOT,
            env=os.environ | variables | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    return Platform(state, ports, process, printed)
