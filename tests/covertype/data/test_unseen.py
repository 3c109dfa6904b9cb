"""Which raw rows a snapshot lacks, and its newest batch."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from covertype.data import Datasets, UnseenBatch
from covertype.ingestion.preprocessing import preprocess
from covertype.rows.codes import Codes

MOMENT = datetime(2026, 11, 23, 10, 5, 0, tzinfo=UTC)

Cells = list[str]
REST = ["45", "10", "100", "20", "200", "220", "230", "180", "150", "Rawah", "C7745", "4"]


def row(elevation: int) -> Cells:
    return [str(elevation), *REST]


def collect(
    datasets: Datasets, group: int, batch: int, elevations: Sequence[int], minutes: int = 0
) -> str:
    moment = MOMENT + timedelta(minutes=minutes)
    return datasets.write_raw(group, batch, moment, [row(one) for one in elevations])


def snapshot(datasets: Datasets) -> str:
    preprocess(datasets)
    return datasets.take_snapshot().name


def elevations(rows: Codes) -> list[int]:
    return list(map(int, rows[:, 0]))


def test_nothing_is_unseen_right_after_a_snapshot(datasets: Datasets) -> None:
    collect(datasets, 1, 1, [2000])
    assert datasets.unseen_batches(snapshot(datasets)) == []


def test_later_files_are_unseen_by_batch_in_order_of_arrival(datasets: Datasets) -> None:
    collect(datasets, 1, 1, [2000])
    name = snapshot(datasets)
    first = collect(datasets, 2, 3, [2001], minutes=5)
    second = collect(datasets, 1, 2, [2002], minutes=5)
    third = collect(datasets, 1, 3, [2003], minutes=10)
    assert datasets.unseen_batches(name) == [
        UnseenBatch(3, (first, third)),
        UnseenBatch(2, (second,)),
    ]
    # Preprocessing does not make the model see them.
    preprocess(datasets)
    assert len(datasets.unseen_batches(name)) == 2


def test_rows_of_the_snapshot_and_duplicates_are_left_out(datasets: Datasets) -> None:
    collect(datasets, 1, 1, [2000, 2001])
    name = snapshot(datasets)
    collect(datasets, 1, 2, [2001, 2002, 2002], minutes=5)
    collect(datasets, 2, 2, [2002, 2003], minutes=5)
    (batch,) = datasets.unseen_batches(name)
    unseen = datasets.read_unseen(name, batch)
    assert elevations(unseen.rows) == [2002, 2003]
    assert (unseen.read, unseen.rejected, unseen.rejected_share) == (5, 0, 0.0)


def test_rejected_rows_are_counted_among_those_read(datasets: Datasets) -> None:
    collect(datasets, 1, 1, [2000])
    name = snapshot(datasets)
    collect(datasets, 1, 2, [2001, -1, 99_999, 2002], minutes=5)
    (batch,) = datasets.unseen_batches(name)
    unseen = datasets.read_unseen(name, batch)
    assert (unseen.read, unseen.rejected, unseen.rejected_share) == (4, 2, 0.5)


def test_a_batch_whose_files_are_gone_has_no_rows(datasets: Datasets) -> None:
    collect(datasets, 1, 1, [2000])
    name = snapshot(datasets)
    (Path(datasets.root) / collect(datasets, 1, 2, [2001], minutes=5)).unlink()
    (batch,) = datasets.unseen_batches(name)
    unseen = datasets.read_unseen(name, batch)
    assert (len(unseen.rows), unseen.read, unseen.rejected_share) == (0, 0, 0.0)


def test_a_file_whose_name_tells_no_batch_belongs_to_none(datasets: Datasets) -> None:
    collect(datasets, 1, 1, [2000])
    name = snapshot(datasets)
    (Path(datasets.root) / "group_1" / "batch_by_hand.csv").write_text(",".join(row(2001)) + "\n")
    assert len(datasets.unread_names()) == 1
    assert datasets.unseen_batches(name) == []
    assert elevations(datasets.read_newest_batch(snapshot(datasets))) == [2000]


def without_record(datasets: Datasets, name: str) -> None:
    path = Path(datasets.root) / name
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata(None), path)


def test_without_a_record_all_files_are_read_and_the_rows_of_the_snapshot_left_out(
    datasets: Datasets,
) -> None:
    collect(datasets, 1, 1, [2000])
    name = snapshot(datasets)
    without_record(datasets, name)
    collect(datasets, 1, 2, [2000, 2001], minutes=5)
    batches = datasets.unseen_batches(name)
    read = {batch.number: elevations(datasets.read_unseen(name, batch).rows) for batch in batches}
    assert read == {1: [], 2: [2001]}


def test_the_newest_batch_is_the_highest_of_the_last_collection(datasets: Datasets) -> None:
    for group in range(1, 11):
        collect(datasets, group, 1, [2000 + group])
    # Two groups are ahead, and the last file is of one that is behind.
    collect(datasets, 1, 2, [2100, 2101], minutes=5)
    collect(datasets, 2, 2, [2101, 2102], minutes=5)
    collect(datasets, 3, 1, [2003], minutes=5)
    name = snapshot(datasets)
    collect(datasets, 1, 3, [2200], minutes=10)
    assert elevations(datasets.read_newest_batch(name)) == [2100, 2101, 2102]


def test_after_a_restart_the_newest_batch_is_the_one_collected_last(datasets: Datasets) -> None:
    for group in range(1, 11):
        collect(datasets, group, 10, [2000 + group])
    for group in range(1, 11):
        collect(datasets, group, 1, [2100 + group], minutes=5)
    found = elevations(datasets.read_newest_batch(snapshot(datasets)))
    assert found == [2100 + group for group in range(1, 11)]


def test_all_files_of_the_newest_batch_that_were_read_count(datasets: Datasets) -> None:
    for minutes in range(0, 60, 5):
        collect(datasets, 1, 4, [2000 + minutes], minutes)
    assert len(datasets.read_newest_batch(snapshot(datasets))) == 12


def test_without_a_record_there_is_no_newest_batch(datasets: Datasets) -> None:
    collect(datasets, 1, 1, [2000])
    name = snapshot(datasets)
    without_record(datasets, name)
    assert datasets.read_newest_batch(name).shape == (0, 13)


def test_a_snapshot_is_read_part_by_part_in_its_order(datasets: Datasets) -> None:
    collect(datasets, 1, 1, [2001, 2000, 2002])
    parts = list(datasets.read_snapshot_parts(snapshot(datasets)))
    assert elevations(np.concatenate(parts)) == [2001, 2000, 2002]


def test_the_period_of_a_snapshot_is_that_of_its_own_files(datasets: Datasets) -> None:
    collect(datasets, 1, 1, [2000], minutes=5)
    collect(datasets, 2, 1, [2001])
    name = snapshot(datasets)
    collect(datasets, 1, 2, [2002], minutes=60)
    assert datasets.collected_period(name) == (MOMENT, MOMENT + timedelta(minutes=5))


def test_a_snapshot_that_does_not_tell_its_files_has_no_period(datasets: Datasets) -> None:
    collect(datasets, 1, 1, [2000])
    name = snapshot(datasets)
    table = pq.read_table(Path(datasets.root) / name)
    pq.write_table(table.replace_schema_metadata({}), Path(datasets.root) / name)
    assert datasets.collected_period(name) is None


def test_a_batch_of_which_the_snapshot_holds_rows_is_no_next_one(datasets: Datasets) -> None:
    collect(datasets, 1, 1, [2000])
    name = snapshot(datasets)
    collect(datasets, 1, 1, [2001], minutes=5)
    collect(datasets, 1, 2, [2002], minutes=10)
    assert [(batch.number, batch.is_next) for batch in datasets.unseen_batches(name)] == [
        (1, False),
        (2, True),
    ]
