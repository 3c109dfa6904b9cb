"""A platform with three workers, built and started from nothing."""

import time
from collections.abc import Iterator

import pytest

from tests.compose.conftest import FIGURES, artifacts_through_the_server, pytest_terminal_summary
from tests.compose.stack import PORTS, SERVERS, Stack, wait_for
from tests.conftest import ROOT

__all__ = ["artifacts_through_the_server", "pytest_terminal_summary"]

WORKERS = ("airflow-worker", "airflow-worker-2", "airflow-worker-3")


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Iterator[Stack]:
    """The platform, once its first model is in Production; removed with its data at the end."""
    stack = Stack(
        ROOT / ".local" / "test-celery",
        "covertype-celery",
        settings={
            "COMPOSE_FILE": ":".join(
                f"docker-compose{part}.yaml" for part in ("", ".celery", ".s3-logs")
            ),
            "WORKERS": str(len(WORKERS)),
            "DATASETS_URL": "s3://datasets/celery",
            # After the first training, the tests alone start others; no group is ever exhausted.
            "RETRAIN_GROWTH": "10",
            "BATCH_SECONDS": "3600",
        },
        # Beside those of the other tests.
        ports={name: port + 100 for name, port in PORTS.items()},
        servers=(*SERVERS, "redis", *WORKERS),
    )
    pytestconfig.stash[FIGURES] = stack.figures
    try:
        stack.begin()
        wait_for("a first prediction", lambda: stack.predict().status_code == 200, 600)
        stack.figures["From nothing to the first model in Production"] = (
            f"{time.monotonic() - stack.started:.0f} s"
        )
        stack.wait_until_idle()
        yield stack
    finally:
        stack.make("down", "VOLUMES=1", "YES=1")
