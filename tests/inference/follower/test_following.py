"""The service beside a real registry: it follows, refuses what is broken, and never goes away."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import msgspec
import numpy as np
import numpy.typing as npt
import pytest
import requests
from mlflow import MlflowClient
from sklearn.pipeline import Pipeline

from covertype import jobs
from covertype.answers import LiveAccuracy, NextBatch
from covertype.contract import CLASSES
from covertype.data import Datasets
from covertype.history import Kind
from covertype.jobs.watching import NothingToWatch
from covertype.models.artifact import MODEL_FILE, class_probabilities
from covertype.registry.changes import put_into_production
from covertype.registry.logged import log_model
from covertype.registry.monitoring_tags import to_tags
from covertype.registry.names import MODEL_NAME
from covertype.registry.production import to_production
from covertype.registry.promotion import register
from covertype.training.fitting import TrainingSet
from covertype.training.searches import FOREST
from inference import COMMAND
from tests.conftest import wait_until
from tests.load import Load
from tests.models import make_forest
from tools.local.processes import shared_env

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*integer column:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*stages:FutureWarning"),
]

FOLLOWED_WITHIN = 10.0
LOAD_SECONDS = 20.0
Answers = npt.NDArray[np.float64]


class Registry:
    """An MLflow server that can be killed, and the versions registered in it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.artifacts = folder / "artifacts"
        self._command = [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
            *("--artifacts-destination", str(self.artifacts)),
        ]
        self._log = folder / "mlflow.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.models: dict[str, Pipeline] = {}

    def start(self) -> None:
        environment = os.environ | shared_env("mlflow")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        wait_until(lambda: answers(f"{self.address}/health"), 60)

    def kill(self) -> None:
        assert self._process
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def add(self, data: TrainingSet, seed: int) -> str:
        """Train, log and register one more version; return its number."""
        model = make_forest(data, n_estimators=10, random_state=seed)
        mlflow.set_tracking_uri(self.address)
        mlflow.set_experiment(FOREST.experiment)
        with mlflow.start_run() as run:
            mlflow.log_metric("accuracy", 0.5)
            log_model(model, FOREST.model_name, data)
        version = register(run.info.run_id)
        self.models[version] = model
        return version

    def breaks(self, version: str, other: str) -> None:
        """Put another version's weights in the place of a version's own."""
        ours, others = (self._model_file(number) for number in (version, other))
        ours.write_bytes(others.read_bytes())

    def _model_file(self, version: str) -> Path:
        source = MlflowClient().get_model_version(MODEL_NAME, version).source
        (path,) = self.artifacts.glob(f"*/models/{source.rsplit('/', 1)[-1]}/artifacts")
        return path / MODEL_FILE


class Running:
    """The service as users start it; with `compiled`, its machine code is made already."""

    def __init__(
        self,
        folder: Path,
        port: int,
        registry: str,
        compiled: Path | None = None,
        **settings: str,
    ) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.log = folder / "service.log"
        self.datasets = folder / "datasets"
        self.models = folder / "models"
        if compiled and not self.models.exists():
            self.models.mkdir()
            (self.models / "compiled").symlink_to(compiled)
        environment = os.environ | {
            "MLFLOW_TRACKING_URI": registry,
            "MODEL_CACHE_DIR": str(self.models),
            "DATASETS_URL": str(self.datasets),
            "REGISTRY_TIMEOUT_SECONDS": "2",
            **settings,
        }
        command = [sys.executable, "-m", *COMMAND, "--port", str(port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)

    def get(self, path: str) -> Any:
        return requests.get(f"{self.address}{path}", timeout=10).json()

    def figure(self, name: str) -> float:
        """Return one figure of all workers, 0 before its first."""
        try:
            text = requests.get(f"{self.address}/metrics", timeout=2).text
        except requests.RequestException:
            return 0
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    def serves(self, version: str) -> bool:
        # One request: the next may meet another worker.
        try:
            ready = requests.get(f"{self.address}/ready", timeout=2)
        except requests.RequestException:
            return False
        return ready.ok and ready.json()["model_version"] == version


def answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=2).ok
    except requests.RequestException:
        return False


@pytest.fixture(scope="module")
def registry(
    tmp_path_factory: pytest.TempPathFactory, free_ports: Iterator[int], data: TrainingSet
) -> Iterator[Registry]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in shared_env("mlflow").items():
            patch.setenv(name, value)
        registry = Registry(tmp_path_factory.mktemp("registry"), next(free_ports))
        registry.start()
        try:
            for seed in range(6):
                registry.add(data, seed)
            yield registry
        finally:
            registry.kill()


Serve = Callable[..., Running]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def serve(
    tmp_path: Path, free_ports: Iterator[int], registry: Registry, compiled: Path
) -> Iterator[Serve]:
    started: list[Running] = []

    def serve(**settings: str) -> Running:
        address = registry.address
        started.append(Running(tmp_path, next(free_ports), address, compiled, **settings))
        return started[-1]

    try:
        yield serve
    finally:
        for service in started:
            service.stop()


