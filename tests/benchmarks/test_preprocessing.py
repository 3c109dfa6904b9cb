from pathlib import Path

import pytest

from benchmarks.preprocessing import Collected, measure, table
from covertype.ingestion.preprocessing import preprocess
from tests.stored_files import csv_of


def test_the_state_of_a_benchmark_is_what_the_cycles_would_leave(tmp_path: Path) -> None:
    collected = Collected(tmp_path, rows_a_file=300)
    collected.run(3)
    collected.run(10, known_rows_only=True)
    processed = collected.datasets.processed
    computed = csv_of(collected.datasets).read_text()
    assert collected.datasets.unread_names() == []
    processed.clear()
    done = preprocess(collected.datasets)
    assert (done.files, done.rejected) == (130, 0)
    assert csv_of(collected.datasets).read_text() == computed


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_a_cycle_is_measured_in_its_own_process() -> None:
    measured = measure(few=1, many=2, rows_a_file=50)
    assert [each.cycles for each in measured] == [1, 2, 2]
    assert measured[0].distinct_rows == measured[1].distinct_rows < measured[2].distinct_rows
    assert "| 2 cycles, all rows | 20 |" in table(measured)
