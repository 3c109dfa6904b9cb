"""The command that changes Production."""

import sys

import pytest

from covertype import jobs, production
from covertype.jobs.services import NotFollowed
from covertype.registry.manual import NotPossible

Called = list[tuple[str, ...]]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Called:
    calls: Called = []
    for job in ("promote_by_hand", "roll_back"):
        monkeypatch.setattr(jobs, job, lambda *given, job=job: calls.append((job, *given)))
    monkeypatch.setattr(jobs, "wait_until_served", lambda version: [f"http://one/{version}"])
    return calls


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["production", *words])
    production.main()


@pytest.mark.parametrize(
    ("change", "job"), [("promote", "promote_by_hand"), ("rollback", "roll_back")]
)
def test_a_change_is_done_and_the_services_that_follow_are_named(
    change: str,
    job: str,
    called: Called,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(monkeypatch, change, "3", "--why", "aspens", "--who", "ana")
    assert called == [(job, "3", "ana", "aspens")]
    said = capsys.readouterr().out
    assert "Version 3 is in Production" in said
    assert "It answers at http://one/3" in said


def test_what_is_not_possible_ends_the_command_with_the_reason(
    called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: str) -> None:
        raise NotPossible("possible are 1, 2")

    monkeypatch.setattr(jobs, "roll_back", refuse)
    with pytest.raises(SystemExit, match="possible are 1, 2"):
        run(monkeypatch, "rollback", "9")


def test_a_service_that_does_not_follow_ends_the_command_with_its_name(
    called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(_: str) -> list[str]:
        raise NotFollowed("http://two answers with 1")

    monkeypatch.setattr(jobs, "wait_until_served", wait)
    with pytest.raises(SystemExit, match="http://two answers with 1"):
        run(monkeypatch, "rollback", "3")
