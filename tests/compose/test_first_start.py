"""A database is killed while it is made for the first time."""

from collections.abc import Iterator

import pytest

from tests.compose.stack import PORTS, Stack, wait_for


@pytest.fixture
def empty(stack: Stack) -> Iterator[Stack]:
    """A platform of its own that was never started."""
    ports = {"MYSQL_PORT": str(PORTS["MYSQL_PORT"] + 10)}
    platform = Stack(stack.folder, "covertype-first", settings=ports)
    try:
        yield platform
    finally:
        platform.compose("down", "--volumes")


@pytest.mark.parametrize(
    ("service", "path", "moment"),
    [
        ("postgres", "/var/lib/postgresql/data/database/base/1", "half a folder"),
        ("mysql", "/var/lib/mysql/ibdata1", "half a folder"),
        ("mysql", "/var/lib/mysql/mysql", "no accounts"),
    ],
)
def test_database_killed_at_its_first_start_is_made_again(
    empty: Stack, service: str, path: str, moment: str
) -> None:
    empty.compose("up", "--detach", service)
    test = ("exec", "-T", service, "test", "-e")
    wait_for(moment, lambda: empty.compose(*test, path, check=False)[0] == "0", 60, pause=0.05)
    empty.compose("kill", service)
    empty.compose("up", "--detach", "--wait", service)
    assert "it begins again" in empty.compose("logs", service)

    empty.compose("restart", service)
    empty.compose("up", "--detach", "--wait", service)
    assert empty.compose("logs", service).count("it begins again") == 1
