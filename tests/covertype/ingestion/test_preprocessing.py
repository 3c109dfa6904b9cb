import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from covertype.data import Datasets, Processed
from covertype.ingestion import preprocessing
from covertype.ingestion.preprocessing import preprocess
from covertype.rebuild import Rebuilt, rebuild
from covertype.rows.violations import describe
from tests.stored_files import csv_of

MOMENT = datetime(2026, 11, 23, 10, 5, 0, tzinfo=UTC)


@pytest.fixture
def rows(real_rows: pd.DataFrame) -> list[list[str]]:
    cells: list[list[str]] = real_rows.head(50).astype(str).to_numpy().tolist()
    return cells


def test_rows_come_through_whole_with_their_types(
    datasets: Datasets, rows: list[list[str]], real_rows: pd.DataFrame
) -> None:
    datasets.write_raw(1, 1, MOMENT, rows)
    done = preprocess(datasets)
    assert (done.files, done.read, done.rejected, done.duplicates, done.total) == (1, 50, 0, 0, 50)
    pd.testing.assert_frame_equal(datasets.read_processed(), real_rows.head(50), check_dtype=False)


def test_a_file_is_read_once(datasets: Datasets, rows: list[list[str]]) -> None:
    datasets.write_raw(1, 1, MOMENT, rows)
    preprocess(datasets)
    again = preprocess(datasets)
    assert (again.files, again.read, again.total) == (0, 0, 50)


def test_exact_duplicates_are_dropped_within_and_across_files(
    datasets: Datasets, rows: list[list[str]]
) -> None:
    datasets.write_raw(1, 1, MOMENT, [*rows, *rows[:5]])
    preprocess(datasets)
    datasets.write_raw(2, 1, MOMENT, rows[10:30])
    done = preprocess(datasets)
    assert (done.duplicates, done.total) == (20, 50)
    assert not datasets.read_processed().duplicated().any()


def test_bad_rows_are_set_aside_with_source_line_and_reason(
    datasets: Datasets, rows: list[list[str]]
) -> None:
    bad_soil, text, short = list(rows[0]), list(rows[1]), rows[2][:12]
    bad_soil[11], text[0] = "C0000", "alto"
    name = datasets.write_raw(4, 2, MOMENT, [bad_soil, rows[3], text, short])
    done = preprocess(datasets)
    assert (done.rejected, done.total) == (3, 1)
    rejected = datasets.read_rejected()
    assert rejected["source"].unique().tolist() == [name]
    assert rejected["line"].tolist() == [1, 3, 4]
    reasons = ["; ".join(map(describe, broken)) for broken in rejected["violations"]]
    assert "C0000" in reasons[0]
    assert "alto" in reasons[1]
    assert "got 12" in reasons[2]
    assert rejected["text"][0] == ",".join(bad_soil)


def test_text_of_a_bad_row_is_no_formula_to_a_spreadsheet(
    datasets: Datasets, rows: list[list[str]]
) -> None:
    rows[0][0] = '=HYPERLINK("http://evil.example")'
    datasets.write_raw(1, 1, MOMENT, rows)
    preprocess(datasets)
    (file,) = (Path(datasets.root) / "rejected").iterdir()
    assert pd.read_csv(file)["text"][0] == "'" + ",".join(rows[0])


def test_a_file_of_bad_rows_alone_leaves_no_processed_row(
    datasets: Datasets, rows: list[list[str]]
) -> None:
    datasets.write_raw(1, 1, MOMENT, [row[:12] for row in rows])
    assert preprocess(datasets).total == 0
    assert len(datasets.read_rejected()) == 50
    datasets.write_raw(1, 1, MOMENT + timedelta(minutes=5), rows)
    assert preprocess(datasets).total == 50


