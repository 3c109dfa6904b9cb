import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, TriggerRule
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from assets import RAW_DATA, TRAINING_DATA
from covertype import jobs
from covertype.contract import GROUPS
from covertype.history import History, Kind, State
from covertype.registry.monitored import NothingToMonitor
from covertype.registry.tracking import Unusable
from covertype.storage.folder import Folder
from covertype.training.searches import FOREST, LOGREG, LOGREG_GRID, Search
from tools.local.processes import shared_env

ROOT = Path(__file__).parents[2]
DAGS = ROOT / "airflow" / "dags"

SCHEDULES = {
    "descargar_datos_api": "*/5 * * * *",
    "monitor_data_drift": "covertype_raw",
    "preprocess_covertype": "covertype_raw",
    "promote_model": "None",
    "rollback_model": "None",
    "train_logreg_model": "covertype_training",
    "train_logreg_model2": "covertype_training",
    "train_rf_model": "covertype_training",
    "watch_new_version": "None",
}
SEARCHES = {
    "train_logreg_model": LOGREG,
    "train_logreg_model2": LOGREG_GRID,
    "train_rf_model": FOREST,
}


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(DAGS)


def outlets(dag: DAG) -> dict[str, list[str]]:
    return {task.task_id: [o.name for o in task.outlets] for task in dag.tasks if task.outlets}


