"""A real platform small enough for a test, and a real browser in front of it.

MLflow, the inference service and the app run as they do for people; the model in Production was
trained, registered and promoted by the platform's own jobs, on real observations.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from covertype import jobs
from covertype.registry.tracking import Batch, Candidate
from covertype.settings import Settings
from covertype.training.searches import FOREST
from inference import COMMAND
from tests.browser.people import Person
from tests.conftest import ROOT, free_port, wait_until_up

# Debian's browser where it is there, else the one that `playwright install` brings.
CHROMIUM = shutil.which("chromium")
_SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
expect.set_options(timeout=20_000)
_FIRST_COLLECTION = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@dataclass
class Service:
    """A server process that a test can stop, freeze and start again at the same address."""

    command: Sequence[str]
    environment: dict[str, str]
    log: Path
    address: str
    health: str
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=os.environ | self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until_up(self.address + self.health, self.process, self.log)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@dataclass(frozen=True)
class Platform:
    """The services, and the versions of the model: two were promoted, the third refused."""

    inference: Service
    app: Service
    datasets: Path


@contextmanager
def _running(service: Service) -> Iterator[Service]:
    try:
        service.start()
        yield service
    finally:
        service.kill()


def _inference(folder: Path, mlflow_server: str, health: str = "/ready") -> Service:
    port = free_port()
    return Service(
        [
            *(sys.executable, "-m", *COMMAND),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        {
            "MLFLOW_TRACKING_URI": mlflow_server,
            "MODEL_CACHE_DIR": str(folder / "serving"),
            "DATASETS_URL": str(folder / "datasets"),
            "REGISTRY_POLL_SECONDS": "0.5",
        },
        folder / "inference.log",
        f"http://127.0.0.1:{port}",
        health,
    )


def _app(folder: Path, mlflow_server: str, inference: str) -> Service:
    port = free_port()
    return Service(
        [
            *(sys.executable, "-m", "streamlit", "run", "ui/app.py"),
            *("--server.address", "127.0.0.1", "--server.port", str(port)),
        ],
        {
            "MLFLOW_TRACKING_URI": mlflow_server,
            "MLFLOW_PUBLIC_URL": mlflow_server,
            "INFERENCE_URL": inference,
            "INFERENCE_TIMEOUT_SECONDS": "5",
            "DATASETS_URL": str(folder / "datasets"),
        },
        folder / "app.log",
        f"http://127.0.0.1:{port}",
        "/_stcore/health",
    )


@pytest.fixture(scope="session")
def dataset() -> pd.DataFrame:
    """The whole real dataset, as text."""
    return pd.read_parquet(ROOT / "data-api" / "covertype.parquet").astype(str)


@pytest.fixture(scope="session")
def platform(
    tmp_path_factory: pytest.TempPathFactory, mlflow_server: str, dataset: pd.DataFrame
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
        patch.setenv("DATASETS_URL", str(folder / "datasets"))
        _collect(Settings(), dataset)
        for number, trees in enumerate((5, 20, 2)):
            _train(number, trees)
        _monitor(Settings(), dataset)
    with (
        _running(_inference(folder, mlflow_server)) as inference,
        _running(_app(folder, mlflow_server, inference.address)) as app,
    ):
        yield Platform(inference, app, folder / "datasets")


def _collect(settings: Settings, dataset: pd.DataFrame) -> None:
    for collection in range(6):
        when = _FIRST_COLLECTION + timedelta(minutes=5 * collection)
        for group in range(1, 6):
            part = dataset.sample(600 + 40 * group, random_state=10 * collection + group)
            rows = part.to_numpy().tolist()
            if group == 3:
                rows[0][1], rows[1][2], rows[2][11] = "999", "steep", "C9999"
                rows[3].pop()
            settings.datasets.write_raw(group, 1 + collection // 2, when, rows)


def _train(number: int, trees: int) -> None:
    snapshot = jobs.take_snapshot(**jobs.preprocess_files(), anyway=True)
    assert snapshot is not None
    parameters = {"n_estimators": trees, "max_depth": 16}
    candidate = Candidate(number, parameters)
    (run,) = jobs.train_batch(Batch(FOREST, f"search-{number}", snapshot["name"], [candidate]))
    jobs.promote(jobs.register(run))


def _monitor(settings: Settings, dataset: pd.DataFrame) -> None:
    """Collect one more batch, of the mountains alone, and score the version in Production on it."""
    high = dataset[dataset["Elevation"].astype(int) > 3100].sample(2000, random_state=0)
    when = _FIRST_COLLECTION + timedelta(minutes=30)
    settings.datasets.write_raw(1, 4, when, high.to_numpy().tolist())
    jobs.monitor_new_data()


@pytest.fixture(scope="session")
def empty_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The first minute of a platform: no data, no model, and an MLflow that is not up yet."""
    folder, nowhere = tmp_path_factory.mktemp("empty"), f"http://127.0.0.1:{free_port()}"
    with (
        _running(_inference(folder, nowhere, "/health")) as inference,
        _running(_app(folder, nowhere, inference.address)) as app,
    ):
        yield Platform(inference, app, folder / "datasets")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=_SWITCHES)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with _tab(browser) as tab:
        yield tab


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A phone's page, at night."""
    with _tab(browser, width=390, height=844, scheme="dark") as tab:
        yield tab


@contextmanager
def _tab(
    browser: Browser, width: int = 1280, height: int = 860, scheme: str = "light"
) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        timezone_id="America/Bogota",
        accept_downloads=True,
    )
    context.set_default_timeout(30_000)
    try:
        yield context.new_page()
    finally:
        context.close()


@pytest.fixture
def person(page: Page, platform: Platform) -> Person:
    return Person(page, platform.app.address)


@pytest.fixture
def person_on_phone(phone: Page, platform: Platform) -> Person:
    return Person(phone, platform.app.address)


@pytest.fixture
def newcomer(page: Page, empty_platform: Platform) -> Person:
    """Someone at a platform that has only just been started."""
    return Person(page, empty_platform.app.address)
