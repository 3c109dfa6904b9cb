"""What a round of training took and made, as Airflow and MLflow tell it."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from covertype.training.searches import FOREST, LOGREG, LOGREG_GRID
from tests.compose.stack import Stack

BEST_BYTES, ROUND_BYTES = 130_000_000, 400_000_000


def seconds(run: Mapping[str, Any]) -> float:
    return seconds_between(run["start_date"], run["end_date"])


def seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def in_scheduler(stack: Stack, program: str) -> str:
    return stack.compose("exec", "-T", "airflow-scheduler", "python", "-c", program)


def tasks_of(stack: Stack, run: Mapping[str, Any]) -> list[dict[str, Any]]:
    return stack.task_instances(run["dag_id"], run["dag_run_id"])


def rows_of(run: Run) -> int:
    """Return the rows of the snapshot that a run was trained on, as its name holds them."""
    return int(Path(run.data.tags["covertype.snapshot"]).stem.split("_")[1])


def latest_round(stack: Stack) -> dict[str, Run]:
    """Return the newest run of each candidate, by its name."""
    client = stack.mlflow
    names = {search.experiment for search in (FOREST, LOGREG, LOGREG_GRID)}
    experiments = [client.get_experiment_by_name(name).experiment_id for name in names]
    runs = client.search_runs(experiments, max_results=5000, order_by=["attributes.start_time"])
    return {run.info.run_name: run for run in runs}


def model_bytes(stack: Stack, run: Run) -> int:
    model = stack.mlflow.get_logged_model(run.outputs.model_outputs[0].model_id)
    return sum(
        file.file_size or 0
        for file in stack.mlflow.list_logged_model_artifacts(model.model_id)
        if not file.is_dir
    )