def test_the_dags_are_those_that_users_know_and_import_without_errors(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == set(SCHEDULES)


@pytest.mark.parametrize("dag_id", SCHEDULES)
def test_a_dag_says_when_it_starts_and_what_it_does(bag: DagBag, dag_id: str) -> None:
    dag = bag.dags[dag_id]
    assert SCHEDULES[dag_id] in str(dag.schedule)
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert "covertype" in dag.tags
    assert dag.doc_md


@pytest.mark.parametrize("dag_id", SCHEDULES)
def test_whatever_can_be_chosen_by_hand_explains_itself(bag: DagBag, dag_id: str) -> None:
    params = bag.dags[dag_id].params
    assert len(params) == 0 if dag_id == "watch_new_version" else len(params)
    for name in params:
        param = params.get_param(name)
        assert param.schema["title"]
        assert param.description


def test_groups_are_collected_side_by_side_and_announced_once(bag: DagBag) -> None:
    dag = bag.dags["descargar_datos_api"]
    assert dag.params["groups"] == list(GROUPS)
    assert isinstance(dag.get_task("fetch"), MappedOperator)
    assert outlets(dag) == {"announce": ["covertype_raw"]}
    assert dag.get_task("announce").trigger_rule == TriggerRule.ALL_DONE


def test_training_data_is_announced_by_preprocessing_alone(bag: DagBag) -> None:
    assert outlets(bag.dags["preprocess_covertype"]) == {"announce": ["covertype_training"]}


def test_the_forms_list_the_versions_that_may_become_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(Folder(tmp_path / "promotions"))
    for kind, version, former in (
        (Kind.PROMOTED, "1", None),
        (Kind.REFUSED, "2", "1"),
        (Kind.PROMOTED, "3", "1"),
        (Kind.ELIGIBLE, "4", "3"),
    ):
        history.end(history.add(kind, version, former), State.DONE)
    monkeypatch.setenv("DATASETS_URL", str(tmp_path))
    dags = DagBag(DAGS).dags
    for dag_id, listed in (("rollback_model", "1"), ("promote_model", "4")):
        form = dags[dag_id].params.get_param("version").schema
        assert form["examples"] == [listed]
        assert form["values_display"][listed].startswith(f"{listed}: ")


@pytest.mark.parametrize(("dag_id", "search"), SEARCHES.items())
def test_every_candidate_of_a_search_is_a_task_of_its_own(
    bag: DagBag, dag_id: str, search: Search
) -> None:
    dag = bag.dags[dag_id]
    assert dag.params["candidates"] == [dict(candidate) for candidate in search.candidates]
    assert isinstance(dag.get_task("train"), MappedOperator)


@pytest.mark.parametrize("dag_id", SEARCHES)
def test_a_run_of_a_search_is_judged_by_its_candidates_too(bag: DagBag, dag_id: str) -> None:
    last = {task.task_id for task in bag.dags[dag_id].tasks if not task.downstream_task_ids}
    assert "report_missing" in last


def test_only_forests_are_registered_and_promoted(bag: DagBag) -> None:
    forest, logreg = bag.dags["train_rf_model"], bag.dags["train_logreg_model"]
    assert forest.get_task("promote").upstream_task_ids == {"register"}
    assert not {"register", "promote"} & set(logreg.task_ids)


@pytest.mark.parametrize("dag_id", SCHEDULES)
def test_every_task_that_asks_another_service_has_an_end(bag: DagBag, dag_id: str) -> None:
    for task in bag.dags[dag_id].tasks:
        if task.task_id != "choose_groups" and not task.outlets:
            assert task.execution_timeout is not None


def test_monitoring_starts_on_new_raw_data_and_every_hour(bag: DagBag) -> None:
    dag = bag.dags["monitor_data_drift"]
    # Five minutes after the hour, when its predictions are written.
    assert "CronTriggerTimetable(expression='5 * * * *', timezone='UTC'" in str(dag.schedule)
    assert outlets(dag) == {}


@pytest.mark.parametrize(
    ("accuracy", "error_rate", "schedule"),
    [
        ("0", "0", "None"),
        ("", "", "None"),
        ("0.6", "0", "*/5 * * * *"),
        ("0", "0.1", "*/5 * * * *"),
    ],
)
def test_a_new_version_is_watched_only_if_there_is_a_limit(
    accuracy: str, error_rate: str, schedule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLBACK_ACCURACY", accuracy)
    monkeypatch.setenv("ROLLBACK_ERROR_RATE", error_rate)
    dags = DagBag(DAGS / "watch_new_version.py").dags
    assert str(dags["watch_new_version"].schedule) == schedule


def start_monitoring(bag: DagBag, task: str, **given: object) -> None:
    run: Any = bag.dags["monitor_data_drift"].get_task(task)
    run.python_callable(**given)


def raising(error: Exception) -> Callable[..., None]:
    def job(*_: object) -> None:
        raise error

    return job


def test_nothing_to_monitor_is_skipped_with_its_reason(
    bag: DagBag, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = NothingToMonitor("No version is in Production yet")
    monkeypatch.setattr(os, "nice", lambda _: None)
    for task in ("monitor_new_data", "monitor_predictions", "monitor_feedback"):
        monkeypatch.setattr(jobs, task, raising(reason))
    with pytest.raises(AirflowSkipException, match="No version is in Production yet"):
        start_monitoring(bag, "monitor_new_data")
    dag_run = SimpleNamespace(run_after=datetime(2026, 11, 26, 10, 5, tzinfo=UTC))
    with pytest.raises(AirflowSkipException, match="No version is in Production yet"):
        start_monitoring(bag, "monitor_predictions", params={"hour": None}, dag_run=dag_run)
    with pytest.raises(AirflowSkipException, match="No version is in Production yet"):
        start_monitoring(bag, "monitor_feedback", dag_run=dag_run)


def test_a_production_that_can_t_answer_fails_without_a_retry(
    bag: DagBag, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "nice", lambda _: None)
    monkeypatch.setattr(jobs, "monitor_new_data", raising(Unusable("it is lost")))
    with pytest.raises(AirflowFailException, match="can't answer: it is lost"):
        start_monitoring(bag, "monitor_new_data")


@pytest.mark.parametrize(
    ("chosen", "hour"),
    [(None, None), ("2026-11-25T07:30:00-05:00", datetime(2026, 11, 25, 12, 30, tzinfo=UTC))],
)
def test_the_hour_of_the_form_is_monitored_and_by_default_the_last(
    bag: DagBag, chosen: str | None, hour: datetime | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[object, ...]] = []

    def job(*given: object) -> str:
        calls.append(given)
        return "name"

    monkeypatch.setattr(os, "nice", lambda _: None)
    monkeypatch.setattr(jobs, "monitor_predictions", job)
    moment = datetime(2026, 11, 26, 10, 5, tzinfo=UTC)
    start_monitoring(
        bag,
        "monitor_predictions",
        params={"hour": chosen},
        dag_run=SimpleNamespace(run_after=moment),
    )
    assert calls == [(moment, hour)]


def test_parsing_loads_no_heavy_library() -> None:
    """Airflow parses the files again and again, each time in a new process."""
    program = (
        "import sys; "
        "import change_production, descargar_datos_api, monitor_data_drift; "
        "import preprocess_covertype, train_models, watch_new_version; "
        "print([name for name in ('mlflow', 'numpy', 'pandas', 'requests', 'sklearn') "
        "if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{DAGS}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert shown.stdout.splitlines()[-1] == "[]"


class Counted:
    """What a task instance tells of others of its run."""

    def __init__(self, failed: int) -> None:
        self._failed = failed

    def get_ti_count(self, **asked: object) -> int:
        assert asked == {
            "dag_id": "descargar_datos_api",
            "run_ids": ["now"],
            "task_ids": ["fetch"],
            "states": ["failed", "upstream_failed"],
        }
        return self._failed


def announce_a_collection_without_rows(bag: DagBag, failed: int) -> SimpleNamespace:
    announce: Any = bag.dags["descargar_datos_api"].get_task("announce")
    run = SimpleNamespace(dag_id="descargar_datos_api", run_id="now")
    event = SimpleNamespace(extra=None)
    announce.python_callable([], ti=Counted(failed), dag_run=run, outlet_events={RAW_DATA: event})
    return event


@pytest.mark.parametrize(("failed", "ends"), [(0, AirflowSkipException), (3, AirflowFailException)])
def test_a_collection_without_rows_passes_only_if_no_group_failed(
    bag: DagBag, failed: int, ends: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "has_unannounced_rows", lambda: False)
    with pytest.raises(ends):
        announce_a_collection_without_rows(bag, failed)


def test_the_end_of_the_data_is_announced_while_rows_wait_to_be_trained_on(
    bag: DagBag, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "has_unannounced_rows", lambda: True)
    event = announce_a_collection_without_rows(bag, 0)
    assert event.extra == {"files": [], "rows": 0}


@pytest.mark.parametrize(
    ("news", "anyway"),
    [
        ({"files": ["a"], "rows": 5}, False),
        ({"files": [], "rows": 0}, True),
        # As Airflow's interface and its API create them.
        ({"from_rest_api": True}, False),
        (None, False),
    ],
)
def test_an_event_of_whatever_origin_has_the_new_rows_looked_at(
    bag: DagBag, news: dict[str, object] | None, anyway: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, object]] = []

    def take_snapshot(**given: object) -> dict[str, object]:
        calls.append(given)
        return {"name": "s"}

    monkeypatch.setattr(jobs, "take_snapshot", take_snapshot)
    announce: Any = bag.dags["preprocess_covertype"].get_task("announce")
    event = SimpleNamespace(extra=None)
    announce.python_callable(
        {"rows": 100, "announced": 80},
        params={"announce_anyway": False},
        outlet_events={TRAINING_DATA: event},
        triggering_asset_events={RAW_DATA: [SimpleNamespace(extra=news)]} if news else {},
    )
    assert calls == [{"rows": 100, "announced": 80, "anyway": anyway}]
    assert event.extra == {"name": "s"}


@pytest.mark.parametrize("dag_id", SCHEDULES)
def test_only_what_holds_a_whole_model_waits_for_a_slot_of_training(
    bag: DagBag, dag_id: str
) -> None:
    pools = {task.task_id: task.pool for task in bag.dags[dag_id].tasks}
    training = {task for task, pool in pools.items() if pool != "default_pool"}
    assert training == {"train", "keep_best"} & set(pools)


def test_one_forest_and_one_search_of_regressions_are_trained_at_once(bag: DagBag) -> None:
    pools = {dag: bag.dags[dag].get_task("train").pool for dag in SEARCHES}
    assert pools == {dag: bag.dags[dag].get_task("keep_best").pool for dag in SEARCHES}
    assert pools["train_logreg_model"] == pools["train_logreg_model2"] != pools["train_rf_model"]
    assert shared_env("airflow")["TRAINING_SLOTS"] == "1"


@pytest.mark.parametrize("script", ["init.sh", "standalone.sh"])
def test_the_pools_of_training_are_made_wherever_airflow_starts(bag: DagBag, script: str) -> None:
    folder = ROOT / "airflow"
    assert "/pools.sh" in (folder / script).read_text()
    made = (folder / "pools.sh").read_text()
    for dag in SEARCHES:
        pool = bag.dags[dag].get_task("train").pool
        assert f'"{pool}": {{"slots": $TRAINING_SLOTS' in made
