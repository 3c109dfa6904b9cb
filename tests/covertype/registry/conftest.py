"""A real MLflow server, in which each module of tests has an experiment."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from covertype.history import History
from covertype.registry.promotion import Gate, register
from covertype.storage.folder import Folder
from covertype.training.fitting import TrainingSet, judgement_rows
from tests.covertype.conftest import FAIR, GOOD, WEAK
from tests.covertype.registry.registered import LIMITS, Registry, log_forest
from tools.local.processes import shared_env


@pytest.fixture(scope="module")
def server(mlflow_server: str, request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in shared_env("mlflow").items():
            patch.setenv(name, value)
        mlflow.set_tracking_uri(mlflow_server)
        mlflow.set_experiment(request.path.stem)
        yield


@pytest.fixture(scope="module")
def data(real_rows: pd.DataFrame) -> TrainingSet:
    return TrainingSet.from_rows(real_rows)


@pytest.fixture(scope="module")
def runs(server: None, data: TrainingSet) -> list[str]:
    """A weak, a fair and a good forest."""
    return [log_forest(parameters, data) for parameters in (WEAK, FAIR, GOOD)]


@pytest.fixture
def registry(
    server: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Registry:
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    for module in ("promotion", "production", "changes"):
        monkeypatch.setattr(f"covertype.registry.{module}.MODEL_NAME", name)
    return Registry(name)


@pytest.fixture
def versions(registry: Registry, runs: list[str]) -> list[str]:
    """A weak, a fair and a good version."""
    return [register(run) for run in runs]


@pytest.fixture
def gate(real_rows: pd.DataFrame, tmp_path: Path) -> Gate:
    judged = judgement_rows(real_rows)
    history = History(Folder(tmp_path / "promotions"))
    return Gate(history, LIMITS, judged, np.zeros(len(judged), np.bool_), judged[:50])
