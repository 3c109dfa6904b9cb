"""Preprocessing under overlaps, kills and restored files: no valid row is lost or doubled."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covertype.data import Datasets, RejectedRow
from covertype.ingestion.preprocessing import preprocess
from covertype.rebuild import FewerRows, Rebuilt, main, rebuild
from covertype.rows.arrow import to_table
from covertype.rows.codes import Codes
from covertype.rows.violations import VALUE, Violation
from tests.stored_files import csv_of, parquet_of

MOMENT = datetime(2026, 11, 23, 10, 5, 0, tzinfo=UTC)


@pytest.fixture
def rows(real_rows: pd.DataFrame) -> list[list[str]]:
    cells: list[list[str]] = real_rows.head(60).astype(str).to_numpy().tolist()
    return cells


@pytest.fixture(scope="module")
def few_rows(real_rows: pd.DataFrame) -> list[list[str]]:
    cells: list[list[str]] = real_rows.head(32).astype(str).to_numpy().tolist()
    return cells


def expected(datasets: Datasets) -> set[str]:
    """Return the valid rows of all raw files, as lines of the CSV."""
    valid = [to_table(datasets.read_raw(name)[0]) for name in datasets.raw_names()]
    return {line for part in valid for line in lines_of(part.to_pandas())}


def lines_of(rows: pd.DataFrame) -> list[str]:
    return [",".join(map(str, row)) for row in rows.itertuples(index=False)]


def check(datasets: Datasets) -> None:
    """Assert that every valid row is there once, in both files in the same order."""
    lines = lines_of(datasets.read_processed())
    assert len(lines) == len(set(lines))
    assert set(lines) == expected(datasets)
    assert csv_of(datasets).read_text().splitlines()[1:] == lines


def test_a_run_that_overlaps_another_loses_no_row(
    datasets: Datasets, rows: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run reads what is there, and goes on only when the second has had its time."""
    datasets.write_raw(1, 1, MOMENT, rows[:20])
    second = threading.Thread(target=preprocess, args=(datasets,))
    read = Datasets.read_raw

    def overlapped(self: Datasets, name: str) -> tuple[Codes, list[RejectedRow]]:
        if threading.current_thread() is threading.main_thread() and not second.ident:
            datasets.write_raw(2, 1, MOMENT, rows[20:40])
            second.start()
            second.join(0.5)
        return read(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(Datasets, "read_raw", overlapped)
        preprocess(datasets)
        second.join()
    preprocess(datasets)
    check(datasets)


def test_a_restored_older_parquet_gets_the_missing_rows_again(
    datasets: Datasets, rows: list[list[str]]
) -> None:
    datasets.write_raw(1, 1, MOMENT, rows[:20])
    preprocess(datasets)
    backup = parquet_of(datasets).read_bytes()
    datasets.write_raw(2, 1, MOMENT, rows[20:40])
    preprocess(datasets)
    parquet_of(datasets).write_bytes(backup)
    datasets.write_raw(3, 1, MOMENT, rows[40:])
    preprocess(datasets)
    check(datasets)


def test_a_deleted_parquet_is_made_again(datasets: Datasets, rows: list[list[str]]) -> None:
    datasets.write_raw(1, 1, MOMENT, rows)
    preprocess(datasets)
    parquet_of(datasets).unlink()
    preprocess(datasets)
    check(datasets)


@pytest.mark.parametrize("fault", ["edited", "deleted", "half"])
def test_a_csv_out_of_step_is_written_again(
    datasets: Datasets, rows: list[list[str]], fault: str
) -> None:
    datasets.write_raw(1, 1, MOMENT, rows[:20])
    preprocess(datasets)
    text = csv_of(datasets).read_text()
    csv_of(datasets).unlink()
    if fault != "deleted":
        changed = text[:500] if fault == "half" else text.replace("3", "4", 1)
        csv_of(datasets).write_text(changed)
    datasets.write_raw(2, 1, MOMENT, rows[20:])
    preprocess(datasets)
    check(datasets)


def test_a_raw_file_stays_when_a_slow_try_comes_late(
    datasets: Datasets, rows: list[list[str]]
) -> None:
    name = datasets.write_raw(1, 1, MOMENT, rows[:20])
    preprocess(datasets)
    assert datasets.write_raw(1, 1, MOMENT, rows[20:]) == name
    preprocess(datasets)
    check(datasets)


class Killed(BaseException):
    """The process ends here: nothing that comes after is done."""


@contextmanager
def killed_at(step: int | None) -> Iterator[None]:
    """End what runs at its `step`th change of the disk, and let it do nothing afterwards."""
    left = [step if step is not None else 1_000_000]

    def unless_killed(change: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return change(*arguments, **named)

        return checked

    with pytest.MonkeyPatch.context() as patch, suppress(Killed):
        patch.setattr(os, "fsync", unless_killed(lambda _: None))
        for name in ("replace", "unlink", "utime", "ftruncate", "chmod"):
            patch.setattr(os, name, unless_killed(getattr(os, name)))
        yield


minutes = st.integers(0, 4)
parts = st.integers(0, 9)
kills = st.none() | st.integers(0, 25)
steps = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 3), minutes, parts, kills),
    st.tuples(st.just("write"), st.integers(1, 3), minutes, parts, st.none()),
    st.tuples(st.just("copy by hand"), st.integers(1, 3), minutes, parts),
    st.tuples(st.just("preprocess"), kills),
    st.tuples(st.just("preprocess"), kills),
    st.tuples(st.just("rebuild"), kills),
    st.tuples(
        st.sampled_from(["overlap", "back up", "restore", "delete CSV", "half a line of the log"])
    ),
)


