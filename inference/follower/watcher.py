"""Follows Production: `python -m inference.follower`, which the service starts.

It is a separate process, so that fetching, checking and compiling a version never delays requests.
It ends when its standard input is closed.
"""

import errno
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlflow
import msgspec
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from requests import RequestException

from covertype.answers import LiveAccuracy, NextBatch, RefusedVersion
from covertype.atomic import DiskUnusable
from covertype.models.predictors import NotFlattened, prove_equal, save_arrays
from covertype.registry import monitoring_tags
from covertype.registry.logged import LoggedModel, fetch_figures, fetched
from covertype.registry.production import MODEL_NAME, STAGE, production_version, version_uri
from inference.log import log_to_stderr
from inference.model import kept
from inference.model.cards import Card, RegistryReport, iso, now
from inference.model.kept import version_of
from inference.model.serving import ServedModel
from inference.model.store import ModelStore
from inference.settings import ServingSettings

log = logging.getLogger(__name__)

_NICENESS = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 4.0, 60.0
_BUSY_SECONDS = 300.0
"""How long it may take to fetch and prove a version, between two reports."""

_TRANSIENT = (MlflowException, RequestException, OSError, MemoryError)
"""Errors that say nothing about the version, such as a registry that is down or a full disk."""

_REGISTRY_ERRORS = (MlflowException, RequestException, ConnectionError, TimeoutError)
"""Errors of MLflow and the network; any other error is a bug or trouble of this process."""

_DISK_IS_FULL = os.strerror(errno.ENOSPC)

_Key = tuple[str, int]
"""A version's folder, and when the version was moved to its stage."""


@dataclass(frozen=True)
class _Unfetched:
    """Why a version could not be fetched, and when it is tried again."""

    reason: str
    pause: float
    again_at: float


class Follower:
    """Fetches the version in Production, proves it, and puts it into the store."""

    def __init__(self, store: ModelStore, poll_seconds: float) -> None:
        self.store = store
        self._good_for = poll_seconds + _BUSY_SECONDS
        self._refused: dict[_Key, RefusedVersion] = {}
        self._unfetched: dict[_Key, _Unfetched] = {}
        self._failure: str | None = None
        former = store.read_report()
        self._next_batch = former.next_batch if former else None
        self._live = former.live if former else None
        self._proven = self._proven_before()

    def check(self) -> RegistryReport:
        """Check the registry once, fetch a new version if there is one, and report."""
        failure = None
        try:
            version = production_version()
            report = self._follow(version) if version else self._report(self._nothing())
        except _REGISTRY_ERRORS as error:
            report = self._report(
                f"the registry can't be used: {_first_line(error)}", reachable=False
            )
        except Exception as error:
            failure = f"the follower failed: {type(error).__name__}: {_first_line(error)}"
            if failure != self._failure:
                log.exception("The follower failed")
            report = self._report(failure, reachable=False)
        self._failure = failure
        try:
            self.store.write_report(report)
        except OSError as error:
            # The next check writes it again; until then readers have the report before.
            log.error("The registry's report can't be written to %s: %s", self.store.root, error)
        return report

    def _proven_before(self) -> str | None:
        """Return the kept version, or None if it is damaged: then it is fetched again."""
        name = self.store.current
        if name is not None:
            try:
                self._open_kept(name)
            except Exception as error:
                log.warning("The kept version %s can't be loaded: %s", version_of(name), error)
                return None
        return name

    def _open_kept(self, name: str) -> None:
        """Prove a kept version again, and convert it if a former release kept it."""
        former = self.store.folder(name)
        try:
            ServedModel.load(former, self.store.compiled)
        except NotFlattened:
            log.info("Version %s was kept by a former release: flattening it", version_of(name))
            with self.store.incoming(name) as folder:
                kept.link(former, folder)
                self._prepare(folder)

    def _prepare(self, folder: Path) -> None:
        """Flatten the model in a version's folder, and prove the result."""
        save_arrays(folder)
        prove_equal(ServedModel.load(folder, self.store.compiled).predictor, folder)

    def _nothing(self) -> str:
        message = f"no version of {MODEL_NAME} is in {STAGE}"
        if self._proven is None:
            return message
        return (
            f"{message}: version {version_of(self._proven)}, the last that was, goes on answering"
        )

    def _report(self, message: str, *, reachable: bool = True, **facts: Any) -> RegistryReport:
        return RegistryReport(
            reachable=reachable,
            message=message,
            checked_at=now(),
            looked_at=time.monotonic(),
            good_for=self._good_for,
            next_batch=self._next_batch,
            live=self._live,
            **facts,
        )

    def _follow(self, version: ModelVersion) -> RegistryReport:
        name = kept.folder_name(version.version, version.run_id)
        key = (name, int(version.last_updated_timestamp))
        if name != self._proven and key not in self._refused:
            self._try(version, name, key)
        tagged = (version.version, version.tags)
        self._next_batch = monitoring_tags.from_tags(NextBatch, *tagged)
        self._live = monitoring_tags.from_tags(LiveAccuracy, *tagged)
        message = f"version {version.version} is in {STAGE}"
        refused = self._refused.get(key)
        if refused is not None:
            message += f", but was refused: {refused.reason}"
        elif key in self._unfetched:
            message += f", but can't be fetched yet: {self._unfetched[key].reason}"
        return self._report(message, production=version.version, refused=refused)

    def _try(self, version: ModelVersion, name: str, key: _Key) -> None:
        """Fetch a version, unless the backoff after the last try has not passed."""
        former = self._unfetched.get(key)
        if former is not None and time.monotonic() < former.again_at:
            return
        try:
            refusal = self._bring(version, name)
        except _TRANSIENT as error:
            pause = min(2 * former.pause, _LONGEST_PAUSE) if former else _FIRST_PAUSE
            again_at = time.monotonic() + pause
            reason = _first_line(error)
            if _DISK_IS_FULL in reason:
                # MLflow's client wraps the system's error.
                reason = str(DiskUnusable.of(self.store.root, errno.ENOSPC))
            self._unfetched = {key: _Unfetched(reason, pause, again_at)}
            return
        self._unfetched = {}
        if refusal is None:
            self._proven = name
        else:
            self._refused[key] = refusal

    def _bring(self, version: ModelVersion, name: str) -> RefusedVersion | None:
        """Fetch, prove and keep a version; return the refusal if it is unfit.

        Transient errors are raised, so that it is tried again.
        """
        if self._bring_back(version, name):
            return None
        log.info("Version %s is in %s: fetching it", version.version, STAGE)
        try:
            with self.store.incoming(name) as folder:
                _fetch(version, folder)
                self._prepare(folder)
        except _TRANSIENT:
            raise
        except Exception as error:
            log.exception("Version %s is refused", version.version)
            return RefusedVersion(version.version, _first_line(error), now())
        log.info("Version %s answers from now on", version.version)
        return None

    def _bring_back(self, version: ModelVersion, name: str) -> bool:
        """Serve a kept version again, as after a rollback; return False if it has to be fetched."""
        folder = self.store.folder(name)
        if not folder.is_dir():
            return False
        try:
            self._open_kept(name)
            card, since = kept.read_card(folder), iso(version.last_updated_timestamp)
            kept.write_card(folder, msgspec.structs.replace(card, since=since))
        except Exception as error:
            log.warning("The kept version %s can't be loaded: %s", version.version, error)
            return False
        self.store.point_to(name)
        log.info("Version %s was kept, and answers again", version.version)
        return True


