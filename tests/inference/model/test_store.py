import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inference.model.cards import RegistryReport
from inference.model.store import ModelStore


def report_of(age: float, clock_was_ahead: timedelta = timedelta()) -> RegistryReport:
    looked = datetime.now(UTC) - timedelta(seconds=age) + clock_was_ahead
    return RegistryReport(
        reachable=True,
        message="version 3 is in Production",
        checked_at=looked.isoformat(timespec="seconds"),
        looked_at=time.monotonic() - age,
        good_for=60,
        production="3",
    )


def test_a_report_is_read_as_it_was_written_while_it_is_good(tmp_path: Path) -> None:
    report = report_of(age=30)
    ModelStore(tmp_path).write_report(report)
    assert ModelStore(tmp_path).read_report() == report


@pytest.mark.parametrize("age", [62, 100_000])
def test_a_report_that_nobody_renewed_says_so(tmp_path: Path, age: float) -> None:
    ModelStore(tmp_path).write_report(report_of(age))
    read = ModelStore(tmp_path).read_report()
    assert read is not None
    assert not read.reachable
    assert "nobody has looked at the registry for" in read.message
    assert read.production == "3"


@pytest.mark.parametrize("age", [30, 100])
@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_was_set_makes_no_report_older_or_newer(
    tmp_path: Path, age: float, days: int
) -> None:
    ModelStore(tmp_path).write_report(report_of(age, timedelta(days=days)))
    read = ModelStore(tmp_path).read_report()
    assert read is not None
    assert read.reachable == (age == 30)
    if not read.reachable:
        assert "nobody has looked at the registry for 100 s" in read.message


def test_a_report_from_before_the_machine_started_says_so(tmp_path: Path) -> None:
    ModelStore(tmp_path).write_report(report_of(age=-100))
    read = ModelStore(tmp_path).read_report()
    assert read is not None
    assert not read.reachable
    assert "nobody has looked at the registry since the machine started" in read.message


def test_there_is_no_report_before_the_first_look(tmp_path: Path) -> None:
    assert ModelStore(tmp_path).read_report() is None


def test_an_unreadable_report_is_none(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    (tmp_path / "registry.json").write_text('{"reachable": tr')
    assert store.read_report() is None


def keep(store: ModelStore, name: str) -> None:
    with store.incoming(name) as folder:
        (folder / "card.json").write_text("{}")


def kept(store: ModelStore) -> set[str]:
    return {folder.name for folder in store.folder("any").parent.iterdir()}


def test_the_current_version_and_the_one_before_it_are_kept_whatever_the_clock_says(
    tmp_path: Path,
) -> None:
    store = ModelStore(tmp_path)
    assert store.current is None
    for number, name in enumerate(["1-a", "2-b", "3-c"]):
        keep(store, name)
        os.utime(store.folder(name), (1000 - number, 1000 - number))
    assert store.current == "3-c"
    assert kept(store) == {"2-b", "3-c"}
    keep(store, "3-c")
    assert kept(store) == {"2-b", "3-c"}
    store.point_to("2-b")
    assert ModelStore(tmp_path).current == "2-b"
    keep(store, "4-d")
    assert kept(store) == {"2-b", "4-d"}


def test_the_pointer_of_a_former_release_is_read(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    (tmp_path / "current").write_text("1-a")
    assert store.current == "1-a"
    store.folder("1-a").mkdir()
    keep(store, "2-b")
    assert kept(store) == {"1-a", "2-b"}
