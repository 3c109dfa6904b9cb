"""One platform for all tests of the containers, built and started from nothing."""

import time
from collections.abc import Iterator

import pytest

from tests.compose.stack import Stack, wait_for
from tests.conftest import ROOT

FIGURES = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let whoever works on these tests save the minutes of a start from nothing."""
    parser.addoption(
        "--keep-platform",
        action="store_true",
        help="leave the containers of the tests at the end, and use those that are there",
    )


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Iterator[Stack]:
    """The platform, all healthy; removed with its data at the end."""
    folder = ROOT / ".local" / "test-compose"
    # After the first training, the tests alone start others; and no group is ever exhausted.
    stack = Stack(
        folder, "covertype-test", settings={"RETRAIN_GROWTH": "10", "BATCH_SECONDS": "3600"}
    )
    pytestconfig.stash[FIGURES] = stack.figures
    keep = pytestconfig.getoption("--keep-platform")
    if keep and folder.exists() and stack.containers():
        yield stack
        return
    try:
        stack.begin()
        yield stack
        stack.figures["Sizes of the images"] = "\n" + stack.command(
            *("docker", "image", "ls", "--format", "  {{.Repository}}:{{.Tag}} {{.Size}}"),
            *("--filter", "reference=covertype-*", "--filter", "reference=custom-*"),
        )
    finally:
        if not keep:
            stack.make("down", "VOLUMES=1", "YES=1")


@pytest.fixture(autouse=True)
def artifacts_through_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/compose.md tells clients on other machines."""
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "false")


@pytest.fixture(scope="session")
def in_production(stack: Stack) -> Stack:
    """The platform, once its first model is in Production and answers."""
    wait_for("a first prediction", lambda: stack.predict().status_code == 200, 600)
    if stack.started:
        stack.figures["From nothing to the first model in Production"] = (
            f"{time.monotonic() - stack.started:.0f} s"
        )
    stack.wait_until_idle()
    return stack


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print what was measured."""
    for name, figure in config.stash.get(FIGURES, {}).items():
        terminalreporter.write_line(f"{name}: {figure}")
