"""The platform in containers, as its user has it before them: make, its ports, its accounts."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import requests
from mlflow import MlflowClient

from covertype.contract import COLUMNS
from covertype.registry.names import MODEL_NAME
from tests.airflow_api import ask_airflow
from tests.conftest import ROOT
from tools.containers.engine import service_of

SERVERS = (
    *("postgres", "mysql", "minio", "mlflow", "data-api", "inference", "ui"),
    *("airflow-webserver", "airflow-scheduler", "airflow-dag-processor"),
)
PORTS = {
    "AIRFLOW_PORT": 28080,
    "MLFLOW_PORT": 25000,
    "INFERENCE_PORT": 28000,
    "DATA_API_PORT": 28001,
    "UI_PORT": 28503,
    "MINIO_PORT": 29000,
    "MINIO_CONSOLE_PORT": 29001,
    "MYSQL_PORT": 23306,
}
"""Beside the defaults, so that a platform that someone uses here is left alone."""
OBSERVATION = {
    "features": [3000.0, 45.0, 10.0, 100.0, 20.0, 200.0, 220.0, 230.0, 180.0, 150.0, 0, 0]
}

_LIST_FILES = """
import hashlib, json, os
from covertype.storage import open_store
store = open_store(os.environ["DATASETS_URL"])
files = {
    f"{folder}/{name}": store.at(folder).read(name)
    for folder in store.folders() if folder.startswith("group_")
    for name in store.at(folder).names() if name.endswith(".csv")
}
print(json.dumps({
    name: [
        hashlib.sha256(content).hexdigest(),
        sorted({line.count(b",") + 1 for line in content.splitlines()}),
        len(content.splitlines()),
    ]
    for name, content in files.items()
}))
"""

T = TypeVar("T")


def wait_for(what: str, condition: Callable[[], T], seconds: float, pause: float = 1.0) -> T:
    """Return the first answer of `condition` that is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            answer = condition()
            if answer:
                return answer
            last = answer
        except (requests.RequestException, KeyError, ValueError, OSError) as error:
            last = error
        time.sleep(pause)
    raise AssertionError(f"After {seconds:.0f} s still not: {what} (last: {last!r})")


def _copy_repository(folder: Path) -> None:
    """Copy what a clone would hold, with the changes that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def _name(container: Mapping[str, Any]) -> str:
    number = container["Config"]["Labels"].get("com.docker.compose.container-number", "1")
    return service_of(container) + ("" if number == "1" else f"-{number}")


@dataclass(frozen=True)
class Account:
    """Everything that the platform has committed to keep."""

    files: Mapping[str, tuple[str, list[int], int]]
    """Raw files: digest, the numbers of cells in a line, lines."""

    dag_runs: Mapping[tuple[str, str], str]
    """State by DAG and run."""

    runs: Mapping[str, tuple[str, str, str]]
    """MLflow's runs: search, name and status by id."""

    versions: Mapping[str, tuple[str, str]]
    """Stage and run of each version of the model."""


