import os
import shutil
import stat
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from covertype.atomic import Busy, locked, replacing
from covertype.contract import COLUMNS
from covertype.data import Damaged, Datasets, RawFile
from covertype.rows.arrow import to_table
from covertype.rows.csv_files import Layout
from covertype.rows.violations import describe
from tests.stored_files import csv_of, parquet_of

MOMENT = datetime(2026, 11, 23, 10, 5, 0, tzinfo=UTC)
ROW = ["3000", "45", "10", "100", "20", "200", "220", "230", "180", "150", "Rawah", "C7745", "4"]


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
    assert (Path(datasets.root) / name).read_text() == ",".join(ROW) + "\n"


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
    path = Path(datasets.root) / "group_1" / "batch_1_20261123_100500.csv"
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
    path = Path(datasets.root) / "group_1" / "batch_1_20250101_000000.csv"
    path.parent.mkdir()
    path.write_text(",".join(map(str, range(13))) + "\n" + ",".join(ROW) + "\n")
    rows, rejected = datasets.read_raw("group_1/batch_1_20250101_000000.csv")
    assert to_table(rows).to_pandas().astype(str).to_numpy().tolist() == [ROW]
    assert not rejected


def test_rows_of_another_width_are_told_apart_with_their_line(datasets: Datasets) -> None:
    name = datasets.write_raw(1, 1, MOMENT, [ROW, ROW[:12], [*ROW, "x"], ROW])
    rows, rejected = datasets.read_raw(name)
    assert len(rows) == 2
    assert [row.line for row in rejected] == [2, 3]
    assert "got 12" in describe(rejected[0].violations[0])
    assert "got 14" in describe(rejected[1].violations[0])
    assert rejected[0].text == ",".join(ROW[:12])


def test_a_cell_of_any_length_stops_no_file(datasets: Datasets) -> None:
    path = Path(datasets.root) / "group_1" / "batch_1_20260101_000000.csv"
    path.parent.mkdir(parents=True)
    path.write_text("x" * 200_000 + "\n" + ",".join("1" * 13) + "\n" + "9" * 200_000 + ",1" * 12)
    rows, rejected = datasets.read_raw("group_1/batch_1_20260101_000000.csv")
    assert len(rows) == 1
    assert [row.line for row in rejected] == [1, 3]
    assert len(rejected[0].text) == 500


def test_a_file_that_is_no_text_is_read_without_failing(datasets: Datasets) -> None:
    name = datasets.write_raw(1, 1, MOMENT, [ROW])
    (Path(datasets.root) / name).write_bytes(os.urandom(2000).replace(b"\x00", b"x"))
    rows, rejected = datasets.read_raw(name)
    assert len(rows) + len(rejected) > 0


def processed(rows: int) -> pd.DataFrame:
    codes = np.array([Layout(COLUMNS, labelled=True).parse(ROW)] * rows, np.int16)
    frame: pd.DataFrame = to_table(codes).to_pandas()
    return frame


def test_csv_and_parquet_hold_the_same_processed_rows(datasets: Datasets) -> None:
    datasets.write_processed(processed(2), [])
    assert csv_of(datasets).name == "covertype_preprocessed.csv"
    from_csv = pd.read_csv(csv_of(datasets), dtype=dict(processed(2).dtypes))
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


def test_every_snapshot_is_kept_in_the_order_of_taking(datasets: Datasets) -> None:
    """Whatever the clock said, and though rows come back that were there before."""
    taken = []
    for number, rows in enumerate([*range(1, 14), 3]):
        datasets.write_processed(processed(rows), [])
        taken.append(datasets.take_snapshot())
        os.utime(Path(datasets.root) / taken[-1].name, (1000 - number, 1000 - number))
    assert datasets.snapshot_names() == [snapshot.name for snapshot in taken]
    assert [len(datasets.read_snapshot(each.name)) for each in taken] == [*range(1, 14), 3]


def test_snapshots_of_a_former_release_are_the_oldest(datasets: Datasets) -> None:
    datasets.write_processed(processed(2), [])
    former = [f"training/covertype_{rows}_0123456789ab.parquet" for rows in (9, 10)]
    for age, name in enumerate(former):
        (Path(datasets.root) / name).parent.mkdir(exist_ok=True)
        shutil.copy(parquet_of(datasets), Path(datasets.root) / name)
        os.utime(Path(datasets.root) / name, (1000 - age, 1000 - age))
    assert datasets.snapshot_names() == former
    newest = datasets.take_snapshot()
    assert datasets.snapshot_names() == [*former, newest.name]


def test_new_files_without_new_rows_make_no_new_snapshot(datasets: Datasets) -> None:
    datasets.write_processed(processed(2), [])
    before = datasets.take_snapshot()
    datasets.write_processed(processed(2), [datasets.write_raw(1, 1, MOMENT, [ROW])])
    assert datasets.take_snapshot() == before


def test_a_lock_that_is_held_too_long_names_its_file_and_its_holder(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"), pytest.raises(Busy) as caught, locked(tmp_path / "lock", 0.05):
        pass
    assert f"{tmp_path}/lock has been locked for 0.05 s by process {os.getpid()}" in str(
        caught.value
    )


def test_a_replaced_file_is_on_the_disk_before_and_after_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "file.txt", []

    def sync(descriptor: int) -> None:
        of_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append(("folder" if of_folder else "file", path.exists()))

    monkeypatch.setattr(os, "fsync", sync)
    with replacing(path) as temporary:
        temporary.write_text("whole")
    assert synced == [("file", False), ("folder", True)]


def test_a_file_of_rows_that_can_t_be_read_names_the_remedy(datasets: Datasets) -> None:
    parquet_of(datasets).parent.mkdir()
    parquet_of(datasets).write_bytes(b"half")
    with pytest.raises(Damaged, match="make rebuild-data"):
        datasets.unread_names()


def test_rows_that_the_contract_does_not_know_name_the_remedy(datasets: Datasets) -> None:
    parquet_of(datasets).parent.mkdir()
    processed(1).assign(Soil_Type="C0000").to_parquet(parquet_of(datasets), index=False)
    with pytest.raises(Damaged, match=r"Soil_Type holds .* make rebuild-data"):
        datasets.processed.mend_csv()
