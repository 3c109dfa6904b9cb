"""What Prometheus reads at `/metrics`.

Where uvicorn runs several workers, their figures are shared through files, as prometheus_client
does it, so that each of them answers for all.
"""

import multiprocessing
import os
import stat
import tempfile
from pathlib import Path

SHARED_FIGURES = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder of the workers' figures; read by prometheus_client when it is imported."""

_parent = multiprocessing.parent_process()
if _parent is not None and SHARED_FIGURES not in os.environ:
    _shared = Path(tempfile.gettempdir()) / f"covertype-metrics-{os.getuid()}-{_parent.pid}"
    _shared.mkdir(mode=0o700, exist_ok=True)
    _made = _shared.lstat()
    if not stat.S_ISDIR(_made.st_mode) or _made.st_uid != os.getuid() or _made.st_mode & 0o077:
        raise RuntimeError(f"{_shared} is not ours alone: remove it, or set {SHARED_FIGURES}")
    os.environ[SHARED_FIGURES] = str(_shared)

from prometheus_client import (  # noqa: E402
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import (  # noqa: E402
    MultiProcessCollector,
    mark_process_dead,
)

REGISTRY = CollectorRegistry()

REQUESTS = Counter(
    "covertype_requests", "Requests answered", ["route", "status"], registry=REGISTRY
)
SECONDS = Histogram(
    "covertype_request_seconds",
    "Time from the head of a request to the end of its answer",
    ["route"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
    registry=REGISTRY,
)
PREDICTIONS = Counter(
    "covertype_predictions", "Observations answered", ["version", "label"], registry=REGISTRY
)
RELOADS = Counter("covertype_reloads", "Versions taken over, or not", ["result"], registry=REGISTRY)
MODEL_VERSION = Gauge(
    "covertype_model_version",
    "The version that answers, 0 for none",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
REGISTRY_REACHABLE = Gauge(
    "covertype_registry_reachable",
    "1 if the last look at the registry succeeded",
    registry=REGISTRY,
    multiprocess_mode="livemin",
)
LOGGED = Counter(
    "covertype_prediction_log_rows", "Rows of the prediction log", ["result"], registry=REGISTRY
)


def forget_worker() -> None:
    """Take what this worker alone is out of the shared figures, when it ends."""
    if SHARED_FIGURES in os.environ:
        mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]


def render() -> bytes:
    """Return all figures as Prometheus reads them."""
    if SHARED_FIGURES not in os.environ:
        return generate_latest(REGISTRY)
    _forget_the_dead(Path(os.environ[SHARED_FIGURES]))
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)


def _forget_the_dead(folder: Path) -> None:
    """Take workers that were killed out of the shared figures."""
    for pid in {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
