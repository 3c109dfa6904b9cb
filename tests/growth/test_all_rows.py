"""All rows of the dataset, on containers with their default limits."""

import subprocess

import numpy as np
import pandas as pd

from covertype.training.searches import FOREST
from tests.compose.stack import Stack
from tests.conftest import ROOT
from tests.growth.rounds import (
    BEST_BYTES,
    ROUND_BYTES,
    latest_round,
    model_bytes,
    rows_of,
    seconds,
    tasks_of,
)
from tests.growth.watch import Watch

_FILES = 10


def test_all_rows_of_the_dataset_fit_the_default_limits(stack: Stack) -> None:
    """What the batches did not draw comes as files that a person copies into the folder."""
    before = stack.dag_runs()
    whole = pd.read_parquet(ROOT / "data-api" / "covertype.parquet")
    for number, part in enumerate(np.array_split(np.arange(len(whole)), _FILES)):
        text = whole.iloc[part].to_csv(index=False, header=False)
        _copy_in(stack, f"group_1/batch_{number + 1}_20260101_{number:06}.csv", text)
    with Watch(stack) as watch:
        stack.start_dag("preprocess_covertype", announce_anyway=True)
        stack.wait_until_idle(1800)
    memory = watch.peaks["airflow-scheduler"]
    stack.figures["Peak memory of airflow-scheduler with all rows"] = f"{memory:.0f} MiB"
    runs = [
        run
        for run in stack.airflow("GET", "dags/~/dagRuns", params={"limit": 500})["dag_runs"]
        if (run["dag_id"], run["dag_run_id"]) not in before
    ]
    taken = {run["dag_id"]: f"{seconds(run):.0f} s" for run in runs}
    stack.figures["The round of all rows"] = str(taken)
    assert watch.killed_for_memory() == []
    assert {run["state"] for run in runs} == {"success"}
    assert [one for run in runs for one in tasks_of(stack, run) if one["try_number"] > 1] == []
    latest = latest_round(stack)
    assert {rows_of(run) for run in latest.values()} == {len(whole)}
    sizes = {name: model_bytes(stack, run) for name, run in latest.items()}
    best = FOREST.run_name(len(FOREST.candidates) - 1)
    stack.figures["Artifacts of all rows"] = (
        f"best forest {sizes[best] / 1e6:.0f} MB, round {sum(sizes.values()) / 1e6:.0f} MB"
    )
    assert sizes[best] < BEST_BYTES
    assert sum(sizes.values()) < ROUND_BYTES


def _copy_in(stack: Stack, name: str, text: str) -> None:
    """Copy a file into the datasets' folder, as a person would."""
    subprocess.run(
        [
            *("docker", "exec", "--interactive", stack.containers()["airflow-scheduler"]["Id"]),
            *("sh", "-c", 'mkdir -p "$(dirname "$0")" && cat > "$0"', f"/data/datasets/{name}"),
        ],
        input=text.encode(),
        check=True,
    )