def test_a_stop_before_the_rows_are_written_changes_nothing(
    datasets: Datasets, rows: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets.write_raw(1, 1, MOMENT, [*rows, rows[0][:12]])
    with monkeypatch.context() as patch:
        patch.setattr(Processed, "append", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            preprocess(datasets)
    assert datasets.read_processed().empty
    assert len(datasets.read_rejected()) == 1
    assert preprocess(datasets).total == 50
    assert len(datasets.read_rejected()) == 1


def test_a_raw_file_that_is_gone_stops_nothing(
    datasets: Datasets, rows: list[list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    name = datasets.write_raw(1, 1, MOMENT, rows)
    (Path(datasets.root) / name).unlink()
    datasets.write_raw(2, 1, MOMENT, rows[:20])
    assert preprocess(datasets).total == 20
    assert f"{name} is gone" in caplog.text


def test_more_files_than_are_merged_at_once_are_all_read(
    datasets: Datasets, rows: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preprocessing, "_FILES_AT_ONCE", 3)
    for number in range(7):
        datasets.write_raw(1, 1, MOMENT + timedelta(minutes=number), rows[number : 20 + number])
    done = preprocess(datasets)
    assert (done.files, done.read, done.duplicates, done.total) == (7, 140, 114, 26)


def test_files_copied_in_by_hand_are_read_when_there_is_nothing_else(
    datasets: Datasets, rows: list[list[str]]
) -> None:
    datasets.write_raw(1, 1, MOMENT, rows[:10])
    preprocess(datasets)
    old = Path(datasets.root) / "group_1" / "batch_1_20250101_000000.csv"
    old.write_text("".join(",".join(row) + "\n" for row in rows[10:]))
    assert preprocess(datasets).total == 50


def test_files_copied_in_by_hand_are_read_within_a_hundred_others(
    datasets: Datasets, rows: list[list[str]]
) -> None:
    datasets.write_raw(1, 1, MOMENT, rows[:1])
    preprocess(datasets)
    old = Path(datasets.root) / "group_1" / "batch_1_20250101_000000.csv"
    old.write_text("".join(",".join(row) + "\n" for row in rows))
    for number in range(1, 101):
        datasets.write_raw(1, 1, MOMENT + timedelta(minutes=number), rows[:1])
        done = preprocess(datasets)
        if done.total == 50:
            break
    assert number <= 100
    assert done.total == 50


def test_a_cycle_lists_no_folder_of_raw_files(
    datasets: Datasets, rows: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets.write_raw(1, 1, MOMENT, rows[:10])
    preprocess(datasets)
    monkeypatch.setattr(os, "scandir", lambda *_: 1 / 0)
    datasets.write_raw(1, 1, MOMENT + timedelta(minutes=5), rows)
    assert datasets.find_raw(1, MOMENT + timedelta(minutes=10)) is None
    assert Processed(datasets.processed.folder).count() == 10
    assert len(datasets.unread_names()) == 1


def test_the_files_of_the_former_release_are_taken_over(
    datasets: Datasets, rows: list[list[str]], real_rows: pd.DataFrame
) -> None:
    """It kept the names of what it had read in a list; what it had read is not read again."""
    read = [datasets.write_raw(g, 1, MOMENT, rows[10 * g : 10 * g + 10]) for g in (2, 1)]
    unread = datasets.write_raw(3, 1, MOMENT, rows[30:])
    shutil.rmtree(Path(datasets.root) / "processed", ignore_errors=True)
    (Path(datasets.root) / "arrivals.txt").unlink()
    folder = Path(datasets.root) / "processed"
    folder.mkdir()
    former = pd.concat([real_rows[20:30], real_rows[10:20]], ignore_index=True)
    former.to_parquet(folder / "covertype_preprocessed.parquet", index=False)
    former.to_csv(folder / "covertype_preprocessed.csv", index=False)
    (folder / "read_files.txt").write_text("".join(f"{name}\n" for name in read))

    assert datasets.unread_names() == [unread]
    done = preprocess(datasets)
    assert (done.files, done.read, done.duplicates, done.total) == (1, 20, 0, 40)
    assert not (folder / "read_files.txt").exists()
    whole = pd.concat([former, real_rows[30:50]], ignore_index=True)
    pd.testing.assert_frame_equal(datasets.read_processed(), whole, check_dtype=False)
    assert len(csv_of(datasets).read_text().splitlines()) == 41
    assert preprocess(datasets).files == 0
    assert rebuild(datasets) == Rebuilt(3, 40, 40)
    pd.testing.assert_frame_equal(datasets.read_processed(), whole, check_dtype=False)
