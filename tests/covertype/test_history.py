"""The history of Production: what it holds, and which versions one can choose from."""

from pathlib import Path

import pytest

from covertype.history import History, Kind, State, once_in_production, production_of, waiting
from covertype.storage.folder import Folder


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(Folder(tmp_path / "promotions"))


def change(history: History, kind: Kind, version: str, state: State = State.DONE) -> None:
    history.end(history.add(kind, version, production_of(history.entries())), state)


def test_entries_come_back_in_order_with_all_that_was_said(history: History) -> None:
    with history.locked():
        first = history.add(Kind.PROMOTED, "1", None, who="gate", why="better", facts={"a": "b"})
        second = history.add(Kind.ROLLED_BACK, "2", "1", snapshot="training/a.parquet")
    assert (first, second) == (1, 2)
    one, two = history.entries()
    assert (one.kind, one.version, one.former, one.who, one.why) == (
        Kind.PROMOTED,
        "1",
        None,
        "gate",
        "better",
    )
    assert one.facts == {"a": "b"}
    assert (two.snapshot, two.former, two.who) == ("training/a.parquet", "1", "")
    assert one.at <= two.at
    assert one.at.tzinfo is not None


def test_a_change_is_begun_until_its_end_is_told_and_the_first_end_counts(
    history: History,
) -> None:
    number = history.add(Kind.PROMOTED, "1", None)
    assert [entry.state for entry in history.entries()] == [State.BEGUN]
    history.end(number, State.DONE)
    history.end(number, State.ABANDONED)
    assert [entry.state for entry in history.entries()] == [State.DONE]


def test_production_is_what_the_last_change_that_was_done_says(history: History) -> None:
    assert production_of(history.entries()) is None
    change(history, Kind.PROMOTED, "1")
    change(history, Kind.PROMOTED, "2", State.ABANDONED)
    history.add(Kind.REFUSED, "3", "1")
    history.add(Kind.PROMOTED, "4", "1")
    assert production_of(history.entries()) == "1"


def test_one_can_go_back_to_each_version_that_was_there_but_not_to_the_present_one(
    history: History,
) -> None:
    for kind, version in (
        (Kind.PROMOTED, "1"),
        (Kind.FOUND, "2"),
        (Kind.PROMOTED, "3"),
        (Kind.ROLLED_BACK, "1"),
    ):
        change(history, kind, version)
    assert [entry.version for entry in once_in_production(history.entries())] == ["3", "2"]


def test_an_eligible_version_waits_while_production_is_what_it_was_judged_beside(
    history: History,
) -> None:
    change(history, Kind.PROMOTED, "1")
    for version in ("2", "3", "4"):
        history.add(Kind.ELIGIBLE, version, "1")
    history.add(Kind.REFUSED, "3", "1")
    change(history, Kind.PROMOTED, "4", State.ABANDONED)
    assert [entry.version for entry in waiting(history.entries())] == ["4", "2"]
    change(history, Kind.PROMOTED, "4")
    assert waiting(history.entries()) == []
