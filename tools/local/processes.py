"""The platform's processes on one machine: their ports, environment, logs, start and end."""

import json
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import psutil
from dotenv import dotenv_values
from honcho.environ import parse_procfile
from honcho.manager import Manager

ROOT = Path(__file__).parents[2]

DEFAULT_PORTS = {"mlflow": 5000, "data-api": 8001, "airflow": 8080, "inference": 8000, "ui": 8503}

AIRFLOW_USER = "admin"
AIRFLOW_PASSWORD = "admin"  # noqa: S105  a public default; the port is on loopback

_LOG_BYTES = 20_000_000
_END_SECONDS = 5.0
_RECORD_SECONDS = 1.0


class CannotStart(Exception):
    """The platform can't be started; the message says why and what to do."""


def port_variable(service: str) -> str:
    """Return the name of the environment variable that sets a service's port."""
    return f"{service.upper().replace('-', '_')}_PORT"


class Processes:
    """The services of the Procfile, with their state and logs under one folder.

    Everything that `run` starts has ended when it returns.
    """

    def __init__(self, state: Path) -> None:
        self.state = state.resolve()
        self.ports = {
            service: int(os.environ.get(port_variable(service), port))
            for service, port in DEFAULT_PORTS.items()
        }
        self.stopped_by_itself: str | None = None
        self._started: dict[int, psutil.Process] = {}
        self._manager = _Manager(_LogFiles(self.state / "logs", self), self._prepare_to_end)
        self._ended = threading.Event()
        self._ending = False
        self._starting: set[str] = set()
        self._after_start: Callable[[], None] = lambda: None

    def on_start(self, action: Callable[[], None]) -> None:
        """Call `action` when every service has been started, but may not be ready yet.

        Not before: honcho forks to start services, and forking is unsafe with other threads.
        """
        self._after_start = action

    def address(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def log(self, service: str) -> Path:
        return self.state / "logs" / f"{service}.log"

    @property
    def airflow_passwords(self) -> Path:
        return self.state / "airflow" / "passwords.json"

    def run(self) -> None:
        """Start every service; return when all have ended. When one ends, the others are ended too.

        Raises
        ------
        CannotStart
            If a port is in use.
        """
        self.check_ports()
        for folder in ("airflow", "mlflow", "logs"):
            (self.state / folder).mkdir(parents=True, exist_ok=True)
        _private(self.airflow_passwords, lambda: json.dumps({AIRFLOW_USER: AIRFLOW_PASSWORD}))
        environment = self.environment()
        procfile = parse_procfile((ROOT / "Procfile").read_text())
        for service, command in procfile.processes.items():
            self._manager.add_process(service, command, env=environment, cwd=str(ROOT))
        self._starting = set(procfile.processes)
        signal.signal(signal.SIGHUP, lambda *_: self.end())
        try:
            self._manager.loop()
        finally:
            self._ended.set()
            self._end_the_rest()

    def end(self) -> None:
        """Ask every service to end."""
        self._manager.terminate()

    def _prepare_to_end(self) -> None:
        if self._ending:
            return
        self._ending = True
        self._record_processes()
        # Airflow's tasks leave the process group of their service. honcho does not signal them, but
        # may wait for them.
        rest = threading.Timer(_END_SECONDS + 1, self._end_the_rest)
        rest.daemon = True
        rest.start()

    def _record_processes_often(self) -> None:
        while not self._ended.wait(_RECORD_SECONDS):
            self._record_processes()

    def _record_processes(self) -> None:
        """Record every process of the services, so that none is lost when its parent ends.

        The direct children are honcho's: they wait for the services and end after them.
        """
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):
                for process in child.children(recursive=True):
                    self._started.setdefault(process.pid, process)

    def service_started(self, service: str) -> None:
        self._starting.discard(service)
        if not self._starting:
            threading.Thread(target=self._record_processes_often, daemon=True).start()
            self._after_start()

    def service_ended(self, service: str) -> None:
        if self.stopped_by_itself is None and not self._ending:
            self.stopped_by_itself = service

    def _end_the_rest(self) -> None:
        self._record_processes()
        left = [process for process in self._started.values() if process.is_running()]
        for process in left:
            _signal(process.terminate)
        _, left = psutil.wait_procs(left, timeout=_END_SECONDS)
        for process in left:
            _signal(process.kill)
        psutil.wait_procs(left, timeout=_END_SECONDS)

    def check_ports(self) -> None:
        """Check that nothing else listens on the services' ports.

        Raises
        ------
        CannotStart
            If a port is in use.
        """
        try:
            connections = psutil.net_connections("tcp")
        except psutil.AccessDenied:
            # On some systems only root may list connections; the service reports the error then.
            return
        listening = {
            connection.laddr.port: connection.pid
            for connection in connections
            if connection.status == psutil.CONN_LISTEN and connection.laddr
        }
        for service, port in self.ports.items():
            if port in listening:
                owner = _describe(listening[port])
                raise CannotStart(
                    f"Port {port}, for {service}, is in use by {owner}: end that, or choose "
                    f"another port: make run {port_variable(service)}={port + 10000}"
                )

    def environment(self) -> dict[str, str]:
        """Return the environment of the services."""
        airflow, mlflow = self.state / "airflow", self.address("mlflow")
        return {
            **os.environ,
            **shared_env("airflow"),
            **shared_env("mlflow"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "STATE_DIR": str(self.state),
            **{port_variable(service): str(port) for service, port in self.ports.items()},
            "DATA_API_URL": os.environ.get("DATA_API_URL", f"{self.address('data-api')}/data"),
            "STATE_FILE": str(self.state / "data-api" / "state.json"),
            "DATASETS_URL": str(self.state / "datasets"),
            "MODELS_DIR": str(self.state / "models"),
            "MODEL_CACHE_DIR": str(self.state / "serving"),
            "INFERENCE_URL": self.address("inference"),
            "AIRFLOW_PUBLIC_URL": self.address("airflow"),
            "MLFLOW_PUBLIC_URL": mlflow,
            "MLFLOW_TRACKING_URI": mlflow,
            "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
            "AIRFLOW_HOME": str(airflow),
            # The one that Airflow would make by itself is shorter than its library wants.
            "AIRFLOW__API_AUTH__JWT_SECRET": _private(
                airflow / "jwt_secret", lambda: secrets.token_hex(64)
            ),
            "AIRFLOW__API__BASE_URL": self.address("airflow"),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.ports["airflow"]),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "airflow" / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "airflow" / "plugins"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.address('airflow')}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.airflow_passwords),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{AIRFLOW_USER}:admin",
        }