def expected_by_version(registry: Registry, data: TrainingSet) -> dict[str, Answers]:
    return {
        version: class_probabilities(model, data.selection.observations)
        for version, model in registry.models.items()
    }


@contextmanager
def down(registry: Registry) -> Iterator[None]:
    registry.kill()
    try:
        yield
    finally:
        registry.start()


def test_versions_are_followed_under_load_and_the_broken_one_is_refused(
    registry: Registry, serve: Serve, data: TrainingSet, rows: list[list[object]]
) -> None:
    to_production("1")
    service = serve()
    wait_until(lambda: service.serves("1"), 60)
    registry.breaks("4", other="5")
    with Load(service.address, rows) as load:
        for version in ("2", "3", "5"):
            to_production(version)
            assert wait_until(lambda v=version: service.serves(v), 30) < FOLLOWED_WITHIN  # type: ignore[misc]
        to_production("4")
        wait_until(lambda: service.get("/health")["registry"]["refused"] is not None, 30)
        assert service.serves("5")
        health = service.get("/health")
        to_production("6")
        wait_until(lambda: service.serves("6"), 30)
        wait_until(lambda: load.seconds > LOAD_SECONDS, LOAD_SECONDS)
    assert health["status"] == "degraded"
    assert health["registry"]["refused"]["version"] == "4"
    assert "golden rows otherwise than in training" in health["registry"]["refused"]["reason"]
    assert "Version 4 is refused" in service.log.read_text()
    assert not load.failures
    expected = expected_by_version(registry, data)
    for number, answer in load.answers:
        wanted = expected[answer["model_version"]][number]
        assert list(answer["probabilities"].values()) == wanted.tolist()
        assert answer["label"] == CLASSES[wanted.argmax()]
    assert {answer["model_version"] for _, answer in load.answers} == {"1", "2", "3", "5", "6"}


def test_what_monitoring_found_of_a_version_reaches_the_answer_and_the_metrics(
    registry: Registry, serve: Serve
) -> None:
    to_production("2")
    service = serve()
    wait_until(lambda: service.serves("2"), 60)
    assert service.get("/model")["next_batch"] is None

    def shown() -> tuple[float, ...]:
        names = ("covertype_next_batch ", "covertype_next_batch_accuracy ")
        return tuple(map(service.figure, names))

    for figures in (NextBatch("2", 5, 37851, 0.75), NextBatch("2", 6, 300, 0.7)):
        for tag, value in to_tags(figures).items():
            MlflowClient().set_model_version_tag(MODEL_NAME, "2", tag, value)
        wait_until(lambda f=figures: shown() == (f.batch, f.accuracy), 30)  # type: ignore[misc]
        assert service.get("/model")["next_batch"] == msgspec.to_builtins(figures)
    assert service.figure("covertype_holdout_accuracy ") == 0.5
    live = LiveAccuracy("2", 40, 0.9)
    for tag, value in to_tags(live).items():
        MlflowClient().set_model_version_tag(MODEL_NAME, "2", tag, value)
    wait_until(lambda: service.figure("covertype_live_accuracy ") == live.accuracy, 30)
    assert service.get("/model")["live"] == msgspec.to_builtins(live)


