"""Data is removed only by someone who means it."""

import io

import pytest

from tools.containers import keeper, up


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the data was removed too, by each end of a platform of the name `forest`."""
    ends: list[bool] = []

    def end(*, volumes: bool) -> int:
        ends.append(volumes)
        return 0

    monkeypatch.setattr(up, "project", lambda: "forest")
    monkeypatch.setattr(up, "down", end)
    return ends


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, typed: str = "") -> int:
    monkeypatch.setattr("sys.argv", ["up", *arguments])
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    return up.main()


def test_data_is_removed_when_the_name_of_the_platform_is_typed(
    monkeypatch: pytest.MonkeyPatch, removed: list[bool]
) -> None:
    assert run(monkeypatch, "--down", "--volumes", typed="forest\n") == 0
    assert removed == [True]


@pytest.mark.parametrize("typed", ["", "\n", "y\n", "another\n"])
def test_nothing_ends_on_any_other_answer_or_none(
    monkeypatch: pytest.MonkeyPatch,
    removed: list[bool],
    typed: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "--down", "--volumes", typed=typed) == 1
    assert removed == []
    said = capsys.readouterr()
    assert "YES=1" in said.out
    assert "Nothing was removed" in said.err


@pytest.mark.parametrize(
    ("arguments", "volumes"), [(["--down"], False), (["--down", "--volumes", "--yes"], True)]
)
def test_a_script_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, removed: list[bool], arguments: list[str], volumes: bool
) -> None:
    assert run(monkeypatch, *arguments) == 0
    assert removed == [volumes]


def test_the_end_removes_what_every_compose_file_made_but_data_only_on_demand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, ...]] = []

    def docker(*arguments: str) -> str:
        asked.append(arguments)
        return f"forest_{arguments[0]}\n" if "ls" in arguments else ""

    monkeypatch.setattr(keeper, "stop", lambda: None)
    monkeypatch.setattr(up, "_compose", lambda *arguments: 0)
    monkeypatch.setattr(up, "label", lambda: "project=forest")
    monkeypatch.setattr(up, "docker", docker)
    assert up.down(volumes=False) == 0
    removed = [command for command in asked if "rm" in command]
    assert removed == [("network", "rm", "forest_network")]
    assert up.down(volumes=True) == 0
    assert asked[-1] == ("volume", "rm", "forest_volume")
