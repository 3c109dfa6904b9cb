"""A real Redis with the platform's settings, filled with messages of Airflow's real executor."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis

from tests.conftest import ROOT, free_port, wait_until

QUEUE = "default"
PARALLELISM = 256

pytestmark = pytest.mark.skipif(
    not shutil.which("redis-server"), reason="there is no redis-server here"
)


class Queue:
    """The queue of tasks, and the executor that sends to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.client = redis.Redis(port=self.port)

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Run Redis with the platform's settings, until it is killed at the end."""
        settings = (ROOT / "redis" / "redis.conf").read_text()
        settings = settings.replace("dir /data", f"dir {self._folder}")
        command = ["redis-server", "-", "--port", str(self.port), "--bind", "127.0.0.1"]
        with (
            (self._folder / "log").open("ab") as log,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log) as server,
        ):
            try:
                assert server.stdin
                server.stdin.write(settings.encode())
                server.stdin.close()
                wait_until(self._answers, 60)
                yield
            finally:
                server.kill()

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError):
            # It refuses to answer as long as it reads its file.
            return bool(self.client.ping())
        return False

    def send(self, how_many: int) -> list[str]:
        """Send tasks by Airflow's executor; return the state that the scheduler is told of each."""
        settings = {
            "AIRFLOW_HOME": str(self._folder / "airflow"),
            "AIRFLOW__API_AUTH__JWT_SECRET": "for-this-test-alone" * 5,
            "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{self.port}/0",
            "AIRFLOW__CELERY__SYNC_PARALLELISM": "1",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        }
        sent = subprocess.run(
            [sys.executable, "-m", "tests.airflow.send_tasks", str(how_many)],
            cwd=ROOT,
            env=os.environ | settings,
            check=True,
            timeout=120,
            capture_output=True,
            text=True,
        )
        states: list[str] = json.loads(sent.stdout.splitlines()[-1])
        return states

    def messages(self) -> list[bytes | str]:
        return self.client.lrange(QUEUE, 0, -1)

    def fill(self) -> None:
        """Send messages of a real size, until Redis refuses one."""
        message = self.messages()[0]
        for at_once in (100, 1):
            with suppress(redis.exceptions.OutOfMemoryError):
                while True:
                    self.client.lpush(QUEUE, *[message] * at_once)


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path)


def test_a_full_queue_refuses_the_next_task_and_loses_none(queue: Queue) -> None:
    with queue.serve():
        assert queue.send(3) == ["queued"] * 3
        real = queue.messages()
        queue.fill()
        full = queue.messages()
        # Airflow itself sends no more than this before others have ended.
        assert len(full) > 100 * PARALLELISM
        assert full[-3:] == real

        assert queue.send(2) == ["failed"] * 2
        assert queue.messages() == full

    with queue.serve():
        assert queue.messages() == full
        queue.client.rpop(QUEUE, 100)
        assert queue.send(2) == ["queued"] * 2
        assert queue.messages()[2:] == full[:-100]
