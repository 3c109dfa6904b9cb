import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tools.local import processes
from tools.local.processes import CannotStart, Processes, port_variable


@pytest.fixture
def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    for service in processes.DEFAULT_PORTS:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            monkeypatch.setenv(port_variable(service), str(probe.getsockname()[1]))


def test_a_port_in_use_is_named_with_its_owner_and_the_way_out(
    free_ports: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("DATA_API_PORT", str(port))
        with pytest.raises(CannotStart) as refused:
            Processes(tmp_path).run()
    message = str(refused.value)
    assert f"Port {port}, for data-api, is in use by" in message
    assert f"(process {psutil.Process().pid})" in message
    assert "make run DATA_API_PORT=" in message
    assert "\n" not in message


def run_with(procfile: str, state: Path, more: str = "") -> "subprocess.CompletedProcess[str]":
    """Run services of another Procfile in a process of their own, as `make run` does."""
    program = f"""
import sys
from pathlib import Path
from tools.local import processes, run
processes.ROOT = Path({str(state)!r})
{more}
class StartNarrator:
    def __init__(self, processes, ended): pass
    def follow(self): raise run.Ended
run.StartNarrator = StartNarrator
sys.argv = ["run", "--state", {str(state / "state")!r}]
sys.exit(run.main())
"""
    (state / "Procfile").write_text(procfile)
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=processes.ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_service_that_does_not_want_to_end_is_ended(free_ports: None, tmp_path: Path) -> None:
    """It keeps the pipe of its output open, for which honcho waits."""
    marker = tmp_path / "stubborn"
    (tmp_path / "stubborn.py").write_text(
        "import os, pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.setpgid(0, 0) if os.fork() == 0 else None\n"
        f"pathlib.Path({str(marker)!r} + str(os.getpid())).touch()\n"
        "time.sleep(600)\n"
    )
    ended = run_with(
        f"stubborn: exec {sys.executable} stubborn.py\nbroken: sleep 3; exit 3\n", tmp_path
    )
    assert ended.returncode == 1
    pids = [int(path.name.removeprefix("stubborn")) for path in tmp_path.glob("stubborn[0-9]*")]
    assert len(pids) == 2
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_service_that_fails_to_start_is_named_with_its_log_and_nothing_is_left(
    free_ports: None, tmp_path: Path
) -> None:
    """One service outlives its parent in a group of its own, as the tasks of Airflow do."""
    marker = tmp_path / "orphan"
    (tmp_path / "orphan.py").write_text(
        "import os, pathlib, time\n"
        "if os.fork() == 0:\n"
        "    os.setpgid(0, 0)\n"
        f"    pathlib.Path({str(marker)!r}).write_text(str(os.getpid()))\n"
        "    time.sleep(600)\n"
        "time.sleep(600)\n"
    )
    ended = run_with(
        f"steady: exec {sys.executable} orphan.py\nbroken: sleep 3; echo no database; exit 3\n",
        tmp_path,
    )
    assert ended.returncode == 1
    log = tmp_path / "state" / "logs" / "broken.log"
    assert f"broken stopped by itself: see {log}" in ended.stderr
    assert log.read_text() == "no database\n"
    assert not psutil.pid_exists(int(marker.read_text()))


def test_a_long_log_is_rotated_and_bounded(free_ports: None, tmp_path: Path) -> None:
    line = "x" * 999
    run_with(
        f"talkative: {sys.executable} -c \"print('{line}\\n' * 100)\"; sleep 1\n",
        tmp_path,
        more="processes._LOG_BYTES = 20_000",
    )
    logs = list((tmp_path / "state" / "logs").glob("talkative.log*"))
    assert {log.name for log in logs} == {"talkative.log", "talkative.log.1"}
    assert all(log.stat().st_size <= 20_000 for log in logs)


@pytest.mark.parametrize(("chosen", "tasks"), [(None, "5"), ("2", "2")])
def test_airflow_is_told_how_many_tasks_may_run_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chosen: str | None, tasks: str
) -> None:
    monkeypatch.delenv("AIRFLOW_PARALLELISM", raising=False)
    if chosen:
        monkeypatch.setenv("AIRFLOW_PARALLELISM", chosen)
    told = Processes(tmp_path).environment()
    assert told["AIRFLOW__CORE__PARALLELISM"] == tasks
    assert told["AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT"] == tasks


def test_the_key_of_airflows_tokens_is_kept_for_us_alone(tmp_path: Path) -> None:
    first = Processes(tmp_path).environment()["AIRFLOW__API_AUTH__JWT_SECRET"]
    assert Processes(tmp_path).environment()["AIRFLOW__API_AUTH__JWT_SECRET"] == first
    assert len(first) >= 64
    assert (tmp_path / "airflow" / "jwt_secret").stat().st_mode & 0o777 == 0o600
