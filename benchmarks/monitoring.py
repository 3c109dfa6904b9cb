"""What monitoring reports on the real data, how often chance alarms it, and what it costs.

Usage: `python -m benchmarks.monitoring`. Prints the tables of docs/monitoring.md: the ten batches,
each against those before it; re-draws of the same batch; and one `monitor_new_data` in a process of
its own.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import mlflow
import numpy as np
import pyarrow.parquet as pq

from benchmarks.memory import peak_mb
from benchmarks.platform import output_of, registry
from benchmarks.preprocessing import Collected
from covertype import jobs
from covertype.contract import COLUMNS, TARGET, WILDERNESS_AREA
from covertype.data import Datasets
from covertype.ingestion.preprocessing import preprocess
from covertype.monitoring.drift import Comparison, Limits, Measure, Reference
from covertype.rows.arrow import from_table
from covertype.rows.codes import Codes
from covertype.training.searches import FOREST

_DATA = Path(__file__).parents[1] / "data-api" / "covertype.parquet"
_BATCHES = 10
_COLLECTED = 0.65
"""The share of a batch that ten random tenths of it hold."""

_LIMITS = Limits(psi=0.25, share=0.1)
_SIZES = (10, 30, 100, 300, 1_000, 5_810)
_REDRAWS = 100


def batches() -> list[Codes]:
    """Return the batches of the data API: consecutive tenths of the dataset."""
    rows = from_table(pq.read_table(_DATA, columns=list(COLUMNS)))
    return np.split(rows[: len(rows) // _BATCHES * _BATCHES], _BATCHES)


def next_batches(whole: Sequence[Codes]) -> Iterator[Comparison]:
    """Yield what was collected of each batch, compared with all batches before it."""
    random = np.random.default_rng(0)
    collected = [rows[random.random(len(rows)) < _COLLECTED] for rows in whole]
    for number in range(1, _BATCHES):
        reference = Reference.of(np.concatenate(collected[:number]))
        yield reference.compare(reference.count(collected[number]), 0.0, _LIMITS)


def redraws(whole: Sequence[Codes], size: int) -> Iterator[Comparison]:
    """Yield random re-draws of each batch, compared with what was collected of the same batch."""
    random = np.random.default_rng(size)
    for rows in whole:
        reference = Reference.of(rows[random.random(len(rows)) < _COLLECTED])
        for _ in range(_REDRAWS):
            drawn = rows[random.choice(len(rows), size, replace=False)]
            yield reference.compare(reference.count(drawn), 0.0, _LIMITS)


def _print_next_batches(whole: Sequence[Codes]) -> None:
    print("| batch | findings of 16 | worst feature | its PSI | PSI of the area | TV of classes |")
    print("| ---: | ---: | --- | ---: | ---: | ---: |")
    for number, comparison in enumerate(next_batches(whole), 2):
        values = {(one.measure, one.column): one.value for one in comparison.shifts}
        (worst,) = comparison.worst(1)
        print(
            f"| {number} | {len(comparison.findings)} | {worst.column} | {worst.value:.2f} "
            f"| {values[Measure.PSI, WILDERNESS_AREA.name]:.2f} "
            f"| {values[Measure.TV, TARGET.name]:.2f} |"
        )


def _print_redraws(whole: Sequence[Codes]) -> None:
    print("| rows of a window | windows | false alarms | above a limit, chance ignored |")
    print("| ---: | ---: | ---: | ---: |")
    for size in _SIZES:
        compared = list(redraws(whole, size))
        alarms = sum(bool(one.findings) for one in compared)
        loose = sum(any(shift.value > shift.limit for shift in one.shifts) for one in compared)
        print(f"| {size:,} | {len(compared):,} | {alarms} | {loose:,} |")


def _print_cost() -> None:
    print("| trained on batches | new batches | rows of these | seconds | peak memory, MB |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for trained_on in (1, _BATCHES - 1):
        with (
            tempfile.TemporaryDirectory(prefix="monitoring.") as made,
            registry(Path(made)) as address,
        ):
            root = Path(made) / "datasets"
            os.environ |= {"MLFLOW_TRACKING_URI": address, "DATASETS_URL": str(root)}
            mlflow.set_tracking_uri(address)
            _promote_forest(Collected(root), trained_on)
            cost = output_of("benchmarks.monitoring", "--once")
        print(
            f"| {'1' if trained_on == 1 else f'1 to {trained_on}'} | {_BATCHES - trained_on} "
            f"| {cost['rows']:,} | {cost['seconds']:.1f} | {cost['peak_mb']:.0f} |"
        )


def _promote_forest(collected: Collected, trained_on: int) -> None:
    """Put the best forest of some batches into Production, then collect the others."""
    for number in range(_BATCHES):
        collected.log(collected.collect())
        if number + 1 == trained_on:
            preprocess(collected.datasets)
            snapshot = collected.datasets.take_snapshot().name
            (plan,) = jobs.plan_search(FOREST, FOREST.candidates[-1:], "benchmark", snapshot)
            (run,) = jobs.train_batch(jobs.batch_of(FOREST, **plan))
            assert jobs.promote(jobs.register(run))


def _monitor_once() -> dict[str, float]:
    start = time.perf_counter()
    jobs.monitor_new_data()
    seconds = time.perf_counter() - start
    documents = Datasets(Path(os.environ["DATASETS_URL"])).monitored_batches.read()
    rows = sum(one["rows"] for one in documents.values())
    return {"rows": rows, "seconds": seconds, "peak_mb": peak_mb()}


def main() -> None:
    """Print the tables; with `--once`, monitor what the environment names, and print the cost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitoring", description=__doc__)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    if parser.parse_args().once:
        print(json.dumps(_monitor_once()))
        return
    whole = batches()
    _print_next_batches(whole)
    _print_redraws(whole)
    _print_cost()


if __name__ == "__main__":
    main()
