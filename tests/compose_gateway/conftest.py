"""The platform behind its one door, published to other machines, from nothing."""

import json
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.compose.conftest import FIGURES, pytest_terminal_summary
from tests.compose.stack import OBSERVATION, PORTS, Stack, wait_for
from tests.conftest import ROOT
from tools.containers.passwords import read_variables

__all__ = ["pytest_terminal_summary"]

HOST = "forest.example"
NAMES = ("", "api.", "mlflow.", "airflow.")
MAX_BODY_BYTES = 1_000_000
PORT = 8443


def outside() -> str:
    """Return an address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Nothing is sent: it only chooses the interface.
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def open_ports(address: str) -> set[int]:
    """Return every port of an address that takes connections."""

    def is_open(port: int) -> bool:
        with socket.socket() as probe:
            probe.settimeout(2)
            return probe.connect_ex((address, port)) == 0

    with ThreadPoolExecutor(64) as scanners:
        found = scanners.map(is_open, range(65_536))
        return {port for port, is_found in enumerate(found) if is_found}


@dataclass
class Door:
    """The platform behind its gateway, and how to ask it from outside."""

    stack: Stack
    ports_before: set[int]
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def certificate(self) -> Path:
        """The certificate that the gateway made, as a file."""
        file = self.stack.folder / ".local" / "certificate.pem"
        if not file.exists():
            made = ("exec", "-T", "gateway", "cat", "/state/certificate/fullchain.pem")
            file.write_text(self.stack.compose(*made))
        return file

    def ask(
        self, name: str, path: str, key: str | None = None, method: str = "GET", **arguments: Any
    ) -> requests.Response:
        """Ask the service that has `name` before the public host; `key` is one that was made."""
        headers = {**({"X-API-Key": self.keys[key]} if key else {}), **arguments.pop("headers", {})}
        return requests.request(
            *(method, f"https://{name}{HOST}:{PORT}{path}"),
            headers=headers,
            verify=str(self.certificate),
            allow_redirects=False,
            timeout=30,
            **arguments,
        )

    def status_of(self, name: str, path: str, content: object, headers: Mapping[str, str]) -> int:
        """Return the status of a POST whose path is sent as it is, not as a client tidies it."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        connection = HTTPSConnection(f"{name}{HOST}", PORT, timeout=30, context=context)
        with closing(connection):
            described = {"Content-Type": "application/json", **headers}
            connection.request("POST", path, json.dumps(content), described)
            return connection.getresponse().status

    def predict(self, key: str) -> requests.Response:
        return self.ask("api.", "/predict", key, "POST", json=OBSERVATION)

    def make_key(self, name: str, role: str, rate: int = 1000) -> None:
        """Make a key as a person does."""
        made = ("make", "--no-print-directory", "keys", f"NEW={name}", f"ROLE={role}")
        self.keys[name] = subprocess.run(
            [*made, f"RATE={rate}"],
            cwd=self.stack.folder,
            env=self.stack.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout.strip()


@pytest.fixture(scope="session")
def _named() -> Iterator[None]:
    """The public host and the names before it lead to this machine, from outside."""
    address, ask = outside(), socket.getaddrinfo

    def answer(host: Any, *arguments: Any, **named: Any) -> Any:
        known = isinstance(host, str) and host.endswith(HOST)
        return ask(address if known else host, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", answer)
        yield


@pytest.fixture(scope="session")
def door(pytestconfig: pytest.Config, _named: None) -> Iterator[Door]:
    """The platform as a person publishes it: secrets, then `make up-gateway`."""
    stack = Stack(
        ROOT / ".local" / "test-gateway",
        "covertype-gateway",
        settings={
            "PUBLISH_ADDRESS": "0.0.0.0",
            "PUBLIC_HOST": HOST,
            "GATEWAY_PORT": str(PORT),
            "MAX_BODY_BYTES": str(MAX_BODY_BYTES),
            "RETRAIN_GROWTH": "10",
            "BATCH_SECONDS": "3600",
        },
        ports={name: port + 300 for name, port in PORTS.items()},
    )
    pytestconfig.stash[FIGURES] = stack.figures
    stack.copy_repository()
    before = open_ports(outside())
    try:
        stack.make("secrets")
        begun = time.monotonic()
        stack.make("up-gateway")
        stack.figures["From nothing to all healthy behind the gateway"] = (
            f"{time.monotonic() - begun:.0f} s, with the images"
        )
        stack.password = read_variables(stack.folder / ".env")["AIRFLOW_ADMIN_PASSWORD"]
        stack.settings["COMPOSE_FILE"] = "docker-compose.yaml:docker-compose.gateway.yaml"
        door = Door(stack, before)
        assert door.certificate.exists()
        for role in ("predict", "metrics", "read", "admin"):
            door.make_key(role, role)
        yield door
    finally:
        stack.make("down", "VOLUMES=1", "YES=1")


@pytest.fixture(scope="session")
def in_production(door: Door) -> Door:
    """The first model is in Production: the accounts of the platform allow what they need."""
    begun = time.monotonic()
    wait_for("a first prediction", lambda: door.predict("predict").status_code == 200, 600)
    door.stack.figures["To the first prediction through the gateway"] = (
        f"{time.monotonic() - begun:.0f} s more"
    )
    return door