class Machine:
    """A datasets folder to which the steps happen."""

    def __init__(self, root: Path, rows: list[list[str]]) -> None:
        self.datasets = Datasets(root)
        self._rows = rows
        self._backup = root / "backup"

    def do(self, step: tuple[Any, ...]) -> None:
        datasets = self.datasets
        match step:
            case "write", group, minute, part, kill:
                moment = MOMENT + timedelta(minutes=minute)
                with killed_at(kill):
                    if not datasets.find_raw(group, moment):
                        datasets.write_raw(group, 1, moment, self._part(part))
            case "copy by hand", group, minute, part:
                path = (
                    Path(datasets.root)
                    / f"group_{group}"
                    / f"batch_9_2025010{minute + 1}_000000.csv"
                )
                path.parent.mkdir(exist_ok=True)
                if not path.exists():
                    path.write_text("".join(",".join(row) + "\n" for row in self._part(part)))
            case "preprocess", kill:
                with killed_at(kill):
                    preprocess(datasets)
            case "rebuild", kill:
                with killed_at(kill):
                    rebuild(datasets, fewer_rows=True)
            case ("overlap",):
                with killed_at(None):
                    runs = [threading.Thread(target=preprocess, args=(datasets,)) for _ in "ab"]
                    for run in runs:
                        run.start()
                    for run in runs:
                        run.join()
            case ("back up",) if parquet_of(datasets).exists():
                shutil.copy(parquet_of(datasets), self._backup)
            case ("restore",) if self._backup.exists():
                shutil.copy(self._backup, parquet_of(datasets))
            case ("delete CSV",):
                csv_of(datasets).unlink(missing_ok=True)
            case ("half a line of the log",) if (Path(datasets.root) / "arrivals.txt").exists():
                with (Path(datasets.root) / "arrivals.txt").open("a") as log:
                    log.write("group_1/batch_1_2026")

    def _part(self, number: int) -> list[list[str]]:
        return [*self._rows[3 * number : 3 * number + 5], ["short"]]


