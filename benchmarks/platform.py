"""Servers of a benchmark: an MLflow with one forest in Production, and whatever is measured."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import psutil
import requests

from benchmarks.client import Result
from covertype.contract import FEATURE_NAMES, QUANTITY_NAMES
from covertype.estimators import build
from covertype.promotion import register
from covertype.registry import to_production
from covertype.searches import FOREST
from covertype.tracking import log_model
from covertype.training import TrainingSet, train
from covertype.versions import MODEL_NAME
from tools.processes import told

ROOT = Path(__file__).parents[1]
_DATA = ROOT / "data-api" / "covertype.parquet"
_START_SECONDS = 120
_ROWS = 58_101
_PARAMETERS = {"n_estimators": 100, "max_depth": None}
MODEL = f"{_PARAMETERS['n_estimators']} trees without a depth limit, trained on {_ROWS:,} rows"


@dataclass(frozen=True)
class Server:
    """A server that runs: its port, how long it took to be ready, and its processes."""

    port: int
    start_seconds: float
    process: psutil.Process

    def memory_mb(self) -> float:
        """Return the memory of its processes, in MB, what they share counted once."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(float(process.memory_full_info().pss) for process in family) / 1e6


def observations(count: int) -> pd.DataFrame:
    """Return real observations, drawn with a fixed seed, with their classes."""
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

    `bodies` are 2,000 different real observations for `/predict`, a line each; `observed` are the
    same as rows.
    """

    folder: Path
    model: Path
    bodies: Path
    observed: list[list[object]]
    environment: dict[str, str]


@contextmanager
def production() -> Iterator[Production]:
    """Run an MLflow with one forest in Production, all of it gone at the end."""
    warnings.filterwarnings("ignore", message=".*integer column", category=UserWarning)
    os.environ.update(told("mlflow"))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with _registry(folder) as address:
            print(f"Training {MODEL}", flush=True)
            version = _add_version(address)
            to_production(version)
            model = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version}"))
            observed = as_sent(observations(2000))
            bodies = folder / "bodies"
            bodies.write_text("".join(f'{{"features": {json.dumps(row)}}}\n' for row in observed))
            environment = {
                "MLFLOW_TRACKING_URI": address,
                "MODEL_CACHE_DIR": str(folder / "serving"),
                "DATASETS_URL": str(folder / "datasets"),
            }
            yield Production(folder, model, bodies, observed, environment)


@contextmanager
def _registry(folder: Path) -> Iterator[str]:
    """Run an MLflow server over a folder; yields its address."""
    command = ["mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", "{port}"]
    stores = [
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    with server(
        *command, *stores, log=folder / "mlflow.log", ready="/health", environment={}
    ) as started:
        yield f"http://127.0.0.1:{started.port}"


def _add_version(address: str) -> str:
    """Train, log and register the forest; return its version."""
    mlflow.set_tracking_uri(address)
    mlflow.set_experiment(FOREST.experiment)
    data = TrainingSet.from_rows(observations(_ROWS))
    model = train(build(FOREST, _PARAMETERS), data).model
    with mlflow.start_run() as run:
        mlflow.log_params(_PARAMETERS)
        mlflow.log_metric("accuracy", float(model.score(data.test.observations, data.test.classes)))
        log_model(model, FOREST.model_name, data)
    return register(run.info.run_id)


def ask(
    started: Server,
    path: str,
    bodies: Path,
    connections: int,
    seconds: float,
    cores: set[int] | None = None,
) -> Result:
    """Run the load generator, on some cores only."""
    command = [
        *(sys.executable, "-m", "benchmarks.client", str(started.port), path, str(bodies)),
        *("--connections", str(connections), "--seconds", str(seconds)),
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        preexec_fn=_on(cores),
    )
    return Result(**json.loads(done.stdout))


def _on(cores: set[int] | None) -> Callable[[], None] | None:
    return (lambda: os.sched_setaffinity(0, cores)) if cores else None
