"""A platform with default limits, whose data API gives a new batch at every collection."""

from collections.abc import Iterator

import pytest

from tests.compose.stack import Stack
from tests.conftest import ROOT

_FIGURES = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> dict[str, str]:
    """What was measured, which is printed at the end."""
    return pytestconfig.stash.setdefault(_FIGURES, {})


@pytest.fixture(scope="session")
def stack(figures: dict[str, str]) -> Iterator[Stack]:
    """The platform from nothing, all healthy; removed with its data at the end."""
    folder = ROOT / ".local" / "test-growth"
    stack = Stack(folder, "covertype-growth", settings={"BATCH_SECONDS": "0"}, figures=figures)
    try:
        stack.begin()
        yield stack
    finally:
        stack.make("down", "VOLUMES=1", "YES=1")


@pytest.fixture(autouse=True)
def _artifacts_through_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "false")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print what was measured."""
    for name, figure in config.stash.get(_FIGURES, {}).items():
        terminalreporter.write_line(f"{name}: {figure}")
