"""When the keeper brings a container back, and when it leaves it alone."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tools.containers import keeper
from tools.containers.keeper import Keeper

UNHEALTHY = {
    "Action": "health_status: unhealthy",
    "Actor": {"ID": "c1", "Attributes": {"com.docker.compose.service": "mlflow"}},
}


@dataclass
class Machine:
    """A clock that moves to whatever is due, and a container that is unhealthy until healed."""

    now: float = 0.0
    cpu: float = 0.0
    healthy_at: float = float("inf")
    restarts: list[float] = field(default_factory=list)
    due: list[tuple[float, Callable[..., None], tuple[str, ...]]] = field(default_factory=list)

    def later(self, seconds: float, action: Callable[..., None], *arguments: str) -> None:
        self.due.append((self.now + seconds, action, arguments))

    def docker(self, command: str, *_: str) -> str:
        if command == "restart":
            self.restarts.append(self.now)
        if command == "inspect":
            return f"running {'healthy' if self.now >= self.healthy_at else 'unhealthy'}\n"
        return f"{self.cpu:.2f}%\n"

    def run_until(self, end: float) -> None:
        while self.due:
            self.due.sort(key=lambda one: one[0])
            if self.due[0][0] > end:
                break
            self.now, action, arguments = self.due.pop(0)
            action(*arguments)
        self.now = end


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(keeper, "docker", machine.docker)
    monkeypatch.setattr(keeper, "_later", machine.later)
    monkeypatch.setattr("tools.containers.keeper.time.monotonic", lambda: machine.now)
    return machine


def test_a_container_that_hangs_is_restarted_after_two_minutes(machine: Machine) -> None:
    watching = Keeper("label")
    watching._handle(UNHEALTHY)
    watching._handle(UNHEALTHY)
    machine.run_until(119)
    assert machine.restarts == []
    machine.run_until(300)
    assert machine.restarts == [120]


def test_a_container_that_becomes_healthy_by_itself_is_left_alone(machine: Machine) -> None:
    machine.healthy_at = 100
    Keeper("label")._handle(UNHEALTHY)
    machine.run_until(3600)
    assert machine.restarts == []


def test_a_busy_container_is_given_a_quarter_of_an_hour(machine: Machine) -> None:
    machine.cpu = 95
    Keeper("label")._handle(UNHEALTHY)
    machine.run_until(899)
    assert machine.restarts == []
    machine.run_until(1000)
    assert machine.restarts == [900]


def test_a_busy_container_that_hangs_in_the_end_is_restarted(machine: Machine) -> None:
    machine.cpu = 95
    Keeper("label")._handle(UNHEALTHY)
    machine.run_until(200)
    machine.cpu = 0
    machine.run_until(240)
    assert machine.restarts == [210]


def test_pauses_grow_and_after_ten_starts_in_an_hour_a_person_is_needed(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    watching = Keeper("label")
    for second in range(0, 3600, 180):
        machine.run_until(second)
        watching._handle(UNHEALTHY)
    machine.run_until(4000)
    assert len(machine.restarts) == 10
    assert "was restarted 10 times within an hour: giving up" in caplog.text


@pytest.mark.parametrize("module", ["tools.containers.keeper", "tools.keeper"])
def test_stop_ends_the_keeper_of_this_version_and_of_an_earlier_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str
) -> None:
    pid_file = tmp_path / "keeper.pid"
    monkeypatch.setattr(keeper, "_pid_file", lambda: pid_file)
    sleep = [sys.executable, "-c", "import time; time.sleep(60)", module]
    with subprocess.Popen(sleep, start_new_session=True) as running:
        try:
            pid_file.write_text(str(running.pid))
            assert keeper.is_watching()
            keeper.stop()
            assert running.wait(timeout=5) < 0
        finally:
            running.kill()
    assert not pid_file.exists()
