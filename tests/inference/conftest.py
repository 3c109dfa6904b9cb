"""Models as the follower keeps them, and the service over them."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest
import skops.io
from fastapi.testclient import TestClient
from sklearn.pipeline import Pipeline

from covertype.answers import LiveAccuracy, NextBatch
from covertype.models.artifact import Proof
from covertype.models.predictors import save_arrays
from covertype.training.fitting import TrainingSet
from inference.api.app import create_app
from inference.api.supervisor import FollowerSupervisor
from inference.model import cards, kept
from inference.model.store import ModelStore
from inference.settings import ServingSettings
from tests.models import compiled, data, expected, forest, logistic_regression, rows

__all__ = ["compiled", "data", "expected", "forest", "logistic_regression", "rows"]

Keep = Callable[[ModelStore, str, Pipeline], None]


def make_card(version: str, model: Pipeline, data: TrainingSet) -> cards.Card:
    proof = Proof.of(model, data.train.observations, data.selection.observations)
    return cards.Card(
        name="BestModelRF",
        version=version,
        stage="Production",
        since=cards.now(),
        run_id=f"run{version}",
        experiment_id="1",
        metrics={"accuracy": 0.5},
        parameters={"n_estimators": "25"},
        confusion_matrix=None,
        importances=None,
        **asdict(proof),
    )


def report_on(figures: NextBatch | None, live: LiveAccuracy | None = None) -> cards.RegistryReport:
    """Return what the follower reports of a version with these figures."""
    return cards.RegistryReport(
        reachable=True,
        message="",
        checked_at=cards.now(),
        looked_at=time.monotonic(),
        good_for=60,
        next_batch=figures,
        live=live,
    )


@pytest.fixture(scope="session")
def keep(data: TrainingSet) -> Keep:
    """Keep a model as the current version of a store, as the follower does."""

    def keep(store: ModelStore, version: str, model: Pipeline) -> None:
        with store.incoming(kept.folder_name(version, f"run{version}")) as folder:
            skops.io.dump(model, kept.model_file(folder))
            kept.write_card(folder, make_card(version, model, data))
            save_arrays(folder)

    return keep


@pytest.fixture(scope="module")
def serving_settings(tmp_path_factory: pytest.TempPathFactory) -> ServingSettings:
    folder = tmp_path_factory.mktemp("serving")
    return ServingSettings(
        model_cache_dir=folder / "models",
        datasets_url=folder / "datasets",
        mlflow_tracking_uri="http://127.0.0.1:9",
        max_batch_rows=5000,
        max_body_bytes=1_000_000,
        request_timeout_seconds=5,
    )


@pytest.fixture(scope="module")
def without_follower() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FollowerSupervisor, "start", lambda _: None)
        patch.setattr(FollowerSupervisor, "stop", lambda _: None)
        yield


@pytest.fixture(scope="module")
def client(
    serving_settings: ServingSettings, without_follower: None, forest: Pipeline, keep: Keep
) -> Iterator[TestClient]:
    """The service over one kept forest, version 3."""
    keep(ModelStore(serving_settings.model_cache_dir), "3", forest)
    with TestClient(create_app(serving_settings)) as client:
        yield client


@pytest.fixture(scope="module")
def client_without_model(
    tmp_path_factory: pytest.TempPathFactory, without_follower: None
) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("empty")
    settings = ServingSettings(model_cache_dir=folder, datasets_url=folder)
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture(scope="session")
def free_ports() -> Iterator[int]:
    """Ports of this machine that nothing listens on, without end."""

    def ports() -> Iterator[int]:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            yield port

    return ports()


@pytest.fixture(scope="session")
def card(forest: Pipeline, data: TrainingSet) -> cards.Card:
    return make_card("3", forest, data)
