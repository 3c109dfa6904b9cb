"""A worker that waits for tasks, or has as many as it can take, is well; a deaf one is not."""

import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.exceptions import OperationalError
from redis import exceptions

from tests.conftest import ROOT

reason_for_alarm = runpy.run_path(str(ROOT / "airflow/worker_health.py"))["reason_for_alarm"]

WORKER = "celery@one"


class App:
    """A Celery app whose worker and Redis say what a test wants."""

    def __init__(self, tasks: int | None, *clients: dict[str, str]) -> None:
        self.control = self
        self._tasks = tasks
        self._clients = [{"addr": "10.0.0.1:500", "cmd": "ping", "idle": "0"}, *clients]

    def inspect(self, destination: list[str], timeout: float, limit: int) -> Any:
        assert destination == [WORKER]
        answer: Any = None if self._tasks is None else {WORKER: [{}] * self._tasks}
        return SimpleNamespace(active=lambda: answer)

    @contextmanager
    def connection_for_read(self) -> Iterator[Any]:
        redis = SimpleNamespace(
            client_info=lambda: self._clients[0], client_list=lambda: self._clients
        )
        yield SimpleNamespace(default_channel=SimpleNamespace(client=redis))


def _client(addr: str = "10.0.0.1:501", cmd: str = "brpop", idle: str = "1") -> dict[str, str]:
    return {"addr": addr, "cmd": cmd, "idle": idle}


@pytest.mark.parametrize("tasks", [0, 1])
def test_worker_that_waits_for_tasks_is_well(tasks: int) -> None:
    assert reason_for_alarm(App(tasks, _client()), WORKER, 2) is None


def test_worker_without_a_free_slot_need_not_wait_for_tasks() -> None:
    assert reason_for_alarm(App(2), WORKER, 2) is None


@pytest.mark.parametrize(
    "client", [_client(addr="10.0.0.2:500"), _client(idle="60"), _client(cmd="subscribe")]
)
def test_worker_with_a_free_slot_that_does_not_wait_is_deaf(client: dict[str, str]) -> None:
    reason = reason_for_alarm(App(1, client), WORKER, 2)
    assert reason == f"{WORKER} has a free slot, but does not wait for tasks"


def test_worker_that_does_not_answer_is_hung() -> None:
    assert reason_for_alarm(App(None, _client()), WORKER, 2) == f"{WORKER} does not answer"


@pytest.mark.parametrize(
    "away",
    [
        *(OperationalError, TimeoutError, exceptions.ConnectionError, exceptions.TimeoutError),
        *(exceptions.NoPermissionError, exceptions.OutOfMemoryError),
    ],
)
def test_worker_is_not_blamed_while_redis_is_away(away: type[Exception]) -> None:
    class Away(App):
        def inspect(self, destination: list[str], timeout: float, limit: int) -> Any:
            raise away("refused")

    assert reason_for_alarm(Away(0), WORKER, 2) is None


def test_password_that_redis_rejects_is_said() -> None:
    class Rejected(App):
        def inspect(self, destination: list[str], timeout: float, limit: int) -> Any:
            raise exceptions.AuthenticationError("invalid username-password pair")

    reason = reason_for_alarm(Rejected(0), WORKER, 2)
    assert reason == f"Redis takes no tasks from {WORKER}: invalid username-password pair"
