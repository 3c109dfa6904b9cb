"""Production goes back to an earlier version, by Airflow's form and by make."""

import pytest

from covertype.gate.verdicts import RULE, VERDICT, Outcome
from covertype.registry.names import MODEL_NAME, STAGE
from tests.compose.stack import Stack, wait_for

_HISTORY = """
from pathlib import Path
from covertype.data import Datasets
for entry in Datasets(Path("/data/datasets")).history.entries()[-4:]:
    print(entry.kind, entry.version, entry.former, entry.who, entry.why, entry.state)
"""


def _served(stack: Stack) -> str:
    return str(stack.predict().json()["model_version"])


@pytest.mark.filterwarnings("ignore:.*stages:FutureWarning")
def test_production_goes_back_when_a_person_says_so(in_production: Stack) -> None:
    stack = in_production
    stack.wait_until_idle()
    good = _served(stack)
    trained = stack.start_dag("train_rf_model", candidates=[{"n_estimators": 2, "max_depth": 2}])
    wait_for("a weak forest", lambda: stack.dag_runs()[trained] == "success", 240)
    versions = stack.mlflow.search_model_versions(f"name = '{MODEL_NAME}'")
    weak = max(versions, key=lambda version: int(version.version))
    assert weak.tags[VERDICT] == Outcome.REFUSED
    assert weak.tags[RULE] == "not_better"

    # A person puts it into Production in MLflow, and regrets it.
    stack.mlflow.transition_model_version_stage(
        MODEL_NAME, weak.version, STAGE, archive_existing_versions=True
    )
    wait_for("the weak version", lambda: _served(stack) == weak.version, 30)
    back = stack.start_dag("rollback_model", version=good, why="it knows no aspens")
    wait_for("the way back", lambda: stack.dag_runs()[back] == "success", 180)
    assert _served(stack) == good

    # The same by make: there and back again. It returns when the service follows.
    for version in (weak.version, good):
        said = stack.make("rollback", f"VERSION={version}", "WHY=by make")
        assert f"Version {version} is in Production" in said
        assert _served(stack) == version
    told = stack.compose("exec", "-T", "airflow-scheduler", "python", "-c", _HISTORY)
    assert [line.split()[:3] for line in told.splitlines()] == [
        ["found", weak.version, good],
        ["rolled_back", good, weak.version],
        ["rolled_back", weak.version, good],
        ["rolled_back", good, weak.version],
    ]
    assert "it knows no aspens done" in told
    assert all(line.endswith(" done") for line in told.splitlines())

    assert "rows have the same probabilities to the last bit" in stack.make(
        "reproduce", f"VERSION={weak.version}"
    )
    said = stack.make("rollback", "VERSION=999", check=False)
    assert "Version '999' can't be put into Production this way; possible are" in said