@settings(max_examples=200)
@given(happened=st.lists(steps, max_size=10))
def test_every_valid_row_is_there_once_whatever_happened(
    happened: list[tuple[Any, ...]],
    few_rows: list[list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    machine = Machine(tmp_path_factory.mktemp("datasets"), few_rows)
    for step in happened:
        machine.do(step)
    datasets = machine.datasets
    machine.do(("write", 4, 0, 0, None))
    with killed_at(None):
        # The second run has nothing new, so it looks for what is not in the log.
        preprocess(datasets)
        preprocess(datasets)
        check(datasets)
        increments = csv_of(datasets).read_text()
        assert rebuild(datasets).files == len(datasets.raw_names())
        check(datasets)
        assert csv_of(datasets).read_text() == increments
    left = {path.name for path in parquet_of(datasets).parent.glob(".*")}
    assert left <= {".lock", ".rebuild"}


def test_a_log_that_is_lost_or_of_a_backup_loses_no_row(
    datasets: Datasets, rows: list[list[str]]
) -> None:
    log = Path(datasets.root) / "arrivals.txt"
    for number in range(4):
        datasets.write_raw(1, 1, MOMENT - timedelta(minutes=number), rows[number : number + 5])
        if number < 3:
            preprocess(datasets)
        if number == 1:
            backup = log.read_bytes()
    log.write_bytes(backup)
    datasets.write_raw(2, 1, MOMENT, rows[20:])
    preprocess(datasets)
    preprocess(datasets)
    check(datasets)
    log.unlink()
    datasets.write_raw(3, 1, MOMENT, rows[10:])
    preprocess(datasets)
    check(datasets)


def test_processes_that_overlap_lose_no_row(datasets: Datasets, rows: list[list[str]]) -> None:
    command = (
        "import sys, pathlib; from covertype.ingestion.preprocessing import preprocess; "
        "from covertype.data import Datasets; preprocess(Datasets(pathlib.Path(sys.argv[1])))"
    )
    for group in range(1, 4):
        datasets.write_raw(group, 1, MOMENT, rows[20 * group - 20 : 20 * group])
    runs = [subprocess.Popen([sys.executable, "-c", command, datasets.root]) for _ in range(3)]
    datasets.write_raw(4, 1, MOMENT, rows[5:50])
    assert [run.wait(60) for run in runs] == [0, 0, 0]
    preprocess(datasets)
    check(datasets)


def test_a_rebuild_keeps_the_rows_it_can_t_make_again(
    datasets: Datasets, rows: list[list[str]]
) -> None:
    gone = datasets.write_raw(1, 1, MOMENT, rows[:20])
    datasets.write_raw(2, 1, MOMENT, rows[10:])
    preprocess(datasets)
    (Path(datasets.root) / gone).unlink()
    before = csv_of(datasets).read_text()
    with pytest.raises(FewerRows, match="50 rows, and there are 60"):
        rebuild(datasets)
    assert csv_of(datasets).read_text() == before
    assert rebuild(datasets, fewer_rows=True) == Rebuilt(1, 60, 50)
    check(datasets)


def test_a_rebuild_mends_a_file_that_can_t_be_read(
    datasets: Datasets, rows: list[list[str]]
) -> None:
    datasets.write_raw(1, 1, MOMENT, rows)
    preprocess(datasets)
    parquet_of(datasets).write_bytes(b"half")
    assert rebuild(datasets) == Rebuilt(1, None, 60)
    check(datasets)


def test_a_rebuild_takes_back_what_was_rejected_once(
    datasets: Datasets, rows: list[list[str]]
) -> None:
    name = datasets.write_raw(1, 1, MOMENT, rows[:20])
    datasets.write_rejected(name, [RejectedRow(1, "x", [Violation(VALUE, "Slope", "y")])])
    rebuild(datasets)
    assert datasets.read_rejected().empty


def test_the_command_says_what_it_did(
    datasets: Datasets,
    rows: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gone = datasets.write_raw(1, 1, MOMENT, rows[:20])
    datasets.write_raw(2, 1, MOMENT, rows[20:])
    preprocess(datasets)
    monkeypatch.setenv("DATASETS_URL", str(datasets.root))
    monkeypatch.setattr(sys, "argv", ["rebuild"])
    main()
    assert capsys.readouterr().out == (
        f"{datasets.root}: 2 raw files read; rows before: 60, after: 60\n"
    )
    (Path(datasets.root) / gone).unlink()
    with pytest.raises(SystemExit, match="--fewer-rows"):
        main()
    monkeypatch.setattr(sys, "argv", ["rebuild", "--fewer-rows"])
    main()
    assert "1 raw files read; rows before: 60, after: 40" in capsys.readouterr().out
