"""The API process answers without the packages that only training and the follower need."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import requests
from sklearn.pipeline import Pipeline

from inference.model.store import ModelStore
from tests.conftest import wait_until_up
from tests.inference.conftest import Keep

# None in `sys.modules` makes an import fail, also one inside a function.
START = """
import sys
sys.modules |= dict.fromkeys({absent!r})
import uvicorn
uvicorn.run("inference.main:app", http="inference.api.connections:Connection", port={port})
"""
ABSENT = ("joblib", "mlflow", "scipy.sparse", "sklearn", "skops")


@pytest.fixture
def address(
    tmp_path: Path, free_ports: Iterator[int], forest: Pipeline, keep: Keep
) -> Iterator[str]:
    """The service as users start it, over a kept forest, without the packages."""
    keep(ModelStore(tmp_path / "models"), "3", forest)
    port = next(free_ports)
    address = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "MODEL_CACHE_DIR": str(tmp_path / "models"),
        "DATASETS_URL": str(tmp_path / "datasets"),
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    }
    log = tmp_path / "service.log"
    with log.open("wb") as output:
        service = subprocess.Popen(
            [sys.executable, "-c", START.format(absent=ABSENT, port=port)],
            stdout=output,
            stderr=output,
            env=environment,
        )
    try:
        wait_until_up(f"{address}/ready", service, log)
        yield address
    finally:
        service.terminate()
        service.wait(20)


def test_a_kept_forest_answers_without_scikit_learn_and_mlflow(
    address: str, rows: list[list[object]], expected: npt.NDArray[np.float64]
) -> None:
    one = requests.post(f"{address}/predict", json={"features": rows[0]}, timeout=10)
    assert list(one.json()["probabilities"].values()) == expected[0].tolist()
    why = requests.post(f"{address}/predict?explain=true", json={"features": rows[0]}, timeout=10)
    assert why.json()["explanation"]["bias"] > 0
    many = requests.post(f"{address}/predict/batch", json={"features": rows}, timeout=10)
    assert many.json()["prediction"] == expected.argmax(axis=1).tolist()
