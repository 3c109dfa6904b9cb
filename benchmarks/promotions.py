"""Ten batches in fast motion: what each version remembers, what the gate says, what comes next.

Usage: `python -m benchmarks.promotions`. For each batch, the version in Production is first scored
on what was collected of it; then forests are trained on all batches so far, and the best is judged.
Prints a table, and draws docs/images/promotions.png.
"""

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import mlflow
from matplotlib.figure import Figure
from mlflow import MlflowClient

from benchmarks.platform import registry
from benchmarks.preprocessing import Collected
from covertype import jobs
from covertype.data import Datasets
from covertype.gate import verdicts
from covertype.gate.verdicts import VERDICT, Verdict
from covertype.ingestion.preprocessing import preprocess
from covertype.registry.monitored import NothingToMonitor
from covertype.registry.names import MODEL_NAME
from covertype.training.searches import FOREST

_PICTURE = Path(__file__).parents[1] / "docs" / "images" / "promotions.png"
_BATCHES = 10
_CANDIDATES = (FOREST.candidates[3], FOREST.candidates[6])
"""The best forest and one of a bootstrap sample."""


class Round(NamedTuple):
    """One batch: the challenger of its round, and Production before it on the batch."""

    batch: int
    rows: int
    version: str
    outcome: str
    verdict: Verdict
    holdout: float
    next_batch: float | None

    def figure(self, name: str) -> float | None:
        """Return a share of the verdict, whichever rule it belongs to."""
        found = [check.figures[name] for check in self.verdict.checks if name in check.figures]
        return float(found[0]) if found else None


def play(collected: Collected, batch: int) -> Round:
    """Collect a batch, score Production on it, train, and judge the best forest."""
    collected.log(collected.collect())
    next_batch = _score_production(collected.datasets)
    preprocess(collected.datasets)
    snapshot = collected.datasets.take_snapshot()
    runs = []
    for plan in jobs.plan_search(FOREST, _CANDIDATES, f"batch {batch}", snapshot.name):
        runs += jobs.train_batch(jobs.batch_of(FOREST, **plan))
    best = jobs.choose_best(runs)
    version = jobs.register(best)
    jobs.promote(version)
    tags = MlflowClient().get_model_version(MODEL_NAME, version).tags
    verdict = verdicts.from_tags(tags)
    assert verdict is not None
    holdout = MlflowClient().get_run(best).data.metrics["accuracy"]
    return Round(batch, snapshot.rows, version, tags[VERDICT], verdict, holdout, next_batch)


def _score_production(datasets: Datasets) -> float | None:
    try:
        (name,) = jobs.monitor_new_data()
    except NothingToMonitor:
        return None
    return float(datasets.monitored_batches.read_one(name)["metrics"]["accuracy"])


def print_table(rounds: list[Round]) -> None:
    """Print a line for each round."""
    print("| batches | rows | version | outcome | holdout | gate | incumbent | next batch |")
    print("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |")
    for one in rounds:
        shown = [
            f"{value:.4f}" if isinstance(value, float) else "–"
            for value in (
                one.holdout,
                one.figure("accuracy"),
                one.figure("former_accuracy"),
                one.next_batch,
            )
        ]
        batches = "1" if one.batch == 1 else f"1 to {one.batch}"
        print(
            f"| {batches} | {one.rows:,} | {one.version} | {one.outcome}: `{one.verdict.rule}` "
            f"| {' | '.join(shown)} |"
        )


def draw(rounds: list[Round]) -> Figure:
    """Draw the three accuracies by version."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    versions = [f"{one.version}\n({one.rows // 1000}k rows)" for one in rounds]
    axes.plot(versions, [one.holdout for one in rounds], "o-", color="#9e9e9e", label="holdout")
    gate = [one.figure("accuracy") or float("nan") for one in rounds]
    axes.plot(versions, gate, "s-", color="#2e7d32", label="gate")
    # A version is scored on the batch after its own.
    following = [float(one.next_batch or "nan") for one in rounds[1:]]
    axes.plot(versions[:-1], following, "^-", color="#e67e22", label="next batch")
    axes.set_xlabel("Version")
    axes.set_ylabel("Accuracy")
    axes.set_ylim(0.5, 1)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="lower left")
    return figure


def main() -> None:
    """Play all batches, print the table and draw the picture."""
    with (
        tempfile.TemporaryDirectory(prefix="promotions.") as made,
        registry(Path(made)) as address,
    ):
        root = Path(made) / "datasets"
        os.environ |= {"MLFLOW_TRACKING_URI": address, "DATASETS_URL": str(root)}
        mlflow.set_tracking_uri(address)
        collected = Collected(root)
        rounds = [play(collected, batch) for batch in range(1, _BATCHES + 1)]
    print_table(rounds)
    draw(rounds).savefig(_PICTURE, dpi=100)


if __name__ == "__main__":
    main()
