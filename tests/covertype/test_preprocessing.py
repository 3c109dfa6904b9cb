from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from covertype.preprocessing import grown_enough, preprocess
from covertype.storage import Datasets

MOMENT = datetime(2026, 11, 23, 10, 5, 0, tzinfo=UTC)


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets(tmp_path)


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
    assert "C0000" in rejected["reason"][0]
    assert "alto" in rejected["reason"][1]
    assert "got 12" in rejected["reason"][2]
    assert rejected["text"][0] == ",".join(bad_soil)


def test_a_file_of_bad_rows_alone_leaves_no_processed_row(
    datasets: Datasets, rows: list[list[str]]
) -> None:
    datasets.write_raw(1, 1, MOMENT, [row[:12] for row in rows])
    assert preprocess(datasets).total == 0
    assert len(datasets.read_rejected()) == 50
    datasets.write_raw(1, 1, MOMENT + timedelta(minutes=5), rows)
    assert preprocess(datasets).total == 50


def test_a_stop_before_the_note_of_read_files_changes_nothing(
    datasets: Datasets, rows: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets.write_raw(1, 1, MOMENT, [*rows, rows[0][:12]])
    with monkeypatch.context() as patch:
        patch.setattr(Datasets, "_read_list", datasets.root / "no" / "\0")
        with pytest.raises(ValueError, match="null byte"):
            preprocess(datasets)
    first = datasets.read_processed()
    assert len(first) == 50
    assert preprocess(datasets).total == 50
    pd.testing.assert_frame_equal(datasets.read_processed(), first)
    assert len(datasets.read_rejected()) == 1


@pytest.mark.parametrize(
    ("rows_now", "announced", "expected"),
    [
        (0, None, False),
        (1, None, True),
        (124, 100, False),
        (125, 100, True),
        (100, 100, False),
        (0, 0, False),
    ],
)
def test_training_is_worth_it_first_and_after_growth(
    rows_now: int, announced: int | None, expected: bool
) -> None:
    assert grown_enough(rows_now, announced, 0.25) is expected
