"""Announcements of training data that arrive while models are trained."""

from covertype.training.searches import FOREST, LOGREG, LOGREG_GRID
from tests.compose.stack import Stack, wait_for

SEARCHES = {
    "train_rf_model": FOREST,
    "train_logreg_model": LOGREG,
    "train_logreg_model2": LOGREG_GRID,
}
_NEWEST = """
from pathlib import Path
from covertype.data import Datasets
print(Datasets(Path("/data/datasets")).snapshot_names()[-1])
"""


def _announce_more_data(stack: Stack) -> None:
    """Collect once more, and announce what came, however little it is."""
    for dag, conf in (
        ("descargar_datos_api", {}),
        ("preprocess_covertype", {"announce_anyway": True}),
    ):
        run = stack.start_dag(dag, **conf)
        wait_for(f"{dag}", lambda run=run: stack.dag_runs()[run] == "success", 180)  # type: ignore[misc]


def test_two_announcements_during_a_training_lead_to_one_more_on_the_newest_data(
    in_production: Stack,
) -> None:
    stack = in_production
    stack.wait_until_idle()
    before = stack.account()
    # Long enough for what follows.
    begun = [
        stack.start_dag(dag, candidates=[dict(candidate) for candidate in search.candidates] * 4)
        for dag, search in SEARCHES.items()
    ]
    _announce_more_data(stack)
    _announce_more_data(stack)
    states = {stack.dag_runs()[run] for run in begun}
    assert states == {"running"}, "a training ended before the announcements"
    stack.wait_until_idle(900)

    after = stack.account()
    runs = {run: state for run, state in after.dag_runs.items() if run not in before.dag_runs}
    assert set(runs.values()) == {"success"}
    rounds = [dag for dag, _ in set(runs) - {*begun} if dag in SEARCHES]
    assert sorted(rounds) == sorted(SEARCHES)
    newest = stack.compose("exec", "-T", "airflow-scheduler", "python", "-c", _NEWEST).strip()
    announced = {
        run: facts
        for run, facts in after.runs.items()
        if run not in before.runs and "asset_triggered" in facts[0]
    }
    assert len({name for _, name, _ in announced.values()}) == len(announced) == 26
    client = stack.mlflow
    assert {client.get_run(run).data.tags["covertype.snapshot"] for run in announced} == {newest}
