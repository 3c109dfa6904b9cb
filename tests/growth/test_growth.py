"""All ten batches, back to back, on containers with their default limits."""

import json

import pytest

from covertype.contract import GROUPS
from covertype.gate.verdicts import RULE, tag_of
from covertype.registry.names import ALIAS, MODEL_NAME
from covertype.training.searches import FOREST, LOGREG, LOGREG_GRID
from tests.compose.stack import Stack, check_kept, new_candidates, wait_for
from tests.growth.rounds import (
    BEST_BYTES,
    ROUND_BYTES,
    in_scheduler,
    latest_round,
    model_bytes,
    rows_of,
    seconds,
    seconds_between,
    tasks_of,
)
from tests.growth.watch import Watch

BATCHES = 10
TRAINING_DAGS = ("train_rf_model", "train_logreg_model", "train_logreg_model2")
FIRST_TASKS = {
    ("descargar_datos_api", "choose_groups"),
    ("preprocess_covertype", "preprocess_files"),
}
# Twice what two calm cores need at most (docs/training.md): other work may take half of them.
WAIT_SECONDS = 60
ROUND_SECONDS = 600
SCHEDULER_MEBIBYTES = 2.5 * 1024

_COUNT_ROWS = """
from pathlib import Path
from covertype.data import Datasets
datasets = Datasets(Path("/data/datasets"))
print(datasets.processed.count(), len(datasets.snapshot_names()))
"""

_JUDGEMENTS = """
import json
from pathlib import Path
from covertype.data import Datasets
datasets = Datasets(Path("/data/datasets"))
entries = [
    [one.kind, one.version, one.former, one.state, dict(one.facts)]
    for one in datasets.history.entries()
]
batches = [
    [b["version"], b["batch"], b["metrics"]["accuracy"], b["holdout"]["accuracy"]]
    for b in datasets.monitored_batches.read().values() if "metrics" in b
]
print(json.dumps([entries, batches]))
"""


_PARTS = """
import json
from itertools import combinations
from pathlib import Path
import numpy as np
from covertype.contract import TARGET
from covertype.data import Datasets
from covertype.data.snapshots import digest_of
from covertype.rows.arrow import from_frame
from covertype.rows.codes import WIDTH
from covertype.training.fitting import TrainingSet, judgement_rows

def observations(codes):
    return set(np.ascontiguousarray(codes[:, :WIDTH]).view(f"V{2 * WIDTH}").ravel().tolist())

def of_part(part):
    return observations(from_frame(part.observations.assign(**{TARGET.name: part.classes})))

datasets = Datasets(Path("/data/datasets"))
ever, logged = [set(), set(), set()], {}
for name in datasets.snapshot_names():
    rows = datasets.read_snapshot(name)
    data = TrainingSet.from_rows(rows)
    ever[0] |= of_part(data.train)
    ever[1] |= of_part(data.selection)
    ever[2] |= observations(judgement_rows(rows))
    logged[f"{digest_of(name)}-training"] = len(data.train)
    logged[f"{digest_of(name)}-selection"] = len(data.selection)
print(json.dumps([[len(one & other) for one, other in combinations(ever, 2)], logged]))
"""


def _collect(stack: Stack) -> None:
    """Collect once more, and wait until what came is preprocessed."""
    before = _preprocessings(stack)
    run = stack.start_dag("descargar_datos_api")
    wait_for("the collection", lambda: stack.dag_runs()[run] in {"success", "failed"}, 180)
    assert stack.dag_runs()[run] == "success"
    wait_for(
        "preprocessing",
        lambda: (now := _preprocessings(stack)) != before and set(now.values()) <= {"success"},
        180,
    )


def _preprocessings(stack: Stack) -> dict[tuple[str, str], str]:
    return {run: state for run, state in stack.dag_runs().items() if run[0].startswith("prep")}


def _batches_collected(stack: Stack) -> int:
    files = stack.account().files
    return min(
        max(
            (
                int(name.split("batch_")[1].split("_")[0])
                for name in files
                if name.startswith(group)
            ),
            default=0,
        )
        for group in (f"group_{number}/" for number in GROUPS)
    )


