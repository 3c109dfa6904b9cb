"""Reports in plain words how the platform gets to its first prediction."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import mlflow
import pandas as pd
import requests
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from covertype.contract import FEATURE_NAMES, GROUPS
from covertype.data import Datasets
from covertype.gate.verdicts import REASON
from covertype.registry.production import MODEL_NAME, production_version
from covertype.training.searches import FOREST, LOGREG, LOGREG_GRID
from tools.local.processes import AIRFLOW_PASSWORD, AIRFLOW_USER, ROOT, Processes

_START_SECONDS = 180
_MODEL_SECONDS = 900
_PAUSE_SECONDS = 1.0
_TIMEOUT = 5

_SEARCHES = (FOREST, LOGREG, LOGREG_GRID)

_HEALTH = {
    "mlflow": "/health",
    "data-api": "/health",
    "airflow": "/api/v2/monitor/health",
    "inference": "/health",
    "ui": "/_stcore/health",
}


class NoProgress(Exception):
    """The platform did not reach its next step; the message names the step and the log."""


class NotUp(NoProgress):
    """A service did not start."""


class Ended(Exception):
    """The platform is being stopped, so there is nothing more to report."""


@dataclass(frozen=True)
class FirstPrediction:
    """The inference service's first answer, and the run that trained its model."""

    features: dict[str, Any]
    answer: dict[str, Any]
    run: Run


