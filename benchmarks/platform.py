"""Servers for benchmarks: MLflow with one forest in Production, and the server to measure."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import psutil
import pyarrow.parquet as pq
import requests

from benchmarks.client import Result
from covertype.contract import FEATURE_NAMES, QUANTITY_NAMES
from covertype.registry.production import to_production, version_uri
from covertype.training.searches import FOREST
from tools.local.processes import shared_env

ROOT = Path(__file__).parents[1]
_DATA = ROOT / "data-api" / "covertype.parquet"
_START_SECONDS = 120
ALL_ROWS: int = pq.read_metadata(_DATA).num_rows


def row_count(usual: int) -> int:
    """Return the number of rows to train on: the default, or BENCH_ROWS of the environment."""
    return int(os.environ.get("BENCH_ROWS", usual))


ROWS = row_count(ALL_ROWS)
PARAMETERS = FOREST.candidates[-1]
MODEL = (
    f"`{FOREST.run_name(len(FOREST.candidates) - 1)}` "
    f"({', '.join(f'{name}={value}' for name, value in PARAMETERS.items())}), "
    f"fitted to the training part of {ROWS:,} rows"
)
"""The forest in Production: the project's best."""


@dataclass(frozen=True)
class Server:
    """A running server: its port, the seconds until it was ready, and its processes."""

    port: int
    start_seconds: float
    process: psutil.Process

    def memory_mb(self) -> float:
        """Return the memory of its processes, in MB; shared memory counts once."""
        total = 0.0
        for process in (self.process, *self.process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += float(process.memory_full_info().pss)
        return total / 1e6


def observations(count: int) -> pd.DataFrame:
    """Return a sample of real observations with their classes, drawn with a fixed seed."""
    whole = pd.read_parquet(_DATA)
    drawn = whole.sample(count, random_state=1, replace=count > len(whole), ignore_index=True)
    return drawn.astype(dict.fromkeys(QUANTITY_NAMES, np.int64))


def as_sent(rows: pd.DataFrame) -> list[list[object]]:
    """Return observations as clients send them, areas and soils by name."""
    return [list(row) for row in rows[list(FEATURE_NAMES)].to_numpy(object).tolist()]


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server(
    *command: str,
    log: Path,
    ready: str,
    environment: Mapping[str, str],
    cores: set[int] | None = None,
) -> Iterator[Server]:
    """Run a server on the port that its command names as {port}, on some cores only.

    Raises
    ------
    RuntimeError
        If it is not ready in two minutes; the message ends with what it logged.
    """
    port = free_port()
    named = [part.format(port=port) for part in command]
    start = time.perf_counter()
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *named],
            cwd=ROOT,
            stdout=file,
            stderr=file,
            # `mlflow models serve` starts uvicorn by its name.
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                **environment,
            },
            start_new_session=True,
            preexec_fn=_on(cores),
        )
    try:
        _wait(f"http://127.0.0.1:{port}{ready}", process, log)
        yield Server(port, time.perf_counter() - start, psutil.Process(process.pid))
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(address, timeout=2).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{address} did not become ready:\n{log.read_text()[-2000:]}")


@dataclass(frozen=True)
class Production:
    """A forest in Production: its files, requests of it, and the environment that finds it.

    `following` is the same forest as one more version. `bodies` are 2,000 different real
    observations for `/predict`, a line each; `observed` are the same as rows.
    """

    folder: Path
    version: str
    following: str
    model: Path
    bodies: Path
    observed: list[list[object]]
    environment: dict[str, str]


@contextmanager
def production() -> Iterator[Production]:
    """Run MLflow with one forest in Production; remove everything at the end."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with registry(folder) as address:
            print(f"Training {MODEL}", flush=True)
            version, following = output_of("benchmarks.versions", address)
            mlflow.set_tracking_uri(address)
            to_production(version)
            model = mlflow.artifacts.download_artifacts(
                version_uri(version), dst_path=str(folder / "model")
            )
            observed = as_sent(observations(2000))
            bodies = folder / "bodies"
            bodies.write_text("".join(f'{{"features": {json.dumps(row)}}}\n' for row in observed))
            environment = {
                "MLFLOW_TRACKING_URI": address,
                "MODEL_CACHE_DIR": str(folder / "serving"),
                "DATASETS_URL": str(folder / "datasets"),
            }
            yield Production(folder, version, following, Path(model), bodies, observed, environment)


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Run an MLflow server over a folder, artifacts in its `artifacts/`; yields its address."""
    os.environ.update(shared_env("mlflow"))
    command = ["mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", "{port}"]
    stores = [
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    with server(
        *command, *stores, log=folder / "mlflow.log", ready="/health", environment={}
    ) as started:
        yield f"http://127.0.0.1:{started.port}"


def output_of(module: str, *arguments: str) -> Any:
    """Run a module as a process of its own; return what its last line says, which is JSON.

    Raises
    ------
    RuntimeError
        If it fails; the message ends with what it said.
    """
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


@dataclass(frozen=True)
class Load:
    """The load generator while it runs."""

    process: subprocess.Popen[bytes]

    def result(self) -> Result:
        """Wait until it ends, and return its result."""
        said, _ = self.process.communicate()
        if self.process.returncode:
            raise subprocess.CalledProcessError(self.process.returncode, self.process.args)
        return Result(**json.loads(said))

    def end(self) -> Result:
        """Stop it early: each connection waits for its response and sends no more requests."""
        self.process.terminate()
        return self.result()


@contextmanager
def load(
    started: Server,
    path: str,
    bodies: Path,
    connections: int,
    seconds: float,
    cores: set[int] | None = None,
) -> Iterator[Load]:
    """Run the load generator beside the caller, on some cores only."""
    command = [
        *(sys.executable, "-m", "benchmarks.client", str(started.port), path, str(bodies)),
        *("--connections", str(connections), "--seconds", str(seconds)),
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, preexec_fn=_on(cores), start_new_session=True
    )
    try:
        yield Load(process)
    finally:
        _end(process)


def ask(
    started: Server,
    path: str,
    bodies: Path,
    connections: int,
    seconds: float,
    cores: set[int] | None = None,
) -> Result:
    """Run the load generator to its end."""
    with load(started, path, bodies, connections, seconds, cores) as running:
        return running.result()


def _on(cores: set[int] | None) -> Callable[[], None] | None:
    return (lambda: os.sched_setaffinity(0, cores)) if cores else None