def test_the_platform_keeps_up_with_all_ten_batches(stack: Stack) -> None:
    with Watch(stack) as watch:
        while _batches_collected(stack) < BATCHES:
            _collect(stack)
        # The eleventh finds every group exhausted: what is left is trained on.
        stack.start_dag("descargar_datos_api")
        stack.wait_until_idle(1800)
    for service, mebibytes in sorted(watch.peaks.items(), key=lambda item: -item[1]):
        stack.figures[f"Peak memory of {service}"] = f"{mebibytes:.0f} MiB"

    runs = stack.airflow("GET", "dags/~/dagRuns", params={"limit": 500})["dag_runs"]
    rounds = {dag: [run for run in runs if run["dag_id"] == dag] for dag in TRAINING_DAGS}
    for dag, of_dag in rounds.items():
        taken = ", ".join(f"{seconds(run):.0f}" for run in reversed(of_dag))
        stack.figures[f"Rounds of {dag}"] = f"{taken} s"
    waited = max(
        seconds_between(run["queued_at"], task["start_date"])
        for run in runs
        for task in tasks_of(stack, run)
        if (run["dag_id"], task["task_id"]) in FIRST_TASKS
    )
    stack.figures["Longest wait of collection and preprocessing"] = f"{waited:.0f} s"
    rows, snapshots = map(int, in_scheduler(stack, _COUNT_ROWS).split())
    stack.figures["Rows"] = f"{rows:,} in {snapshots} snapshots"
    latest = latest_round(stack)
    sizes = {name: model_bytes(stack, run) for name, run in latest.items()}
    stack.figures["Artifacts of the last round"] = f"{sum(sizes.values()) / 1e6:.0f} MB"
    stack.figures["The last round"] = "\n" + "\n".join(
        f"  {name}: accuracy {run.data.metrics['accuracy']:.4f}, "
        f"{run.data.metrics['training_seconds']:.1f} s, {sizes[name] / 1e6:.1f} MB"
        for name, run in sorted(latest.items())
    )

    assert watch.killed_for_memory() == []
    assert {run["state"] for run in runs} == {"success"}
    tasks = [one for run in runs for one in tasks_of(stack, run)]
    assert [one for one in tasks if one["try_number"] > 1] == []
    assert watch.peaks["airflow-scheduler"] < SCHEDULER_MEBIBYTES
    too_long = [
        run["dag_run_id"]
        for of_dag in rounds.values()
        for run in of_dag
        if seconds(run) > ROUND_SECONDS
    ]
    assert too_long == []
    assert waited < WAIT_SECONDS

    expected = {
        search.run_name(number)
        for search in (FOREST, LOGREG, LOGREG_GRID)
        for number in range(len(search.candidates))
    }
    assert set(latest) == expected
    assert {rows_of(run) for run in latest.values()} == {rows}
    production = stack.mlflow.get_model_version_by_alias(MODEL_NAME, ALIAS)
    assert rows_of(stack.mlflow.get_run(production.run_id)) == rows
    assert sizes[FOREST.run_name(len(FOREST.candidates) - 1)] < BEST_BYTES
    assert sum(sizes.values()) < ROUND_BYTES
    _check_parts(stack)
    _check_judgements(stack)
    wait_for(
        "the last version answers",
        lambda: stack.predict().json()["model_version"] == str(production.version),
        30,
    )


def _check_parts(stack: Stack) -> None:
    """No observation was ever used for two purposes, and the runs logged the parts as they are."""
    shared, parts = json.loads(in_scheduler(stack, _PARTS))
    assert shared == [0, 0, 0]
    client = stack.mlflow
    experiment = client.get_experiment_by_name(FOREST.experiment).experiment_id
    checked = set()
    for run in client.search_runs([experiment], max_results=5000):
        for used in run.inputs.dataset_inputs:
            if used.dataset.digest in parts:
                rows = json.loads(used.dataset.profile)["num_rows"]
                assert rows == parts[used.dataset.digest]
                checked.add(used.dataset.digest)
    assert checked
    stack.figures["Parts compared with logged datasets"] = f"{len(checked)}, none shares a row"


def _check_judgements(stack: Stack) -> None:
    """Production never became less accurate on the same rows, and was scored on what was new."""
    entries, batches = json.loads(in_scheduler(stack, _JUDGEMENTS))
    lines = []
    for kind, version, former, state, facts in entries:
        assert state == "done"
        assert kind in {"promoted", "refused"}
        accuracy, before = (
            float(facts[tag_of(name)]) if tag_of(name) in facts else None
            for name in ("accuracy", "former_accuracy")
        )
        if kind == "promoted" and former is not None:
            assert accuracy is not None
            assert before is not None
            assert accuracy > before
        lines.append(f"  version {version} {kind} by {facts[RULE]}: {accuracy}, before {before}")
    lines += [
        f"  version {version} on batch {batch}: next batch {following:.4f}, holdout {holdout:.4f}"
        for version, batch, following, holdout in batches
    ]
    stack.figures["Judgements"] = "\n" + "\n".join(lines)
    assert entries[0][0] == "promoted"
    assert batches


@pytest.mark.parametrize("service", ["mlflow", "airflow-scheduler"])
def test_a_kill_while_a_large_model_is_trained_and_sent_leaves_one_whole_round(
    stack: Stack, service: str
) -> None:
    before = stack.account()
    dag, run = stack.start_dag("train_rf_model", candidates=[dict(FOREST.candidates[-1])])
    wait_for("a model being sent", lambda: _is_sending(stack), 240, pause=0.2)
    stack.kill(service)
    stack.wait_until_healed()
    stack.wait_until_idle(900)
    after = stack.account()
    check_kept(before, after)
    assert after.dag_runs[dag, run] == "success"
    new = new_candidates(before, after).values()
    assert [(name, status) for _, name, status in new] == [("rf_run_0", "FINISHED")]
    assert len(after.versions) == len(before.versions) + 1


def _is_sending(stack: Stack) -> bool:
    """Tell if a training task has written its model and not yet deleted it."""
    found = in_scheduler(
        stack,
        "from pathlib import Path; print([p.name for p in Path('/scratch').rglob('model.skops')])",
    )
    return "model.skops" in found