def _private(path: Path, make: Callable[[], str]) -> str:
    """Return the content of a file that only its owner can read; create it if necessary."""
    if not path.exists() or not path.read_text():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(make())
    return path.read_text()


def shared_env(program: str) -> dict[str, str]:
    """Return the settings of a program that `make run` and its container share."""
    values = dotenv_values(ROOT / program / f"{program}.env")
    return {name: value for name, value in values.items() if value is not None}


class _Manager(Manager):  # type: ignore[misc]  # honcho has no types
    """Honcho's manager, with a callback before it ends its processes, whatever the cause."""

    def __init__(self, printer: "_LogFiles", before_end: Callable[[], None]) -> None:
        super().__init__(printer=printer)
        self._before_end = before_end

    def terminate(self) -> None:
        self._before_end()
        super().terminate()


class _LogFiles:
    """Writes honcho's output to one log file for each service, with one backup."""

    width = 0

    def __init__(self, folder: Path, processes: Processes) -> None:
        self._folder = folder
        self._processes = processes
        self._files: dict[str, RotatingFileHandler] = {}

    def write(self, message: Any) -> None:
        if message.name == "system":
            service, event = str(message.data).strip().split(" ", 1)
            if event.startswith("started ("):
                self._processes.service_started(service)
            elif event.startswith("stopped ("):
                self._processes.service_ended(service)
            return
        line = message.data
        self._file(message.name).emit(
            logging.makeLogRecord(
                {"msg": line if isinstance(line, str) else line.decode(errors="replace")}
            )
        )

    def _file(self, service: str) -> RotatingFileHandler:
        if service not in self._files:
            path = self._folder / f"{service}.log"
            file = RotatingFileHandler(path, "a", _LOG_BYTES, backupCount=1, encoding="utf-8")
            file.terminator = ""
            self._files[service] = file
        return self._files[service]


def _signal(action: Callable[[], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        action()


def _describe(pid: int | None) -> str:
    try:
        process = psutil.Process(pid) if pid else None
        return f"{process.name()} (process {pid})" if process else "another user's process"
    except psutil.NoSuchProcess:
        return f"process {pid}"
