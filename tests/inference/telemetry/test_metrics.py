"""Metrics of one worker are its own; those of several workers are added up."""

import math
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from prometheus_client import values

from inference.api.supervisor import FollowerSupervisor
from inference.telemetry.metrics import SHARED_METRICS, Metrics
from tests.conftest import wait_until
from tests.inference.scraping import figure

SPAWN = multiprocessing.get_context("spawn")
PREDICTIONS = 'covertype_predictions_total{label="Aspen",version="3"}'
VERSION = "covertype_model_version"


def imports_alone(connection: Connection) -> None:
    import inference.telemetry.metrics  # noqa: F401

    connection.send((os.environ.get(SHARED_METRICS), list(Path(tempfile.gettempdir()).iterdir())))


def works(connection: Connection, predictions: int, version: int) -> None:
    metrics = Metrics.start()
    metrics.predictions.labels("3", "Aspen").inc(predictions)
    metrics.model_version.set(version)
    metrics.holdout_accuracy.set(version / 10)
    connection.send("ready")
    while connection.recv() == "render":
        connection.send(metrics.render().decode())
    metrics.forget_worker()


class Worker:
    """A process beside the test's own, as uvicorn starts its workers."""

    def __init__(self, target: Any, *arguments: Any) -> None:
        self._connection, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=target, args=(theirs, *arguments), daemon=True)
        self.process.start()

    def receive(self) -> Any:
        assert self._connection.poll(30)
        return self._connection.recv()

    def render(self) -> str:
        self._connection.send("render")
        return str(self.receive())

    def stop(self) -> None:
        self._connection.send("stop")
        self.process.join(30)
        assert self.process.exitcode == 0

    def kill(self) -> None:
        if self.process.is_alive():
            os.kill(self.process.pid or 0, signal.SIGKILL)
        self.process.join(30)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.delenv(SHARED_METRICS, raising=False)
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    # A spawned process runs the main module again, and tests of the app leave theirs there.
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    return tmp_path


@pytest.fixture
def two_workers() -> Iterator[list[Worker]]:
    workers = [Worker(works, 2, 3), Worker(works, 5, 4)]
    try:
        assert [worker.receive() for worker in workers] == ["ready", "ready"]
        yield workers
    finally:
        for worker in workers:
            worker.kill()


def test_importing_the_module_in_a_worker_sets_no_variable_and_makes_no_folder() -> None:
    worker = Worker(imports_alone)
    assert worker.receive() == (None, [])
    worker.kill()


def test_a_service_of_one_process_renders_its_own_metrics_without_files(temporary: Path) -> None:
    metrics = Metrics.start()
    metrics.predictions.labels("3", "Aspen").inc(2)
    assert figure(metrics.render().decode(), PREDICTIONS) == 2
    assert list(temporary.iterdir()) == []
    assert SHARED_METRICS not in os.environ
    metrics.forget_worker()


def test_two_services_of_one_process_do_not_share_metrics() -> None:
    first, second = Metrics.start(), Metrics.start()
    first.reloads.labels("failed").inc()
    assert figure(second.render().decode(), 'covertype_reloads_total{result="failed"}') is None


def test_each_worker_renders_the_sum_of_all_and_the_latest_version(
    two_workers: list[Worker],
) -> None:
    for worker in two_workers:
        text = worker.render()
        assert figure(text, PREDICTIONS) == 7
        assert figure(text, VERSION) == 4


def test_a_figure_that_all_workers_read_at_one_place_is_the_one_read_last(
    two_workers: list[Worker],
) -> None:
    read = {figure(worker.render(), "covertype_holdout_accuracy") for worker in two_workers}
    assert len(read) == 1
    assert read <= {0.3, 0.4}


def test_a_figure_that_no_worker_has_set_is_not_a_number(two_workers: list[Worker]) -> None:
    value = figure(two_workers[0].render(), "covertype_next_batch_accuracy")
    assert value is not None
    assert math.isnan(value)


@pytest.mark.parametrize("end", [Worker.stop, Worker.kill])
def test_a_worker_that_ended_or_was_killed_keeps_its_counts_but_not_its_state(
    two_workers: list[Worker], end: Callable[[Worker], None]
) -> None:
    lasting, ending = two_workers
    end(ending)
    text = lasting.render()
    assert figure(text, PREDICTIONS) == 7
    assert figure(text, VERSION) == 3


def test_the_folder_that_the_environment_names_is_used(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = temporary / "chosen"
    folder.mkdir()
    monkeypatch.setenv(SHARED_METRICS, str(folder))
    metrics = Metrics.start()
    metrics.predictions.labels("3", "Aspen").inc(2)
    assert [path.name for path in folder.glob("counter_*")] == [f"counter_{os.getpid()}.db"]
    assert figure(metrics.render().decode(), PREDICTIONS) == 2
    values.close_all_multiprocess_files()  # type: ignore[no-untyped-call]


def test_a_folder_that_others_can_write_to_is_not_used(temporary: Path) -> None:
    folder = temporary / f"covertype-metrics-{os.getuid()}-{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o777)
    worker = Worker(works, 2, 3)
    worker.process.join(30)
    assert worker.process.exitcode == 1
    assert list(folder.iterdir()) == []


def test_the_follower_is_kept_out_of_the_workers_metrics(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments: list[dict[str, str]] = []

    def popen(*_: Any, env: dict[str, str], **__: Any) -> None:
        environments.append(env)
        raise OSError("not started in a test")

    monkeypatch.setenv(SHARED_METRICS, str(temporary))
    monkeypatch.setattr(subprocess, "Popen", popen)
    supervisor = FollowerSupervisor(temporary)
    supervisor.start()
    wait_until(lambda: bool(environments), 10)
    supervisor.stop()
    assert SHARED_METRICS not in environments[0]
    assert "PATH" in environments[0]
