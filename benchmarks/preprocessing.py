"""The cost of one more preprocessing cycle after few and after many cycles.

Usage: `python -m benchmarks.preprocessing`. A cycle is ten groups' files of 5,810 rows, drawn from
the real dataset as the data API draws them.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from covertype.contract import COLUMNS, GROUPS
from covertype.data import Datasets
from covertype.ingestion.preprocessing import preprocess
from covertype.rows.arrow import from_table

ROOT = Path(__file__).parents[1]
_DATA = ROOT / "data-api" / "covertype.parquet"
_BATCHES = 10
_ROWS_A_FILE = 5_810
_START = datetime(2026, 1, 1, tzinfo=UTC)
_REPEATS = 5


@dataclass(frozen=True)
class Cycle:
    """One more cycle in its own process: seconds, and peak memory."""

    seconds: float
    peak_mb: float
    distinct_rows: int


@dataclass(frozen=True)
class CycleTimes:
    """The medians of five more cycles after a number of cycles."""

    title: str
    cycles: int
    distinct_rows: int
    seconds: float
    peak_mb: float


class Collected:
    """A datasets folder as the platform leaves it after some cycles.

    Its raw files, its log and its processed files are real. Only the processed rows are computed
    from what was drawn, in place of reading the files: a thousand cycles in half a minute.
    """

    def __init__(self, root: Path, rows_a_file: int = _ROWS_A_FILE) -> None:
        self.datasets = Datasets(root)
        self.cycles = 0
        self._rows_a_file = rows_a_file
        self._random = np.random.default_rng(1)
        table = pq.read_table(_DATA, columns=list(COLUMNS))
        cells = [column.cast(pa.string()).combine_chunks() for column in table.columns]
        self._lines = pc.binary_join_element_wise(
            pc.binary_join_element_wise(*cells, ","), "\n", ""
        )
        self._codes = from_table(table)
        self._batches = np.array_split(np.arange(len(table)), _BATCHES)
        self._seen = np.zeros(len(table), bool)
        self._order: list[npt.NDArray[np.intp]] = []

    def collect(self, *, known_rows_only: bool = False) -> list[str]:
        """Write the files of one more cycle; return their names.

        Parameters
        ----------
        known_rows_only : bool
            Draw from the rows that were drawn before, so that the distinct rows don't grow.
        """
        number = self.cycles % _BATCHES
        pool = self._batches[number]
        if known_rows_only:
            pool = pool[self._seen[pool]]
        names = []
        for group in GROUPS:
            drawn = self._random.choice(pool, min(self._rows_a_file, len(pool)), replace=False)
            stamp = _START + timedelta(minutes=5 * self.cycles)
            name = f"group_{group}/batch_{number + 1}_{stamp:%Y%m%d_%H%M%S}.csv"
            path = Path(self.datasets.root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._lines.take(pa.array(drawn)).buffers()[2])
            names.append(name)
            new = drawn[~self._seen[drawn]]
            self._seen[new] = True
            self._order.append(new)
        self.cycles += 1
        return names

    def log(self, names: Sequence[str]) -> None:
        """Log files as collecting them does."""
        with self.datasets.raw.arrivals.locked():
            self.datasets.raw.arrivals.append(names)

    def run(self, cycles: int, *, known_rows_only: bool = False) -> None:
        """Bring the folder to where so many more cycles, each preprocessed, bring it."""
        for _ in range(cycles):
            self.log(self.collect(known_rows_only=known_rows_only))
        processed = self.datasets.processed
        with processed.locked():
            _, record = self.datasets.unread(processed)
            processed.replace(self._codes[np.concatenate(self._order)], record)


def measure(
    few: int = 10, many: int = 1_000, *, rows_a_file: int = _ROWS_A_FILE
) -> list[CycleTimes]:
    """Measure one more cycle after few cycles and after many.

    Returns
    -------
    list of CycleTimes
        After `few`; after `many` with the same distinct rows; after `many` with all that came.
    """
    return [
        _measure("few cycles", rows_a_file, few),
        _measure("same distinct rows", rows_a_file, few, many - few),
        _measure("all rows", rows_a_file, many),
    ]


def _measure(title: str, rows_a_file: int, cycles: int, of_known_rows: int = 0) -> CycleTimes:
    repeats = []
    with tempfile.TemporaryDirectory(prefix="preprocessing.") as folder:
        collected = Collected(Path(folder), rows_a_file)
        collected.run(cycles)
        collected.run(of_known_rows, known_rows_only=True)
        cycles, distinct = collected.cycles, collected.datasets.processed.count()
        for _ in range(_REPEATS):
            collected.log(collected.collect())
            repeats.append(_one_cycle(Path(folder)))
    return CycleTimes(
        title,
        cycles,
        distinct,
        statistics.median(cycle.seconds for cycle in repeats),
        statistics.median(cycle.peak_mb for cycle in repeats),
    )


def _one_cycle(root: Path) -> Cycle:
    command = [sys.executable, "-m", "benchmarks.preprocessing", "--cycle", str(root)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return Cycle(**json.loads(done.stdout))


def _preprocess(root: Path) -> Cycle:
    start = time.perf_counter()
    done = preprocess(Datasets(root))
    seconds = time.perf_counter() - start
    return Cycle(seconds, _peak_mb(), done.total)


def _peak_mb() -> float:
    # getrusage starts from the memory of the parent process.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def table(measured: Sequence[CycleTimes]) -> str:
    """Return the results as a Markdown table, each with its ratio to the first."""
    first = measured[0]
    lines = [
        "| after | raw files | distinct rows | one more cycle, s | × | peak memory, MB | × |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {each.cycles:,} cycles, {each.title} | {10 * each.cycles:,} "
        f"| {each.distinct_rows:,} | {each.seconds:.2f} | {each.seconds / first.seconds:.2f} "
        f"| {each.peak_mb:.0f} | {each.peak_mb / first.peak_mb:.2f} |"
        for each in measured
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table; with `--cycle`, preprocess a folder and print what that cost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.preprocessing", description=__doc__)
    parser.add_argument("--many", type=int, default=1_000, help="cycles (default: 1,000)")
    parser.add_argument("--cycle", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cycle:
        print(json.dumps(asdict(_preprocess(arguments.cycle))))
    else:
        print(table(measure(many=arguments.many)))


if __name__ == "__main__":
    main()
