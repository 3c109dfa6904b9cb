"""Measures the inference service beside other ways to serve the same model: `make bench-serving`.

One server after the other has one core, the load generator the other; the batches have all cores.
Writes its tables to docs/benchmarks.md.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import mlflow
import requests

from benchmarks import report
from benchmarks.client import Result
from benchmarks.platform import (
    ROOT,
    Server,
    add_version,
    as_sent,
    observations,
    promote,
    registry,
    server,
)
from covertype.contract import FEATURE_NAMES
from covertype.models import load_model
from covertype.versions import MODEL_NAME

SECONDS = float(os.environ.get("BENCH_SECONDS", "8"))
ROWS = 58_101
FOREST = {"n_estimators": 100, "max_depth": None}
CONNECTIONS = (1, 32, 256)
BATCHES = (1, 100, 10_000, 100_000)
_TRIES = 3
_SERVER_CORES, _CLIENT_CORES = {0}, {1}


@dataclass
class Measured:
    """What one way to serve the model gave: results by the number of connections."""

    name: str
    start_seconds: float
    memory_mb: float
    results: dict[int, Result] = field(default_factory=dict)


def measure(name: str, started: Server, path: str, bodies: Path) -> Measured:
    """Ask a server by one, 32 and 256 clients."""
    ask(started, path, bodies, 1, seconds=2)
    measured = Measured(name, started.start_seconds, 0)
    for connections in CONNECTIONS:
        measured.results[connections] = ask(started, path, bodies, connections, SECONDS)
        print(f"  {name}: {measured.results[connections]}", flush=True)
    measured.memory_mb = started.memory_mb()
    return measured


def ask(started: Server, path: str, bodies: Path, connections: int, seconds: float) -> Result:
    """Run the load generator on its own core."""
    command = [
        *(sys.executable, "-m", "benchmarks.client", str(started.port), path, str(bodies)),
        *("--connections", str(connections), "--seconds", str(seconds)),
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, _CLIENT_CORES),
    )
    return Result(**json.loads(done.stdout))


def best(work: Callable[[], object]) -> float:
    """Return the seconds of the quickest of a few tries."""
    seconds = []
    for _ in range(_TRIES):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def batches(started: Server, model: Any) -> list[report.Batch]:
    """Time batches through the service, whole way, and scikit-learn's predict alone on them."""
    measured = []
    for count in BATCHES:
        rows = observations(count)[list(FEATURE_NAMES)]
        address = f"http://127.0.0.1:{started.port}/predict/batch"
        as_json = json.dumps({"features": as_sent(rows)}).encode()
        as_csv = rows.to_csv(index=False).encode()

        def post(body: bytes, kind: str, address: str = address) -> None:
            response = requests.post(
                address, data=body, headers={"Content-Type": kind}, timeout=120
            )
            response.raise_for_status()

        measured.append(
            report.Batch(
                count,
                best(lambda rows=rows: model.predict(rows)),  # type: ignore[misc]
                best(lambda body=as_json: post(body, "application/json")),  # type: ignore[misc]
                best(lambda body=as_csv: post(body, "text/csv")),  # type: ignore[misc]
            )
        )
        print(f"  {measured[-1]}", flush=True)
    return measured


def main() -> None:
    """Measure everything in one run, and write it down."""
    warnings.filterwarnings("ignore", message=".*integer column", category=UserWarning)
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        print(f"Training a forest on {ROWS} rows", flush=True)
        with registry(folder) as address:
            number, _ = add_version(address, observations(ROWS), FOREST)
            promote(number)
            uri = f"models:/{MODEL_NAME}/{number}"
            local = Path(mlflow.artifacts.download_artifacts(uri))
            model = load_model(local)
            rows = as_sent(observations(2000))
            bodies = folder / "bodies"
            bodies.write_text("".join(f'{{"features": {json.dumps(row)}}}\n' for row in rows))
            split = folder / "split"
            split.write_text(
                "".join(
                    json.dumps({"dataframe_split": {"columns": FEATURE_NAMES, "data": [row]}})
                    + "\n"
                    for row in rows
                )
            )
            environment = {
                "MLFLOW_TRACKING_URI": address,
                "MODEL_CACHE_DIR": str(folder / "serving"),
                "DATASETS_URL": str(folder / "datasets"),
                "MODEL_URI": str(local),
            }
            uvicorn = ("--port", "{port}", "--no-access-log")

            def run(
                *command: str, ready: str = "/ready", cores: set[int] | None = _SERVER_CORES
            ) -> Any:
                log = folder / "server.log"
                return server(*command, log=log, ready=ready, cores=cores, environment=environment)

            # The first start fetches the version; measured is one that finds it on the disk.
            with run("uvicorn", "inference.main:app", *uvicorn, cores=None) as started:
                first_start = started.start_seconds
                in_batches = batches(started, model)
            ways = []
            for name, app in (
                ("empty route", "benchmarks.empty:app"),
                ("this service", "inference.main:app"),
                ("empty route, again", "benchmarks.empty:app"),
                ("pyfunc over a DataFrame per request", "benchmarks.recipe:app"),
            ):
                with run("uvicorn", app, *uvicorn) as started:
                    ways.append(measure(name, started, "/predict", bodies))
            serve = ("mlflow", "models", "serve", "-m", str(local), "--env-manager", "local")
            one = ("--host", "127.0.0.1", "--port", "{port}", "--workers", "1")
            with run(*serve, *one, ready="/ping") as started:
                ways.append(measure("mlflow models serve", started, "/invocations", split))
            nodes = sum(tree.tree_.node_count for tree in model[-1].estimators_)
    facts = {
        "when": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "packages": ", ".join(
            f"{name} {installed(name)}"
            for name in ("scikit-learn", "mlflow", "fastapi", "uvicorn", "numba")
        ),
        "model": f"{FOREST['n_estimators']} trees without a depth limit, {nodes:,} nodes, "
        f"trained on {ROWS:,} rows",
    }
    report.write(report.Serving(facts, ways, in_batches, first_start, SECONDS))


def _processor() -> str:
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
