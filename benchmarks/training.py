"""Compares ways to train on the same rows: `make bench-training`, or with `FULL=1` on all rows.

Writes its tables to docs/benchmarks.md.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import preprocessing, report, training_page
from benchmarks.platform import ROWS, observations, output_of, registry, row_count
from benchmarks.training_page import AllRows, RecipeResult, Recipes
from benchmarks.ways import READING, Fit, Outcome
from covertype.data import Datasets
from covertype.training.searches import FOREST

_RECIPE_ROWS = 58_101
"""The number of rows in one of the ten batches of the dataset."""

_RECIPES = {"reference": "reference", "former": "former release", "new": "this release"}


@dataclass(frozen=True)
class Course:
    """The environment of the ways: the rows as a snapshot, and an MLflow server."""

    datasets: Datasets
    snapshot: str
    uri: str
    artifacts: Path

    def run(self, way: str, title: str | None = None) -> RecipeResult:
        """Run one way in its own process."""
        before = self._stored_bytes()
        said = output_of("benchmarks.ways", way, str(self.datasets.root), self.snapshot, self.uri)
        outcome = Outcome(said["seconds"], said["peak_mb"], [Fit(**each) for each in said["fits"]])
        measured = RecipeResult(title or way, outcome, self._stored_bytes() - before)
        print(f"  {measured}", flush=True)
        return measured

    def _stored_bytes(self) -> int:
        files = (path for path in self.artifacts.rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files)


@contextmanager
def course(rows: int) -> Iterator[Course]:
    """Write a snapshot of some rows and run a server; remove everything at the end."""
    with tempfile.TemporaryDirectory(prefix="training.") as made:
        folder = Path(made)
        datasets = Datasets(folder / "datasets")
        datasets.write_processed(observations(rows), [])
        snapshot = datasets.take_snapshot().name
        with registry(folder) as uri:
            yield Course(datasets, snapshot, uri, folder / "artifacts")


def recipes(rows: int) -> Recipes:
    """Measure the searches of the reference, of the former release and of this one, in turn."""
    with course(rows) as on:
        return Recipes(
            rows,
            on.run(READING),
            [on.run(f"{recipe}-forests", title) for recipe, title in _RECIPES.items()],
            [on.run(f"{recipe}-regressions", title) for recipe, title in _RECIPES.items()],
            on.run("reference-regressions-on-one-thread", "reference, on one thread"),
        )


def all_rows(rows: int) -> AllRows:
    """Measure scikit-learn's default forest, the former best, this release's forests and round."""
    with course(rows) as on:
        return AllRows(
            rows,
            on.run(READING),
            on.run("default-forest", "scikit-learn's default forest"),
            on.run("former-best-forest", "the former release's best"),
            [on.run(FOREST.run_name(number)) for number in range(len(FOREST.candidates))],
            [
                on.run("forest-search", "`train_rf_model`"),
                on.run("new-regressions", "`train_logreg_model`"),
                on.run("regression-grid", "`train_logreg_model2`"),
            ],
        )


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--full", action="store_true", help="train on all rows")
    if parser.parse_args().full:
        report.section("Training on all rows", training_page.of_all_rows(all_rows(ROWS)))
        return
    measured = recipes(row_count(_RECIPE_ROWS))
    report.section("Training", training_page.of_recipes(measured, preprocessing.measure()))


if __name__ == "__main__":
    main()
