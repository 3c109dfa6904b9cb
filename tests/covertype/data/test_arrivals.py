from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from covertype.data import Datasets
from covertype.data.arrivals import Arrivals, Record
from covertype.storage.folder import Folder

MOMENT = datetime(2026, 11, 23, 10, 5, 0, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "arrivals.txt"


@pytest.fixture
def arrivals(tmp_path: Path) -> Arrivals:
    return Arrivals(Folder(tmp_path))


def append(arrivals: Arrivals, *names: str) -> None:
    with arrivals.locked():
        arrivals.append(names)


def test_names_come_in_the_order_of_arrival_after_what_was_read(arrivals: Arrivals) -> None:
    append(arrivals, "c", "a")
    first, record = arrivals.after(Record(), limit=1)
    append(arrivals, "b")
    assert (first, record.files) == (["c"], 1)
    assert arrivals.after(record)[0] == ["a", "b"]
    everything = arrivals.after(Record())[1]
    assert arrivals.after(everything) == ([], everything)


def test_names_until_a_record_are_those_that_it_counts_as_read(
    arrivals: Arrivals, log: Path
) -> None:
    assert list(arrivals.until(Record())) == []
    append(arrivals, "c", "a", "b")
    for count in range(4):
        record = arrivals.after(Record(), limit=count)[1]
        assert list(arrivals.until(record)) == ["c", "a", "b"][:count]
    everything = arrivals.after(Record())[1]
    log.unlink()
    append(arrivals, "d", "e", "f", "g")
    assert list(arrivals.until(everything)) == []


def test_a_record_survives_its_text(arrivals: Arrivals) -> None:
    append(arrivals, "a", "b \udcff")
    record = arrivals.after(Record())[1]
    assert Record.from_json(record.to_json()) == record


def test_a_record_of_another_log_counts_for_nothing(arrivals: Arrivals, log: Path) -> None:
    """Though the other log has the same name in the same place."""
    append(arrivals, "a", "c", "z")
    record = arrivals.after(Record())[1]
    log.unlink()
    append(arrivals, "a", "b", "z", "c")
    assert arrivals.after(record)[0] == ["a", "b", "z", "c"]
    log.write_bytes(b"")
    assert arrivals.after(record) == ([], Record())


def test_a_line_without_an_end_is_not_read_and_cut_off_by_the_next(
    arrivals: Arrivals, log: Path
) -> None:
    append(arrivals, "a")
    with log.open("a") as file:
        file.write("half")
    assert arrivals.after(Record())[0] == ["a"]
    append(arrivals, "b")
    assert arrivals.after(Record())[0] == ["a", "b"]
    assert arrivals.without(["a", "b", "half"]) == {"half"}


def test_a_log_begins_with_what_the_former_release_read(arrivals: Arrivals, log: Path) -> None:
    (log.parent / "processed").mkdir()
    (log.parent / "processed" / "read_files.txt").write_text("b\na\n")
    append(arrivals, "c")
    assert arrivals.after(Record())[0] == ["b", "a", "c"]
    assert arrivals.after(arrivals.record_of_former_release())[0] == ["c"]
    arrivals.forget_former_release()
    assert arrivals.record_of_former_release() == Record()


def test_groups_that_collect_at_once_are_all_logged_once(tmp_path: Path) -> None:
    datasets = Datasets(tmp_path)
    with ThreadPoolExecutor(10) as pool:
        written = pool.map(lambda group: datasets.write_raw(group, 1, MOMENT, [["1"]]), range(20))
    assert sorted(datasets.unread_names()) == sorted(written)


def test_a_file_that_a_kill_kept_out_of_the_log_is_logged_by_the_next_try(tmp_path: Path) -> None:
    datasets = Datasets(tmp_path)
    name = datasets.write_raw(1, 1, MOMENT, [["1"]])
    (tmp_path / "arrivals.txt").write_bytes(b"")
    assert datasets.find_raw(1, MOMENT) is None
    assert datasets.write_raw(1, 1, MOMENT, [["2"]]) == name
    assert datasets.find_raw(1, MOMENT) == name
    assert (tmp_path / name).read_text() == "1\n"
    assert datasets.find_raw(1, MOMENT + timedelta(seconds=1)) is None
