"""Datasets on real S3 servers: the tests of the storage layer, and 200 kills of their writers.

MinIO runs in a container. The second server is `versitygw`, a program of its own:
`go install github.com/versity/versitygw/cmd/versitygw@v1.8.0`.
"""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pandas as pd
import pytest

from covertype.data import Datasets
from covertype.data.arrivals import Record
from covertype.data.processed import CSV
from covertype.ingestion.preprocessing import preprocess
from covertype.rows.arrow import to_table
from tests.compose import s3_writers
from tests.conftest import ROOT, free_port, wait_until_up
from tests.s3 import ENDPOINT, new_bucket
from tools.containers.passwords import read_variables

KILLS = int(os.environ.get("KILLS", "200"))
WRITERS = 2
_MINIO = read_variables(ROOT / ".env.example")["MINIO_IMAGE"]
_KEY, _SECRET = "tests", "tests-of-storage"
_processes = multiprocessing.get_context("forkserver")


@pytest.fixture(scope="module", params=["minio", "versitygw"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A real S3 server, by its address; AWS's variables have its keys meanwhile."""
    folder = tmp_path_factory.mktemp(request.param)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    if request.param == "minio":
        command = [
            *("docker", "run", "--rm", "--name", f"covertype-test-minio-{port}"),
            *("--publish", f"127.0.0.1:{port}:9000", "--env", f"MINIO_ROOT_USER={_KEY}"),
            *("--env", f"MINIO_ROOT_PASSWORD={_SECRET}", _MINIO, "server", "/data"),
        ]
        health = f"{address}/minio/health/ready"
    else:
        program = shutil.which("versitygw") or str(Path("~/go/bin/versitygw").expanduser())
        if not Path(program).exists():
            pytest.skip(f"there is no versitygw here: {__doc__}")
        (folder / "data").mkdir()
        command = [
            *(program, "--access", _KEY, "--secret", _SECRET, "--quiet", "--health", "/health"),
            *("--port", f"127.0.0.1:{port}", "posix", str(folder / "data")),
        ]
        health = f"{address}/health"
    variables = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as running,
        pytest.MonkeyPatch.context() as environment,
    ):
        for name, value in variables.items():
            environment.setenv(name, value)
        try:
            wait_until_up(health, running, folder / "log")
            yield address
        finally:
            running.terminate()


def test_the_storage_layer_keeps_its_promises_on_a_real_server(server: str) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-k", "s3 or leases or lock"),
            *("tests/covertype/storage", "tests/covertype/data/test_in_s3.py"),
        ],
        cwd=ROOT,
        env={**os.environ, ENDPOINT: server},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]


class Writer:
    """A writer in a process of its own, and what it said so far."""

    def __init__(self, root: str, number: int) -> None:
        ours, theirs = _processes.Pipe(duplex=False)
        self.said: list[tuple[str, str | int, int]] = []
        self._from: Connection = ours
        self._process = _processes.Process(
            target=s3_writers.write_until_killed, args=(dict(os.environ), root, number, theirs)
        )
        self._process.start()
        theirs.close()

    def stop_for_longer_than_a_lease(self) -> None:
        """As a machine that is suspended: it goes on, and does not know that it lost its locks."""
        assert self._process.pid
        os.kill(self._process.pid, signal.SIGSTOP)
        time.sleep(1.2)
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self, after: float = 0) -> None:
        """Kill it wherever it is, some seconds after its begin; what it said before counts."""
        assert self._from.poll(60)
        time.sleep(after)
        self._process.kill()
        self._process.join()
        assert self._process.exitcode == -signal.SIGKILL
        try:
            while self._from.poll():
                self.said.append(self._from.recv())
        except EOFError:
            pass


def test_kills_at_any_moment_lose_and_double_nothing(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two writers are at work; one of them is killed, and another takes its place.

    At times the other one is stopped, and goes on when it has lost its lock.
    """
    # The server that forks has the environment and the path of its start.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    _processes.set_forkserver_preload(["tests.compose.s3_writers"])
    root, moment = new_bucket(), random.Random(server)
    datasets = Datasets(root)
    with pytest.MonkeyPatch.context() as patch:
        s3_writers.shorten_leases(patch.setattr)
        at_work = [Writer(root, number) for number in range(WRITERS)]
        said: list[tuple[str, str | int, int]] = []
        for kill in range(KILLS):
            if kill % 10 == 9:
                at_work[-1].stop_for_longer_than_a_lease()
            writer = at_work.pop(0)
            writer.kill(after=moment.expovariate(1.5))
            said += writer.said
            assert_whole(datasets)
            at_work.append(Writer(root, WRITERS + kill))
        for writer in at_work:
            writer.kill()
            said += writer.said
        while datasets.unread_names():
            preprocess(datasets)
    assert_nothing_lost_or_doubled(datasets, said)


def assert_whole(datasets: Datasets) -> None:
    """What a reader meets at any moment is whole."""
    if datasets.processed.exists():
        rows = datasets.read_processed()
        assert not rows.duplicated().any()
    for name in datasets.snapshot_names()[-2:]:
        datasets.read_snapshot(name)
    datasets.history.entries()


def assert_nothing_lost_or_doubled(
    datasets: Datasets, said: list[tuple[str, str | int, int]]
) -> None:
    kinds = pd.Series([kind for kind, _, _ in said]).value_counts()
    print(f"{KILLS} kills; committed before them: {kinds.to_dict()}")
    assert min(kinds.get("raw", 0), kinds.get("snapshot", 0), kinds.get("entry", 0)) > 0
    raw_names = datasets.raw_names()
    assert len(raw_names) == len(set(raw_names)) >= kinds["raw"]
    arrived = datasets.raw.arrivals.after(Record())[0]
    assert sorted(arrived) == sorted(raw_names)
    valid: set[tuple[object, ...]] = set()
    for name in raw_names:
        codes, rejected = datasets.read_raw(name)
        assert (len(codes), len(rejected)) == (s3_writers.ROWS + 1, 1)
        valid |= set(to_table(codes).to_pandas().itertuples(index=False, name=None))
    rows = list(datasets.read_processed().itertuples(index=False, name=None))
    assert len(rows) == len(set(rows))
    assert set(rows) == valid
    assert len(datasets.read_rejected()) == len(raw_names)
    lines = datasets.processed.folder.read(CSV).decode().splitlines()
    assert lines[1:] == [",".join(map(str, row)) for row in rows]
    snapshots = {name: datasets.count_snapshot(name) for name in datasets.snapshot_names()}
    entries = datasets.history.entries()
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    versions = {entry.number: entry.version for entry in entries}
    assert len(set(versions.values())) == len(versions)
    for kind, what, number in said:
        if kind == "begun":
            continue
        if kind == "raw":
            assert what in raw_names
        elif kind == "snapshot":
            assert snapshots[str(what)] == number
        else:
            assert versions[int(what)] == str(number)
