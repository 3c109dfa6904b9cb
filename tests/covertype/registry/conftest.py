"""A real MLflow server, in which each module of tests has an experiment."""

from collections.abc import Iterator

import mlflow
import pytest

from tools.local.processes import shared_env


@pytest.fixture(scope="module")
def server(mlflow_server: str, request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in shared_env("mlflow").items():
            patch.setenv(name, value)
        mlflow.set_tracking_uri(mlflow_server)
        mlflow.set_experiment(request.path.stem)
        yield