@dataclass
class Stack:
    """One platform of its own project name, ports and network, in a copy of the repository."""

    folder: Path
    project: str
    settings: dict[str, str] = field(default_factory=dict)
    password: str = "admin"
    servers: tuple[str, ...] = SERVERS
    ports: Mapping[str, int] = field(default_factory=lambda: PORTS)
    figures: dict[str, str] = field(default_factory=dict)
    started: float = 0.0

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHON": sys.executable,
            "COMPOSE_PROJECT_NAME": self.project,
            "NETWORK_NAME": f"{self.project}_network",
            **{name: str(port) for name, port in self.ports.items()},
            **self.settings,
        }

    def begin(self) -> None:
        """Build the images of the present code and start the platform from nothing."""
        self.copy_repository()
        begun = time.monotonic()
        self.compose("build")
        self.figures["Building the images"] = f"{time.monotonic() - begun:.0f} s"
        self.started = time.monotonic()
        self.make("up")
        self.figures["From nothing to all healthy"] = f"{time.monotonic() - self.started:.0f} s"

    def copy_repository(self) -> None:
        """Copy the repository, after removing what an earlier run left."""
        if self.folder.exists():
            self.make("down", "VOLUMES=1", "YES=1")
            shutil.rmtree(self.folder)
        _copy_repository(self.folder)

    @property
    def keeper_log(self) -> Path:
        return self.folder / ".local" / f"keeper.{self.project}.log"

    def command(
        self, *words: str, check: bool = True, more: Mapping[str, str] | None = None
    ) -> str:
        """Run a command in the repository's copy, with some more environment.

        Returns what it said; without `check`, its exit code on a line before that.
        """
        done = subprocess.run(
            words,
            cwd=self.folder,
            env={**self.environment, **(more or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"{' '.join(words)} gave {done.returncode}:\n{done.stdout[-6000:]}"
            )
        return done.stdout if check else f"{done.returncode}\n{done.stdout}"

    def make(self, *words: str, check: bool = True) -> str:
        return self.command("make", "--no-print-directory", *words, check=check)

    def compose(
        self, *words: str, check: bool = True, more: Mapping[str, str] | None = None
    ) -> str:
        return self.command("docker", "compose", *words, check=check, more=more)

    # Containers.

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return what Docker knows of each service's container.

        Further containers of a service have their number behind its name: `airflow-worker-2`.
        """
        return {_name(container): container for container in self._inspected()}

    def replicas(self, service: str) -> dict[str, dict[str, Any]]:
        """Return what Docker knows of each container of a service, by its name."""
        return {
            container["Name"].lstrip("/"): container
            for container in self._inspected()
            if service_of(container) == service
        }

    def _inspected(self) -> list[dict[str, Any]]:
        names = self.command(
            *("docker", "ps", "--all", "--quiet", "--filter"),
            f"label=com.docker.compose.project={self.project}",
        ).split()
        found: list[dict[str, Any]] = (
            json.loads(self.command("docker", "inspect", *names)) if names else []
        )
        return found

    def kill(self, *services: str) -> None:
        """Kill containers as `docker kill` does: without a warning."""
        containers = self.containers()
        self.command("docker", "kill", *(containers[service]["Id"] for service in services))

    def is_healthy(self) -> bool:
        containers = self.containers()
        return all(
            containers[service]["State"].get("Health", {}).get("Status") == "healthy"
            and containers[service]["State"]["Status"] == "running"
            for service in self.servers
        )

    def wait_until_healed(self, seconds: float = 240) -> float:
        """Return the seconds until every server is healthy again."""
        start = time.monotonic()
        wait_for("every server healthy", self.is_healthy, seconds)
        return time.monotonic() - start

    # What people and programs reach.

    def address(self, port: str) -> str:
        return f"http://127.0.0.1:{self.ports[port]}"

    def airflow(self, method: str, path: str, **arguments: Any) -> Any:
        """Ask Airflow's API as the administrator."""
        login = {"username": "admin", "password": self.password}
        return ask_airflow(self.address("AIRFLOW_PORT"), login, method, path, 30, **arguments)

    def start_dag(self, dag: str, **conf: Any) -> tuple[str, str]:
        """Start a DAG by hand; return it and its run."""
        run = self.airflow("POST", f"dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf})
        return dag, str(run["dag_run_id"])

    def dag_runs(self) -> dict[tuple[str, str], str]:
        listed = self.airflow("GET", "dags/~/dagRuns", params={"limit": 500})
        assert listed["total_entries"] < 500
        return {(run["dag_id"], run["dag_run_id"]): run["state"] for run in listed["dag_runs"]}

    def task_instances(self, dag: str, run: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.airflow(
            "GET", f"dags/{dag}/dagRuns/{run}/taskInstances", params={"limit": 500}
        )["task_instances"]
        return listed

    @property
    def mlflow(self) -> MlflowClient:
        return MlflowClient(self.address("MLFLOW_PORT"))

    def predict(self) -> requests.Response:
        return requests.post(
            f"{self.address('INFERENCE_PORT')}/predict", json=OBSERVATION, timeout=10
        )

    # What must never be lost or doubled.

    def wait_until_idle(self, seconds: float = 480) -> None:
        """Wait until no DAG has anything to do, nor had some seconds before.

        Between what one DAG announces and the start of the next there is a moment of silence.
        """
        quiet = [False, False]

        def is_idle() -> bool:
            quiet.append(not {"running", "queued"} & set(self.dag_runs().values()))
            return all(quiet[-3:])

        wait_for("every DAG run ended", is_idle, seconds, pause=4)

    def account(self) -> Account:
        files = json.loads(
            self.compose("exec", "-T", "airflow-scheduler", "python", "-c", _LIST_FILES)
        )
        client = self.mlflow
        experiments = [one.experiment_id for one in client.search_experiments()]
        runs = client.search_runs(experiments, max_results=5000)
        versions = client.search_model_versions(f"name = '{MODEL_NAME}'")
        return Account(
            files={name: tuple(facts) for name, facts in files.items()},
            dag_runs=self.dag_runs(),
            runs={
                run.info.run_id: (
                    run.data.tags.get("covertype.search", ""),
                    run.info.run_name,
                    run.info.status,
                )
                for run in runs
            },
            versions={one.version: (one.current_stage, one.run_id) for one in versions},
        )


def new_candidates(before: Account, after: Account) -> dict[str, tuple[str, str, str]]:
    """Return the runs of searches that came since; those of monitoring come with the data."""
    return {run: facts for run, facts in after.runs.items() if run not in before.runs and facts[0]}


def check_kept(before: Account, after: Account) -> None:
    """Check that nothing of `before` is lost, and that nothing of `after` is half or doubled."""
    assert before.files.items() <= after.files.items(), "a committed file is lost or changed"
    for name, (_, cells, lines) in after.files.items():
        assert (cells, lines) == ([len(COLUMNS)], 5810), f"{name} is not whole"
    collections = [(name.split("/")[0], name[-19:]) for name in after.files]
    assert len(set(collections)) == len(collections), "a collection has two files"

    assert before.dag_runs.keys() <= after.dag_runs.keys(), "a DAG run is lost"
    unsuccessful = {run: state for run, state in after.dag_runs.items() if state != "success"}
    assert not unsuccessful, f"DAG runs that did not succeed: {unsuccessful}"

    finished = {run: facts for run, facts in before.runs.items() if facts[2] == "FINISHED"}
    assert finished.items() <= after.runs.items(), "a finished run is lost"
    assert {status for _, _, status in after.runs.values()} <= {"FINISHED"}, after.runs
    candidates = [(search, name) for search, name, _ in after.runs.values()]
    doubled = {one for one in candidates if candidates.count(one) > 1}
    assert not doubled, f"candidates with two runs: {doubled}"

    assert before.versions.keys() <= after.versions.keys(), "a version is lost"
    sources = [run for _, run in after.versions.values()]
    assert len(set(sources)) == len(sources), "a run has two versions"
    in_production = [one for one, (stage, _) in after.versions.items() if stage == "Production"]
    assert len(in_production) == (1 if after.versions else 0)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