def _fetch(version: ModelVersion, folder: Path) -> None:
    """Put a version's model and card into a folder.

    Raises
    ------
    ValueError
        If this platform did not log the model.
    """
    with fetched(version_uri(version.version), within=folder.parent) as model:
        if not model.file.exists():
            raise ValueError(f"it holds no {model.file.name}: only skops models are served")
        kept.write_card(folder, _make_card(version, model))
        model.file.rename(kept.model_file(folder))


def _make_card(version: ModelVersion, model: LoggedModel) -> Card:
    run = MlflowClient().get_run(version.run_id)
    facts = {
        "name": MODEL_NAME,
        "version": str(version.version),
        "stage": version.current_stage,
        "since": iso(version.last_updated_timestamp),
        "run_id": version.run_id,
        "experiment_id": run.info.experiment_id,
        "metrics": run.data.metrics,
        "parameters": run.data.params,
        **asdict(model.read_proof()),
        **asdict(fetch_figures(run.info.run_id)),
    }
    return msgspec.convert(facts, Card)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:500]


def main() -> None:
    """Follow Production until standard input is closed."""
    log_to_stderr()
    # Requests have priority if the machine has only one core.
    os.nice(_NICENESS)
    settings = ServingSettings()
    # The client's own retries would hide for minutes that the registry is down; this loop retries.
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(settings.registry_timeout_seconds)
    mlflow.set_tracking_uri(settings.mlflow_tracking_uri)
    # Ctrl-C reaches the whole process group; the service decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopped = threading.Event()
    threading.Thread(target=_wait_for_end, args=[stopped], daemon=True).start()
    follower = Follower(ModelStore(settings.model_cache_dir), settings.registry_poll_seconds)
    said = ""
    while True:
        report = follower.check()
        if report.message != said:
            said = report.message
            (log.info if report.reachable else log.warning)("Registry: %s", said)
        if stopped.wait(settings.registry_poll_seconds):
            return


def _wait_for_end(stopped: threading.Event) -> None:
    sys.stdin.read()
    stopped.set()
    # A hanging fetch must not keep the process alive.
    timer = threading.Timer(2, os._exit, args=[0])
    timer.daemon = True
    timer.start()
