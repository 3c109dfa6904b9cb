"""Measures the inference service beside other ways to serve the same model: `make bench-serving`.

One server after the other has one core, the load generator the other; the batches have all cores.
Writes its tables to docs/benchmarks.md.
"""

import json
import os
from pathlib import Path
from typing import Any

import requests

from benchmarks.alone import best
from benchmarks.platform import (
    Server,
    as_sent,
    ask,
    observations,
    output_of,
    production,
    server,
)
from benchmarks.serving_page import Batch, Explaining, ServingResults, WayResult, write
from benchmarks.swap import swap
from benchmarks.trial import Outcome
from covertype.contract import FEATURE_NAMES
from inference import COMMAND

SECONDS = float(os.environ.get("BENCH_SECONDS", "8"))
CONNECTIONS = (1, 32, 256)
BATCHES = (1, 100, 10_000, 100_000)
REPLAYED = 10_000
_WARM_UP_SECONDS = 10
_SERVER_CORES, _CLIENT_CORES = {0}, {1}


def measure(name: str, started: Server, path: str, bodies: Path) -> WayResult:
    """Measure a server with 1, 32 and 256 clients."""
    # Wait until the server has finished its background work of the start.
    ask(started, path, bodies, 1, _WARM_UP_SECONDS, _CLIENT_CORES)
    measured = WayResult(name, started.start_seconds, 0)
    for connections in CONNECTIONS:
        measured.results[connections] = ask(
            started, path, bodies, connections, SECONDS, _CLIENT_CORES
        )
        print(f"  {name}: {measured.results[connections]}", flush=True)
    measured.memory_mb = started.memory_mb()
    return measured


def explaining(started: Server, bodies: Path) -> Explaining:
    """Measure answers of this service without and with an explanation, one client at a time."""
    paths = ("/predict", "/predict?explain=true")
    for path in paths:
        ask(started, path, bodies, 1, _WARM_UP_SECONDS / 2, _CLIENT_CORES)
    plain, explained = (ask(started, path, bodies, 1, SECONDS, _CLIENT_CORES) for path in paths)
    return Explaining(plain, explained)


def batches(started: Server, model: Path) -> list[Batch]:
    """Time batches through the whole service, and through scikit-learn's predict alone."""
    alone = output_of("benchmarks.alone", str(model), *map(str, BATCHES))
    measured = []
    for count, seconds in zip(BATCHES, alone, strict=True):
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
            Batch(
                count,
                seconds,
                best(lambda body=as_json: post(body, "application/json")),  # type: ignore[misc]
                best(lambda body=as_csv: post(body, "text/csv")),  # type: ignore[misc]
            )
        )
        print(f"  {measured[-1]}", flush=True)
    return measured


def main() -> None:
    """Measure everything in one run, and write the report."""
    with production() as served:
        split = served.folder / "split"
        split.write_text(
            "".join(
                json.dumps({"dataframe_split": {"columns": FEATURE_NAMES, "data": [row]}}) + "\n"
                for row in served.observed
            )
        )
        uvicorn = ("--port", "{port}", "--no-access-log")

        def run(
            *command: str, ready: str = "/ready", cores: set[int] | None = _SERVER_CORES
        ) -> Any:
            environment = {**served.environment, "MODEL_URI": str(served.model)}
            log = served.folder / "server.log"
            return server(*command, log=log, ready=ready, cores=cores, environment=environment)

        # The first start fetches the version; the measured one finds it on disk.
        with run(*COMMAND, *uvicorn, cores=None) as started:
            first_start = started.start_seconds
            in_batches = batches(started, served.model)
        ways = []
        for name, app in (
            ("empty route", ("uvicorn", "benchmarks.empty:app")),
            ("this service", COMMAND),
            ("empty route, again", ("uvicorn", "benchmarks.empty:app")),
            ("pyfunc over a DataFrame per request", ("uvicorn", "benchmarks.recipe:app")),
        ):
            with run(*app, *uvicorn) as started:
                ways.append(measure(name, started, "/predict", served.bodies))
        serve = ("mlflow", "models", "serve", "-m", str(served.model), "--env-manager", "local")
        one = ("--host", "127.0.0.1", "--port", "{port}", "--workers", "1")
        with run(*serve, *one, ready="/ping") as started:
            ways.append(measure("mlflow models serve", started, "/invocations", split))
        with run(*COMMAND, *uvicorn) as started:
            explained = explaining(started, served.bodies)
        tried = Outcome(**output_of("benchmarks.trial", str(served.model), str(REPLAYED)))
        with run(*COMMAND, *uvicorn, cores=None) as started:
            swapped = swap(started, served)
    write(ServingResults(ways, in_batches, explained, tried, swapped, first_start, SECONDS))


if __name__ == "__main__":
    main()
