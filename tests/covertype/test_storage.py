import os
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pytest

from covertype.contract import COLUMNS
from covertype.storage import Datasets, RawFile, replacing

MOMENT = datetime(2026, 11, 23, 10, 5, 0, tzinfo=UTC)
ROW = ["3000", "45", "10", "100", "20", "200", "220", "230", "180", "150", "Rawah", "C7745", "4"]


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets(tmp_path)


def test_a_failed_write_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("former")

    def fail_half_way() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_never_sees_a_half_written_file(tmp_path: Path) -> None:
    path, versions = tmp_path / "file.txt", [letter * 200_000 for letter in "abcdef"]
    path.write_text(versions[0])
    seen, done = set(), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for version in versions:
        with replacing(path) as temporary, temporary.open("w") as file:
            for start in range(0, len(version), 20_000):
                file.write(version[start : start + 20_000])
                file.flush()
    done.set()
    reader.join()
    assert seen <= set(versions)


def test_a_raw_file_is_named_by_group_batch_and_time_in_utc(datasets: Datasets) -> None:
    bogota = MOMENT.astimezone(timezone(timedelta(hours=-5)))
    name = datasets.write_raw(7, 3, bogota, [ROW])
    assert name == "group_7/batch_3_20261123_100500.csv"
    assert (datasets.root / name).read_text() == ",".join(ROW) + "\n"


def test_a_raw_file_s_name_tells_what_it_was_named_for(datasets: Datasets) -> None:
    name = datasets.write_raw(7, 3, MOMENT.astimezone(timezone(timedelta(hours=-5))), [ROW])
    assert RawFile.from_name(name) == RawFile(7, 3, MOMENT)


@pytest.mark.parametrize("name", ["group_1/batch_1.csv", "batch_1_20261123_100500.csv", "x"])
def test_another_name_is_no_raw_file_s(name: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        RawFile.from_name(name)


def test_a_group_finds_its_own_file_of_a_collection_whatever_its_batch(datasets: Datasets) -> None:
    datasets.write_raw(1, 3, MOMENT, [ROW])
    assert datasets.find_raw(1, MOMENT) == "group_1/batch_3_20261123_100500.csv"
    assert datasets.find_raw(10, MOMENT) is None
    assert datasets.find_raw(1, MOMENT + timedelta(minutes=5)) is None


def test_a_file_being_written_is_no_raw_file(datasets: Datasets) -> None:
    path = datasets.root / "group_1" / "batch_1_20261123_100500.csv"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert datasets.raw_names() == []
        assert datasets.find_raw(1, MOMENT) is None
    assert datasets.raw_names() == ["group_1/batch_1_20261123_100500.csv"]


def test_raw_files_come_in_the_order_of_their_collection(datasets: Datasets) -> None:
    later = datasets.write_raw(1, 9, MOMENT + timedelta(minutes=5), [ROW])
    earlier = datasets.write_raw(10, 10, MOMENT, [ROW])
    assert datasets.raw_names() == [earlier, later]


def test_the_header_of_earlier_platforms_is_no_data(datasets: Datasets) -> None:
    path = datasets.root / "group_1" / "batch_1_20250101_000000.csv"
    path.parent.mkdir()
    path.write_text(",".join(map(str, range(13))) + "\n" + ",".join(ROW) + "\n")
    rows, misshapen = datasets.read_raw("group_1/batch_1_20250101_000000.csv")
    assert rows.iloc[0].tolist() == ROW
    assert rows.index.tolist() == [2]
    assert misshapen.empty


def test_rows_of_another_width_are_told_apart_with_their_line(datasets: Datasets) -> None:
    name = datasets.write_raw(1, 1, MOMENT, [ROW, ROW[:12], [*ROW, "x"], ROW])
    rows, misshapen = datasets.read_raw(name)
    assert rows.index.tolist() == [1, 4]
    assert misshapen.index.tolist() == [2, 3]
    assert "got 12" in misshapen["reason"][2]
    assert "got 14" in misshapen["reason"][3]
    assert misshapen["text"][2] == ",".join(ROW[:12])


def test_a_cell_of_any_length_stops_no_file(datasets: Datasets) -> None:
    path = datasets.root / "group_1" / "batch_1_20260101_000000.csv"
    path.parent.mkdir(parents=True)
    path.write_text("x" * 200_000 + "\n" + ",".join("1" * 13) + "\n" + "9" * 200_000 + ",1" * 12)
    rows, misshapen = datasets.read_raw("group_1/batch_1_20260101_000000.csv")
    assert rows.index.tolist() == [2, 3]
    assert misshapen.index.tolist() == [1]
    assert len(misshapen["text"].iloc[0]) == 500


def test_a_file_that_is_no_text_is_read_without_failing(datasets: Datasets) -> None:
    name = datasets.write_raw(1, 1, MOMENT, [ROW])
    (datasets.root / name).write_bytes(os.urandom(2000).replace(b"\x00", b"x"))
    rows, misshapen = datasets.read_raw(name)
    assert len(rows) + len(misshapen) > 0


def processed(rows: int) -> pd.DataFrame:
    return pd.DataFrame([ROW] * rows, columns=list(COLUMNS))


def test_csv_and_parquet_hold_the_same_processed_rows(datasets: Datasets) -> None:
    datasets.write_processed(processed(2), [])
    assert datasets.processed_csv.name == "covertype_preprocessed.csv"
    from_csv = pd.read_csv(datasets.processed_csv, dtype=str)
    pd.testing.assert_frame_equal(from_csv, datasets.read_processed())


def test_a_file_is_unread_until_its_rows_are_written(datasets: Datasets) -> None:
    name = datasets.write_raw(1, 1, MOMENT, [ROW])
    assert datasets.unread_names() == [name]
    datasets.write_processed(processed(1), [name])
    assert datasets.unread_names() == []
    second = datasets.write_raw(2, 1, MOMENT, [ROW])
    assert datasets.unread_names() == [second]


def test_a_snapshot_stays_as_it_is_when_the_data_goes_on(datasets: Datasets) -> None:
    datasets.write_processed(processed(2), [])
    first = datasets.take_snapshot()
    datasets.write_processed(processed(3), [])
    second = datasets.take_snapshot()
    assert len(datasets.read_snapshot(first.name)) == first.rows == 2
    assert len(datasets.read_snapshot(second.name)) == second.rows == 3
    assert datasets.snapshot_names() == [first.name, second.name]


def test_the_same_data_is_the_same_snapshot(datasets: Datasets) -> None:
    datasets.write_processed(processed(2), [])
    assert datasets.take_snapshot() == datasets.take_snapshot()


def test_old_snapshots_are_let_go(datasets: Datasets) -> None:
    for rows in range(1, 14):
        datasets.write_processed(processed(rows), [])
        last = datasets.take_snapshot()
        os.utime(datasets.root / last.name, (rows, rows))
    datasets.take_snapshot()
    assert len(datasets.snapshot_names()) == 10
    assert datasets.snapshot_names()[-1] == last.name
