"""One version replaces another under load."""

import time
from dataclasses import dataclass
from itertools import cycle

import mlflow
import requests

from benchmarks.client import Result
from benchmarks.platform import Production, Server, load
from covertype.registry.production import to_production

CLIENTS = 32
_BEFORE_SECONDS = 3.0
_AFTER_SECONDS = 5.0
_LONGEST_SECONDS = 300.0
_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Swap:
    """The result of a swap of versions under load.

    `seconds` go from the promotion to the first answer by the new version. The memory is that of
    the service and its follower together, in MB: before the promotion, its peak, and at the end.
    """

    seconds: float
    result: Result
    before_mb: float
    peak_mb: float
    after_mb: float


def swap(started: Server, served: Production) -> Swap:
    """Promote the next version while the load generator runs.

    Raises
    ------
    TimeoutError
        If the new version does not answer within five minutes.
    """
    mlflow.set_tracking_uri(served.environment["MLFLOW_TRACKING_URI"])
    bodies = cycle(served.bodies.read_bytes().splitlines())
    with load(started, "/predict", served.bodies, CLIENTS, 2 * _LONGEST_SECONDS) as running:
        time.sleep(_BEFORE_SECONDS)
        before = peak = started.memory_mb()
        promoted = time.perf_counter()
        to_production(served.following)
        while _answering(started, next(bodies)) != served.following:
            if time.perf_counter() - promoted > _LONGEST_SECONDS:
                raise TimeoutError(f"version {served.following} does not answer")
            peak = max(peak, started.memory_mb())
            time.sleep(_LOOK_SECONDS)
        seconds = time.perf_counter() - promoted
        while time.perf_counter() - promoted < seconds + _AFTER_SECONDS:
            after = started.memory_mb()
            peak = max(peak, after)
            time.sleep(_LOOK_SECONDS)
        return Swap(seconds, running.end(), before, peak, after)


def _answering(started: Server, body: bytes) -> str:
    """Send one request; return the version that answered."""
    response = requests.post(
        f"http://127.0.0.1:{started.port}/predict",
        data=body,
        headers={"Content-Type": "application/json"},
        timeout=10,
    )
    response.raise_for_status()
    return str(response.json()["model_version"])
