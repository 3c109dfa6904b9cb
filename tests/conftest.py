"""What tests of several parts share: real rows, free ports, a real MLflow server."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd
import pytest
import requests
from hypothesis import settings

from covertype.data import Datasets
from tools.local.processes import shared_env

# A shared machine stalls at times; a slow example is no wrong one.
settings.register_profile("platform", deadline=None)
settings.load_profile("platform")

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first, so that workers side by side end together."""
    items.sort(key=lambda item: ROOT / "tests" / "platform" not in item.path.parents)


@pytest.fixture(scope="module", autouse=True)
def _forget_tracking_server() -> Iterator[None]:
    """MLflow keeps the address it was told for the whole process; a module's ends with it."""
    yield
    if mlflow := sys.modules.get("mlflow"):
        mlflow.set_tracking_uri(None)


@pytest.fixture(scope="session")
def real_rows() -> pd.DataFrame:
    """Two thousand real observations with their classes, from all over the dataset."""
    whole = pd.read_parquet(ROOT / "data-api" / "covertype.parquet")
    return whole.sample(2000, random_state=0).reset_index(drop=True)


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    """An empty datasets root."""
    return Datasets(tmp_path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait until a condition holds; return how long that took."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            pytest.fail(f"not within {seconds} s")
        time.sleep(0.05)
    return time.monotonic() - start


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real tracking server over SQLite, with its artifacts behind it; yields its address."""
    folder = tmp_path_factory.mktemp("mlflow")
    address = f"http://127.0.0.1:{free_port()}"
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", address.rsplit(":", 1)[1]),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    environment = os.environ | shared_env("mlflow")
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, start_new_session=True
        ) as server,
    ):
        try:
            wait_until_up(f"{address}/health", server, folder / "log")
            yield address
        finally:
            os.killpg(server.pid, 15)


def wait_until_up(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait, a minute at most, until a server that was started answers 200."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if requests.get(address, timeout=2).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.2)
    pytest.fail(f"{address} did not come up:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def _s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    from tests.s3 import s3_server

    with s3_server(tmp_path_factory.mktemp("s3")) as variables:
        yield variables


@pytest.fixture
def s3(_s3_server: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """An S3 server, and the environment that names it to everything that is started."""
    for name, value in _s3_server.items():
        monkeypatch.setenv(name, value)
    return _s3_server
