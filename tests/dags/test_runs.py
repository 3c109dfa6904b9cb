"""Whole runs by the real Airflow, of jobs that pass or fail as a test says."""

import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException
from airflow.utils.db import initdb

from covertype import jobs
from covertype.jobs.watching import NothingToWatch
from covertype.registry.manual import NotPossible
from covertype.registry.monitored import NothingToMonitor
from covertype.registry.tracking import Batch

DAGS = Path(__file__).parents[2] / "airflow" / "dags"

# What Airflow says of itself.
pytestmark = pytest.mark.filterwarnings("ignore")

MONITORS = ("monitor_new_data", "monitor_predictions", "monitor_feedback")
States = dict[str, set[str]]


class Run(Protocol):
    """Runs a DAG to its end; returns its state, and the states of each task's instances."""

    def __call__(self, dag_id: str, **chosen: str) -> tuple[str, States]: ...


@pytest.fixture(scope="module")
def bag() -> Iterator[DagBag]:
    """The DAGs, and a database of Airflow's to run them with."""
    bundle = {
        "name": "dags-folder",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(DAGS)},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        initdb()
        yield DagBag(DAGS)


@pytest.fixture
def run(bag: DagBag, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(os, "nice", lambda _: None)

    def run_to_its_end(dag_id: str, **chosen: str) -> tuple[str, States]:
        ended = bag.dags[dag_id].test(run_conf=chosen)
        states: States = {}
        for task in ended.get_task_instances():
            states.setdefault(task.task_id, set()).add(str(task.state))
        return str(ended.state), states

    return run_to_its_end


def fail(*_: object, **__: object) -> Any:
    # Airflow tries it no second time.
    raise AirflowFailException("as the test says")


def test_a_collection_that_could_not_choose_its_groups_fails(
    run: Run, bag: DagBag, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_groups: Any = bag.dags["descargar_datos_api"].get_task("choose_groups")
    monkeypatch.setattr(choose_groups, "python_callable", fail)
    monkeypatch.setattr(jobs, "has_unannounced_rows", lambda: False)
    state, states = run("descargar_datos_api")
    assert states["announce"] == {"failed"}
    assert state == "failed"


@pytest.mark.parametrize(
    ("grown", "ends"), [({"rows": 125, "announced": 100}, "success"), ({"rows": 0}, "skipped")]
)
def test_preprocessing_announces_by_what_is_with_the_datasets(
    run: Run, grown: dict[str, int], ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_snapshot(**given: object) -> dict[str, str] | None:
        assert given == {**grown, "anyway": False}
        return {"name": "s"} if grown["rows"] else None

    monkeypatch.setattr(jobs, "preprocess_files", lambda: grown)
    monkeypatch.setattr(jobs, "take_snapshot", take_snapshot)
    state, states = run("preprocess_covertype")
    assert states == {"preprocess_files": {"success"}, "announce": {ends}}
    assert state == "success"


class Training:
    """Three forests, of which those with the numbers `failing` can't be trained."""

    def __init__(self, failing: Sequence[int]) -> None:
        self.failing = failing
        self.compared: list[str] = []
        self.missing: list[str] = []

    def take_the_jobs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        untrained = jobs.untrained

        def note_missing(*arguments: Any) -> list[str]:
            self.missing = untrained(*arguments)
            return self.missing

        monkeypatch.setattr(jobs, "plan_search", self._plan)
        monkeypatch.setattr(jobs, "train_batch", self._train)
        monkeypatch.setattr(jobs, "choose_best", self._choose)
        monkeypatch.setattr(jobs, "keep_best", lambda *_: None)
        monkeypatch.setattr(jobs, "register", lambda _: "7")
        monkeypatch.setattr(jobs, "promote", lambda _: True)
        monkeypatch.setattr(jobs, "untrained", note_missing)

    def _plan(self, *_: object) -> list[dict[str, Any]]:
        return [
            {
                "search_id": "id",
                "snapshot": "s",
                "reason": "growth",
                "candidates": [{"number": number, "parameters": {}}],
            }
            for number in range(3)
        ]

    def _train(self, batch: Batch) -> list[str]:
        (candidate,) = batch.candidates
        return fail() if candidate.number in self.failing else [f"run {candidate.number}"]

    def _choose(self, runs: Sequence[str]) -> str:
        self.compared = list(runs)
        return runs[0]


def test_the_best_of_those_that_finished_is_promoted_and_the_run_names_the_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(failing=[0, 2])
    training.take_the_jobs(monkeypatch)
    state, states = run("train_rf_model")
    assert training.compared == ["run 1"]
    assert training.missing == ["rf_run_0", "rf_run_2"]
    assert states["keep_best"] == states["promote"] == {"success"}
    assert states["report_missing"] == {"failed"}
    assert state == "failed"


def test_a_search_without_gaps_passes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Training(failing=[]).take_the_jobs(monkeypatch)
    state, states = run("train_rf_model")
    assert set.union(*states.values()) == {"success"}
    assert state == "success"


def test_a_search_without_any_candidate_names_them_all(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(failing=[0, 1, 2])
    training.take_the_jobs(monkeypatch)
    state, states = run("train_rf_model")
    assert training.missing == ["rf_run_0", "rf_run_1", "rf_run_2"]
    assert states["keep_best"] == states["promote"] == {"upstream_failed"}
    assert state == "failed"


@pytest.mark.parametrize(
    ("dag_id", "job"), [("promote_model", "promote_by_hand"), ("rollback_model", "roll_back")]
)
def test_a_change_of_production_by_hand_ends_when_the_services_follow(
    dag_id: str, job: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(jobs, job, lambda *given: called.append(given))
    monkeypatch.setattr(jobs, "wait_until_served", lambda version: called.append((version,)))
    state, states = run(dag_id, version="3", why="aspens")
    assert state == "success"
    assert [task for task, ended in states.items() if ended == {"success"}] == [
        "change",
        "wait_until_served",
    ]
    ((version, _, why), waited) = called
    assert (version, why, waited) == ("3", "aspens", ("3",))


def test_a_change_that_is_not_possible_fails_at_once_with_the_reason(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: str) -> None:
        raise NotPossible("version 3 was never in Production")

    monkeypatch.setattr(jobs, "roll_back", refuse)
    state, states = run("rollback_model", version="3", why="")
    assert state == "failed"
    assert states == {"change": {"failed"}, "wait_until_served": {"upstream_failed"}}


def test_a_version_that_does_badly_goes_out_and_the_services_follow(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[object] = []

    def roll_back(who: str, since: datetime) -> str:
        assert since <= datetime.now(UTC)
        called.append(who)
        return "2"

    monkeypatch.setattr(jobs, "watch_new_version", roll_back)
    monkeypatch.setattr(jobs, "wait_until_served", called.append)
    state, states = run("watch_new_version")
    assert state == "success"
    assert states == {"watch": {"success"}, "wait_until_served": {"success"}}
    assert called == ["watch_new_version", "2"]


def test_a_version_that_does_well_stays_and_the_run_is_skipped(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing(*_: object) -> None:
        raise NothingToWatch("version 3 is within the limits")

    monkeypatch.setattr(jobs, "watch_new_version", find_nothing)
    state, states = run("watch_new_version")
    assert states == {"watch": {"skipped"}, "wait_until_served": {"skipped"}}
    assert state == "success"


def test_a_platform_without_a_version_monitors_nothing_and_passes(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing(*_: object) -> None:
        raise NothingToMonitor("No version is in Production yet")

    monkeypatch.setattr(jobs, "monitor_new_data", find_nothing)
    monkeypatch.setattr(jobs, "monitor_predictions", find_nothing)
    monkeypatch.setattr(jobs, "monitor_feedback", find_nothing)
    state, states = run("monitor_data_drift")
    assert states == {task: {"skipped"} for task in MONITORS}
    assert state == "success"


def test_new_data_predictions_and_feedback_are_monitored_side_by_side(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours: list[tuple[object, ...]] = []

    def note(*given: object) -> str:
        hours.append(given)
        return "name"

    monkeypatch.setattr(jobs, "monitor_new_data", lambda: ["name"])
    monkeypatch.setattr(jobs, "monitor_predictions", note)
    monkeypatch.setattr(jobs, "monitor_feedback", lambda _: "name")
    state, states = run("monitor_data_drift")
    assert states == {task: {"success"} for task in MONITORS}
    assert state == "success"
    ((run_after, chosen),) = hours
    assert isinstance(run_after, datetime)
    assert chosen is None
