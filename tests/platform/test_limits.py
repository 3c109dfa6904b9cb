"""What a real Airflow does with more than it can run: it queues, and says why it refuses."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest
import requests

from tests.airflow_api import ask_airflow
from tests.conftest import ROOT, free_port, wait_until, wait_until_up
from tools.local.processes import (
    AIRFLOW_PASSWORD,
    AIRFLOW_USER,
    DEFAULT_PORTS,
    Processes,
    port_variable,
)

BURST = 60
# Without MLflow its first task takes minutes, and the runs after it wait.
BUSY = "rollback_model"
OTHER = "watch_new_version"


class Airflow:
    """Airflow as `make run` starts it, without the services that its DAGs use."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, method: str, path: str, **arguments: Any) -> Any:
        login = {"username": AIRFLOW_USER, "password": AIRFLOW_PASSWORD}
        return ask_airflow(self.address, login, method, path, 30, **arguments)

    def refusal(self, method: str, path: str, **arguments: Any) -> tuple[int, str]:
        """The status and the text of an answer that refuses."""
        with pytest.raises(requests.HTTPError) as refused:
            self.ask(method, path, **arguments)
        return refused.value.response.status_code, refused.value.response.text

    def dag_ids(self) -> set[str]:
        return {dag["dag_id"] for dag in self.ask("GET", "dags")["dags"]}

    def count(self, dag_id: str, state: str) -> int:
        runs = self.ask("GET", f"dags/{dag_id}/dagRuns", params={"state": state, "limit": 1})
        total: int = runs["total_entries"]
        return total


def run(number: int, **conf: str) -> dict[str, Any]:
    return {"logical_date": None, "dag_run_id": f"burst-{number}", "conf": {"version": "9", **conf}}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    state = tmp_path_factory.mktemp("limits")
    with pytest.MonkeyPatch.context() as patch:
        for service in DEFAULT_PORTS:
            patch.setenv(port_variable(service), str(free_port()))
        processes = Processes(state)
        environment = processes.environment()
    environment["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] = "true"
    processes.airflow_passwords.write_text(json.dumps({AIRFLOW_USER: AIRFLOW_PASSWORD}))
    started = Airflow(processes.address("airflow"))
    with (
        (state / "log").open("wb") as log,
        subprocess.Popen(
            ["bash", "airflow/standalone.sh"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        try:
            wait_until_up(f"{started.address}/api/v2/monitor/health", process, state / "log")
            wait_until(lambda: {BUSY, OTHER} <= started.dag_ids(), 60)
            for dag_id in (BUSY, OTHER):
                started.ask("PATCH", f"dags/{dag_id}", json={"is_paused": False})
            yield started
        finally:
            end(process.pid)


def end(pid: int) -> None:
    """End a process and all below it; a task that waits for MLflow ends only when it is killed."""
    below = [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]
    for process in below:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(below, 10)


def test_a_burst_queues_and_holds_up_no_other_dag(airflow: Airflow) -> None:
    for number in range(BURST):
        airflow.ask("POST", f"dags/{BUSY}/dagRuns", json=run(number))
    wait_until(lambda: airflow.count(BUSY, "running") == 1, 60)
    assert airflow.count(BUSY, "queued") == BURST - 1

    airflow.ask("POST", f"dags/{OTHER}/dagRuns", json={"logical_date": None})
    wait_until(lambda: airflow.count(OTHER, "success") == 1, 120)
    assert airflow.count(BUSY, "running") == 1
    assert airflow.count(BUSY, "queued") == BURST - 1


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (run(0), 409, "Unique constraint violation"),
        (run(BURST, version="latest"), 400, "'latest' does not match '^[0-9]+$'"),
        (run(BURST, why="x" * 501), 400, "is too long"),
        ({"conf": {"version": "9"}}, 422, "logical_date"),
    ],
    ids=["same-run-id", "bad-version", "long-why", "no-date"],
)
def test_a_trigger_that_cannot_be_is_refused_with_its_reason(
    airflow: Airflow, body: dict[str, Any], status: int, reason: str
) -> None:
    before = airflow.count(BUSY, "queued")
    answer = airflow.refusal("POST", f"dags/{BUSY}/dagRuns", json=body)
    assert answer[0] == status
    assert reason in answer[1]
    assert airflow.count(BUSY, "queued") == before


@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_body_beyond_the_limit_is_refused_before_anybody_asks_who_sends_it(
    airflow: Airflow, in_chunks: bool
) -> None:
    def pieces() -> Iterator[bytes]:
        yield from [b"x" * 100_000] * 300

    answer = requests.post(
        f"{airflow.address}/api/v2/dags/{BUSY}/dagRuns",
        data=pieces() if in_chunks else b"".join(pieces()),
        headers={"Content-Type": "application/json"},
        timeout=60,
    )
    assert answer.status_code == 413
    assert answer.json() == {"detail": "The body may have 1000000 bytes"}


def test_a_body_in_chunks_within_the_limit_is_read(airflow: Airflow) -> None:
    body = json.dumps({"username": AIRFLOW_USER, "password": AIRFLOW_PASSWORD}).encode()
    answer = requests.post(
        f"{airflow.address}/auth/token",
        data=iter([body[:9], body[9:]]),
        headers={"Content-Type": "application/json"},
        timeout=30,
    )
    assert answer.json()["access_token"]


def test_a_page_has_at_most_a_hundred_runs(airflow: Airflow) -> None:
    for number in range(BURST, 101):
        airflow.ask("POST", f"dags/{BUSY}/dagRuns", json=run(number))
    listed = airflow.ask("GET", f"dags/{BUSY}/dagRuns", params={"limit": 100_000})
    assert (len(listed["dag_runs"]), listed["total_entries"]) == (100, 101)


def test_one_request_empties_the_queue(airflow: Airflow) -> None:
    queued = airflow.ask("GET", f"dags/{BUSY}/dagRuns", params={"state": "queued", "limit": 100})[
        "dag_runs"
    ]
    delete = {"action": "delete", "entities": [one["dag_run_id"] for one in queued]}
    airflow.ask("PATCH", f"dags/{BUSY}/dagRuns", json={"actions": [delete]})
    assert airflow.count(BUSY, "queued") == 0
    assert airflow.count(BUSY, "running") == 1