def test_a_new_version_that_clients_find_wrong_goes_out_and_the_service_follows(
    registry: Registry, serve: Serve, rows: list[list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    to_production("1")
    service = serve(PREDICTION_LOG_SECONDS="1")
    history = Datasets(service.datasets).history
    assert put_into_production(history, "2", "1", Kind.PROMOTED)
    wait_until(lambda: service.serves("2"), 60)
    for name, value in (
        ("DATASETS_URL", str(service.datasets)),
        ("MLFLOW_TRACKING_URI", registry.address),
        ("INFERENCE_URL", service.address),
        ("ROLLBACK_ACCURACY", "0.5"),
        ("ROLLBACK_ERROR_RATE", "0.5"),
    ):
        monkeypatch.setenv(name, value)
    start = datetime.now(UTC)
    with pytest.raises(NothingToWatch, match="Version 2 is within the limits"):
        jobs.watch_new_version("watcher", start)
    wrong = []
    for row in rows[:40]:
        answer = requests.post(f"{service.address}/predict", json={"features": row}, timeout=10)
        predicted = answer.json()
        other = (predicted["prediction"][0] + 1) % len(CLASSES)
        wrong.append({"prediction_id": predicted["prediction_id"], "cover_type": other})
    requests.post(f"{service.address}/feedback", json=wrong, timeout=10).raise_for_status()
    wait_until(lambda: len(Datasets(service.datasets).read_feedback()) == len(wrong), 30)
    assert jobs.watch_new_version("watcher", start) == "1"
    jobs.wait_until_served("1")
    assert service.serves("1")
    last = history.entries()[-1]
    assert (last.kind, last.former, last.version) == (Kind.ROLLED_BACK, "2", "1")
    assert last.facts["of"] == "40"
    with pytest.raises(NothingToWatch, match="No version in Production is new"):
        jobs.watch_new_version("watcher", datetime.now(UTC))


def test_a_registry_that_dies_and_returns_costs_no_answer(
    registry: Registry, serve: Serve, rows: list[list[object]]
) -> None:
    to_production("1")
    service = serve()
    wait_until(lambda: service.serves("1"), 60)
    with Load(service.address, rows) as load:
        with down(registry):
            wait_until(lambda: not service.get("/health")["registry"]["reachable"], 30)
            ready = service.get("/ready")
        to_production("2")
        wait_until(lambda: service.serves("2"), 30)
    assert ready["ready"] is True
    assert "can't be used" in ready["registry"]
    assert load.answers
    assert not load.failures


def test_the_last_good_model_answers_at_a_start_without_registry(
    registry: Registry, serve: Serve, rows: list[list[object]]
) -> None:
    to_production("3")
    first = serve()
    wait_until(lambda: first.serves("3"), 60)
    first.stop()
    with down(registry):
        second = serve()
        wait_until(lambda: second.serves("3"), 15)
        response = requests.post(
            f"{second.address}/predict", json={"features": rows[0]}, timeout=10
        )
        assert response.json()["model_version"] == "3"


def test_a_damaged_kept_version_is_fetched_again(registry: Registry, serve: Serve) -> None:
    to_production("3")
    first = serve()
    wait_until(lambda: first.serves("3"), 60)
    first.stop()
    (card,) = first.models.glob("versions/3-*/card.json")
    card.write_bytes(card.read_bytes()[:100])
    second = serve()
    wait_until(lambda: second.serves("3"), 60)
    assert "kept version 3 can't be loaded" in second.log.read_text()
    wait_until(lambda: second.get("/health")["status"] == "ok", 30)


def test_the_last_version_goes_on_when_none_is_in_production_and_says_so(
    registry: Registry, serve: Serve
) -> None:
    to_production("1")
    service = serve()
    wait_until(lambda: service.serves("1"), 60)
    client = MlflowClient(registry.address)
    client.transition_model_version_stage(MODEL_NAME, "1", "Archived")
    wait_until(lambda: service.get("/health")["status"] == "degraded", 30)
    assert service.serves("1")
    assert "version 1, the last that was, goes on answering" in service.get("/ready")["registry"]


def test_two_workers_share_one_follower_and_their_figures(
    registry: Registry, serve: Serve, rows: list[list[object]]
) -> None:
    to_production("2")
    service = serve(WEB_CONCURRENCY="2")
    # One worker may have the model before the other.
    wait_until(lambda: service.figure('covertype_reloads_total{result="taken over"}') == 2, 60)
    with Load(service.address, rows) as load:
        to_production("1")
        wait_until(lambda: service.figure('covertype_reloads_total{result="taken over"}') == 4, 30)
    assert not load.failures
    followers = subprocess.run(
        ["pgrep", "-g", str(service.process.pid), "-f", "inference.follower"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(followers.stdout.split()) == 1
    asked = 'covertype_requests_total{route="/predict",status="200"}'
    assert service.figure(asked) == len(load.answers)
    assert service.figure("covertype_registry_reachable") == 1


def test_a_normal_stop_loses_no_answer_and_leaves_no_process(
    registry: Registry, serve: Serve, rows: list[list[object]]
) -> None:
    to_production("1")
    service = serve(PREDICTION_LOG_SECONDS="240")
    wait_until(lambda: service.serves("1"), 60)
    with Load(service.address, rows) as load:
        wait_until(lambda: len(load.answers) > 200, 30)
    service.stop()
    # What uvicorn ends with when it has finished all that it had.
    assert service.process.returncode == -signal.SIGTERM
    logged = Datasets(service.datasets).read_predictions()
    assert len(logged) == len(load.answers)
    assert sorted(logged["prediction"]) == sorted(a["prediction"][0] for _, a in load.answers)
    group = ["pgrep", "-g", str(service.process.pid)]
    assert subprocess.run(group, check=False).returncode == 1


def test_a_start_without_registry_and_model_is_said_and_is_no_crash(
    tmp_path: Path, free_ports: Iterator[int]
) -> None:
    service = Running(tmp_path, next(free_ports), "http://127.0.0.1:9")
    try:
        wait_until(lambda: answers(f"{service.address}/health"), 30)
        wait_until(lambda: service.get("/health")["registry"] is not None, 60)
        response = requests.get(f"{service.address}/ready", timeout=5)
        assert response.status_code == 503
        assert "can't be used" in response.json()["registry"]
    finally:
        service.stop()
