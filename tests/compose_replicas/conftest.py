"""Three replicas of the inference service behind the gateway; MLflow only when it is asked for."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import mlflow
import numpy as np
import numpy.typing as npt
import pytest
import requests
from mlflow import MlflowClient

from covertype.contract import CLASSES
from covertype.models.artifact import class_probabilities
from covertype.registry.logged import log_model
from covertype.registry.names import MODEL_NAME, STAGE
from covertype.registry.promotion import register
from covertype.training.estimators import build
from covertype.training.fitting import TrainingSet, train
from covertype.training.searches import FOREST
from tests.compose.conftest import FIGURES, artifacts_through_the_server, pytest_terminal_summary
from tests.compose.stack import PORTS, Stack, wait_for
from tests.conftest import ROOT
from tests.models import data

__all__ = ["artifacts_through_the_server", "data", "pytest_terminal_summary"]

MAX_REQUESTS = 50
MAX_BODY_BYTES = 1_000_000
_ROWS = 40
_BUILT = ("data-api", "minio", "mlflow", "inference", "gateway")


@dataclass
class Replicas:
    """The platform, and what its versions answer to some rows."""

    stack: Stack
    data: TrainingSet
    expected: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    @property
    def rows(self) -> list[list[object]]:
        observations = self.data.selection.observations.head(_ROWS).to_numpy(object)
        return [list(observation) for observation in observations.tolist()]

    @property
    def gateway(self) -> str:
        return self.stack.address("INFERENCE_PORT")

    def addresses(self) -> dict[str, str]:
        """Return where each running replica is on the platform's network, by its name."""
        networks = {
            name: container["NetworkSettings"]["Networks"][f"{self.stack.project}_network"]
            for name, container in self.stack.replicas("inference").items()
            if container["State"]["Running"]
        }
        return {
            name: f"http://{network['IPAddress']}:8000"
            for name, network in sorted(networks.items())
        }

    def versions(self) -> dict[str, str | None]:
        """Return the version of each running replica; None without a model."""
        return {
            name: requests.get(f"{address}/ready", timeout=10).json().get("model_version")
            for name, address in self.addresses().items()
        }

    def wait_for_version(self, version: str, count: int = 3) -> None:
        def is_served() -> bool:
            return list(self.versions().values()) == [version] * count

        wait_for(f"version {version} of {count} replicas", is_served, 120, pause=0.5)

    def scale(self, count: int) -> None:
        scale = ("--no-deps", "--scale", f"inference={count}", "inference")
        self.stack.compose("up", "--detach", "--wait", "--no-recreate", *scale)

    def promote(self, trees: int) -> str:
        """Train a forest, put it into Production, and return its version."""
        mlflow.set_tracking_uri(self.stack.address("MLFLOW_PORT"))
        mlflow.set_experiment(FOREST.experiment)
        model = train(build(FOREST, {"n_estimators": trees, "max_depth": 8}), self.data).model
        with mlflow.start_run() as run:
            log_model(model, FOREST.model_name, self.data)
        version = register(run.info.run_id)
        observations = self.data.selection.observations.head(_ROWS)
        self.expected[version] = class_probabilities(model, observations)
        MlflowClient().transition_model_version_stage(
            MODEL_NAME, version, STAGE, archive_existing_versions=True
        )
        return version

    def is_right(self, row: int, answer: dict[str, object]) -> bool:
        """Tell whether an answer is what the version that it names answers to a row."""
        probabilities = answer["probabilities"]
        assert isinstance(probabilities, dict)
        given = [probabilities[name] for name in CLASSES]
        return np.allclose(given, self.expected[str(answer["model_version"])][row], atol=1e-9)


@pytest.fixture(scope="session")
def started(pytestconfig: pytest.Config, data: TrainingSet) -> Iterator[Replicas]:
    """Three replicas and the gateway, before there is an MLflow."""
    stack = Stack(
        ROOT / ".local" / "test-replicas",
        "covertype-replicas",
        settings={
            "COMPOSE_FILE": "docker-compose.yaml:docker-compose.replicas.yaml",
            "GATEWAY_MAX_REQUESTS": str(MAX_REQUESTS),
            "MAX_BODY_BYTES": str(MAX_BODY_BYTES),
            "PREDICTION_LOG_SECONDS": "0.5",
            "REGISTRY_POLL_SECONDS": "1",
        },
        ports={name: port + 200 for name, port in PORTS.items()},
    )
    pytestconfig.stash[FIGURES] = stack.figures
    stack.copy_repository()
    try:
        stack.compose("build", *_BUILT)
        begun = time.monotonic()
        stack.compose("up", "--detach", "--wait", "inference", "gateway")
        stack.figures["Three replicas and the gateway"] = (
            f"healthy after {time.monotonic() - begun:.0f} s"
        )
        yield Replicas(stack, data)
    finally:
        stack.make("down", "VOLUMES=1", "YES=1")


@pytest.fixture(scope="session")
def replicas(started: Replicas) -> Replicas:
    """Three replicas that answer with the first version."""
    started.stack.compose("up", "--detach", "--wait", "mlflow")
    with pytest.MonkeyPatch.context() as patch:
        for direction in ("DOWNLOAD", "UPLOAD"):
            patch.setenv(f"MLFLOW_ENABLE_PROXY_MULTIPART_{direction}", "false")
        version = started.promote(trees=8)
    started.wait_for_version(version)
    return started
