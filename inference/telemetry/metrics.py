"""Prometheus metrics of the service, served at `/metrics`.

If uvicorn runs several workers, they share their metrics through files, as prometheus_client does
it, so that each worker reports the sum of all. Importing this module has no effect.
"""

import math
import multiprocessing
import os
import stat
import tempfile
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from covertype.answers import REQUESTS_BY_VERSION

SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder of the workers' metrics; prometheus_client reads it too."""


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "covertype_requests", "Requests answered", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "covertype_request_seconds",
            "Time from the head of a request to the end of its answer",
            ["route"],
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
            registry=registry,
        )
        self.predictions = Counter(
            "covertype_predictions",
            "Observations answered",
            ["version", "label"],
            registry=registry,
        )
        self.by_version = Counter(
            REQUESTS_BY_VERSION,
            "Requests for predictions that a version answered, or failed to",
            ["version", "result"],
            registry=registry,
        )
        self.reloads = Counter(
            "covertype_reloads", "Versions taken over, or not", ["result"], registry=registry
        )
        self.model_version = Gauge(
            "covertype_model_version",
            "The version that answers, 0 for none",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.holdout_accuracy = _figure(
            "covertype_holdout_accuracy",
            "Accuracy of the version that answers on its holdout, NaN if unknown",
            registry,
        )
        self.next_batch_accuracy = _figure(
            "covertype_next_batch_accuracy",
            "Accuracy of the version that answers on the newest batch that it was not trained on, "
            "NaN until one was scored",
            registry,
        )
        self.next_batch = _figure(
            "covertype_next_batch",
            "The batch of covertype_next_batch_accuracy, NaN until one was scored",
            registry,
        )
        self.live_accuracy = _figure(
            "covertype_live_accuracy",
            "Accuracy of the version that answers by the true classes of the last 30 days, "
            "NaN until monitoring has read some",
            registry,
        )
        self.live_rows = _figure(
            "covertype_live_rows",
            "The number of true classes of covertype_live_accuracy, NaN until there are some",
            registry,
        )
        self.registry_reachable = Gauge(
            "covertype_registry_reachable",
            "1 if the last look at the registry succeeded",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.logged = Counter(
            "covertype_prediction_log_rows",
            "Rows of the prediction log",
            ["result"],
            registry=registry,
        )
        self.feedback = Counter(
            "covertype_feedback",
            "True classes received",
            ["version", "result"],
            registry=registry,
        )
        self.feedback_logged = Counter(
            "covertype_feedback_log_rows",
            "Rows of the log of true classes",
            ["result"],
            registry=registry,
        )

    @classmethod
    def start(cls) -> "Metrics":
        """Create the metrics of this process, shared with the other workers if there are any.

        Raises
        ------
        RuntimeError
            If another user could write to the folder that the workers share.
        """
        _share_with_other_workers()
        return cls()

    def forget_worker(self) -> None:
        """Remove the state of this worker from the shared metrics when it ends."""
        if SHARED_METRICS in os.environ:
            mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]

    def render(self) -> bytes:
        """Return the metrics of all workers in Prometheus' text format."""
        if SHARED_METRICS not in os.environ:
            return generate_latest(self._registry)
        _forget_dead_workers(Path(os.environ[SHARED_METRICS]))
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def _figure(name: str, about: str, registry: CollectorRegistry) -> Gauge:
    """Return a gauge for what all workers read at the same place; it is NaN until it is set."""
    gauge = Gauge(name, about, registry=registry, multiprocess_mode="livemostrecent")
    gauge.set(math.nan)
    return gauge


def _share_with_other_workers() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None and SHARED_METRICS not in os.environ:
        os.environ[SHARED_METRICS] = str(_private_folder(parent.pid))
    if SHARED_METRICS in os.environ:
        # prometheus_client chose when it was imported, which was before the variable was set.
        values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]


def _private_folder(pid: int | None) -> Path:
    """Return the folder that the workers of a parent process share, made by the first of them."""
    folder = Path(tempfile.gettempdir()) / f"covertype-metrics-{os.getuid()}-{pid}"
    folder.mkdir(mode=0o700, exist_ok=True)
    made = folder.lstat()
    if not stat.S_ISDIR(made.st_mode) or made.st_uid != os.getuid() or made.st_mode & 0o077:
        raise RuntimeError(f"{folder} is not ours alone: remove it, or set {SHARED_METRICS}")
    return folder


def _forget_dead_workers(folder: Path) -> None:
    """Remove the state of workers that were killed from the shared metrics."""
    for pid in {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