class StartNarrator:
    """Follows the platform from its start to a first prediction."""

    def __init__(self, processes: Processes, ended: Callable[[], bool]) -> None:
        self._processes = processes
        self._ended = ended
        self._datasets = Datasets(processes.state / "datasets")
        self._start = time.monotonic()
        self._started_at = datetime.now(UTC)
        self._printed: set[str] = set()
        self._session = requests.Session()
        mlflow.set_tracking_uri(processes.address("mlflow"))

    def follow(self) -> FirstPrediction:
        """Report each step as it happens; return the first prediction.

        Raises
        ------
        NoProgress
            If a service does not start, a DAG fails, or no model is ready in time.
        Ended
            If the platform is stopped in the meantime.
        """
        self._wait_for_services()
        self._wait_for_model()
        return self._predict()

    def follow_searches(self) -> None:
        """Report each trained candidate until every search has saved its best model.

        Raises
        ------
        NoProgress
            If a DAG fails or the candidates take too long.
        """
        deadline = time.monotonic() + _MODEL_SECONDS
        models = self._processes.state / "models"
        while missing := [s for s in _SEARCHES if not (models / s.best_file).exists()]:
            self._raise_if_a_dag_failed()
            if time.monotonic() > deadline:
                raise NoProgress(
                    f"No {', '.join(search.best_file for search in missing)} was made: "
                    f"see {self._processes.log('airflow')}"
                )
            self._pause()
            self._report_runs()

    def _print_once(self, text: str) -> None:
        if text not in self._printed:
            self._printed.add(text)
            print(f"{time.monotonic() - self._start:5.0f} s  {text}", flush=True)

    def _pause(self) -> None:
        time.sleep(_PAUSE_SECONDS)
        if self._ended():
            raise Ended

    def _wait_for_services(self) -> None:
        waiting = dict(_HEALTH)
        self._print_once(f"Starting {', '.join(waiting)} …")
        while waiting:
            for service, path in list(waiting.items()):
                if self._healthy(service, path):
                    del waiting[service]
                    self._print_once(f"{service} is up at {self._processes.address(service)}")
            if waiting and time.monotonic() - self._start > _START_SECONDS:
                service = next(iter(waiting))
                raise NotUp(
                    f"{service} did not come up in {_START_SECONDS} s: "
                    f"see {self._processes.log(service)}"
                )
            self._pause()

    def _healthy(self, service: str, path: str) -> bool:
        try:
            answer = self._session.get(self._processes.address(service) + path, timeout=_TIMEOUT)
        except requests.RequestException:
            return False
        if service == "airflow" and answer.ok:
            parts = answer.json()
            return all(
                parts[part]["status"] == "healthy"
                for part in ("metadatabase", "scheduler", "dag_processor")
            )
        return answer.ok

    def _wait_for_model(self) -> None:
        deadline = time.monotonic() + _MODEL_SECONDS
        while (version := production_version()) is None:
            self._report_data()
            self._report_runs()
            self._raise_if_a_dag_failed()
            if time.monotonic() > deadline:
                raise NoProgress(
                    f"No model reached Production in {_MODEL_SECONDS // 60} minutes: see the DAGs "
                    f"at {self._processes.address('airflow')} "
                    f"and {self._processes.log('airflow')}"
                )
            self._pause()
        self._report_runs()
        reason = version.tags.get(REASON, "by hand")
        self._print_once(f"{MODEL_NAME} version {version.version} is in Production: {reason}")

    def _report_data(self) -> None:
        names = self._datasets.raw_names()
        if names and (len(names) < len(GROUPS) or not self._datasets.snapshot_names()):
            self._print_once(f"Collecting: {len(names)} files from the data API")
        for name in self._datasets.snapshot_names():
            rows = name.split("_")[1]
            self._print_once(f"Preprocessed: {rows} distinct valid rows to train on")

    def _report_runs(self) -> None:
        client = MlflowClient()
        for search in _SEARCHES:
            experiment = client.get_experiment_by_name(search.experiment)
            if experiment is None:
                continue
            since = int(self._started_at.timestamp() * 1000)
            query = f"attributes.start_time >= {since} and attributes.status = 'FINISHED'"
            for run in client.search_runs([experiment.experiment_id], query):
                self._print_once(
                    f"Trained {run.info.run_name}: accuracy {run.data.metrics['accuracy']:.4f} "
                    f"in {run.data.metrics['training_seconds']:.1f} s"
                )

    def _raise_if_a_dag_failed(self) -> None:
        address = self._processes.address("airflow")
        try:
            token = self._session.post(
                f"{address}/auth/token",
                json={"username": AIRFLOW_USER, "password": AIRFLOW_PASSWORD},
                timeout=_TIMEOUT,
            ).json()["access_token"]
            failed = self._session.get(
                f"{address}/api/v2/dags/~/dagRuns",
                params={
                    "state": "failed",
                    "start_date_gte": self._started_at.isoformat(),
                    "limit": "1",
                },
                headers={"Authorization": f"Bearer {token}"},
                timeout=_TIMEOUT,
            ).json()["dag_runs"]
        except (requests.RequestException, KeyError, ValueError):
            return
        for run in failed:
            raise NoProgress(
                f"{run['dag_id']} failed: see its log at "
                f"{address}/dags/{run['dag_id']}/runs/{run['dag_run_id']}"
            )

    def _predict(self) -> FirstPrediction:
        row = pd.read_parquet(ROOT / "data-api" / "covertype.parquet").astype(object).iloc[0]
        features = {name: row[name] for name in FEATURE_NAMES}
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                answer = self._session.post(
                    f"{self._processes.address('inference')}/predict",
                    json={"features": features},
                    timeout=_TIMEOUT,
                )
                if answer.ok:
                    break
            except requests.RequestException:
                pass
            if time.monotonic() > deadline:
                raise NoProgress(
                    "The inference service did not take up the model: "
                    f"see {self._processes.log('inference')}"
                )
            self._pause()
        return FirstPrediction(
            features, answer.json(), self._run_of(answer.json()["model_version"])
        )

    def _run_of(self, version: str) -> Run:
        try:
            client = MlflowClient()
            return client.get_run(client.get_model_version(MODEL_NAME, version).run_id)
        except MlflowException as error:
            raise NoProgress(f"Version {version} answered, but MLflow has no run of it") from error
