"""Containers are killed while the platform works; it heals by itself and keeps its accounts."""

import threading
import time
from pathlib import Path

import pytest
import requests

from tests.compose.stack import (
    OBSERVATION,
    SERVERS,
    Stack,
    check_kept,
    digest,
    new_candidates,
    wait_for,
)
from tests.load import Load

AWAY = "can't be used"
FORESTS = [{"n_estimators": 40 + number, "max_depth": 12} for number in range(6)]


def _running(stack: Stack, dag: str, run: str, task: str) -> bool:
    return any(
        one["task_id"] == task and one["state"] == "running"
        for one in stack.task_instances(dag, run)
    )


def _train(stack: Stack) -> tuple[str, str]:
    """Start a training and return when a forest is being trained."""
    dag, run = stack.start_dag("train_rf_model", candidates=FORESTS)
    wait_for("a forest being trained", lambda: _running(stack, dag, run, "train"), 120)
    return dag, run


def _retried(stack: Stack, *runs: tuple[str, str]) -> int:
    return sum(one["try_number"] > 1 for run in runs for one in stack.task_instances(*run))


@pytest.mark.parametrize(
    "service",
    ["data-api", "airflow-webserver", "airflow-scheduler", "airflow-dag-processor", "postgres"],
)
def test_kill_during_ingest_loses_and_doubles_nothing(in_production: Stack, service: str) -> None:
    stack = in_production
    before = stack.account()
    dag, run = stack.start_dag("descargar_datos_api")
    wait_for("rows being fetched", lambda: _running(stack, dag, run, "fetch"), 120, pause=0.3)
    stack.kill(service)
    seconds = stack.wait_until_healed()
    stack.wait_until_idle()
    stack.figures[f"Killed in ingest: {service}"] = (
        f"all healthy after {seconds:.0f} s, {_retried(stack, (dag, run))} tasks tried again"
    )
    after = stack.account()
    check_kept(before, after)
    assert after.dag_runs[dag, run] == "success"
    groups = {name.split("/")[0] for name in after.files.keys() - before.files.keys()}
    assert len(groups) == 10, "a group's file did not arrive"
    assert f"{service} was killed" in stack.keeper_log.read_text()


def test_kills_during_training_lose_and_double_nothing(in_production: Stack) -> None:
    stack = in_production
    before = stack.account()
    trainings = [_train(stack)]
    for service in SERVERS:
        if stack.dag_runs()[trainings[-1]] == "success":
            trainings.append(_train(stack))
        stack.kill(service)
        seconds = stack.wait_until_healed()
        stack.figures[f"Killed in training: {service}"] = f"all healthy after {seconds:.0f} s"
    stack.wait_until_idle()
    stack.figures["Tried again in those trainings"] = f"{_retried(stack, *trainings)} tasks"
    after = stack.account()
    check_kept(before, after)
    assert len(new_candidates(before, after)) == len(FORESTS) * len(trainings)
    assert len(after.versions) == len(before.versions) + len(trainings)
    assert stack.predict().status_code == 200


def test_kill_of_everything_at_once_loses_and_doubles_nothing(in_production: Stack) -> None:
    stack = in_production
    before = stack.account()
    ingest = stack.start_dag("descargar_datos_api")
    training = _train(stack)
    time.sleep(4)
    stack.kill(*SERVERS)
    seconds = stack.wait_until_healed()
    stack.wait_until_idle()
    stack.figures["Killed all at once"] = (
        f"all healthy after {seconds:.0f} s, {_retried(stack, ingest, training)} tasks tried again"
    )
    after = stack.account()
    check_kept(before, after)
    assert {after.dag_runs[ingest], after.dag_runs[training]} == {"success"}
    assert stack.predict().status_code == 200


@pytest.mark.parametrize("service", ["minio", "mlflow", "mysql"])
def test_upload_outlives_the_kill_of_what_takes_it(
    in_production: Stack, service: str, tmp_path: Path
) -> None:
    stack = in_production
    file = tmp_path / "sent" / "large.bin"
    file.parent.mkdir()
    file.write_bytes(bytes(range(256)) * (64 * 2**12))
    client = stack.mlflow
    run = client.create_run(client.create_experiment(f"upload {service} {time.time()}"))
    killer = threading.Timer(0.2, stack.kill, (service,))
    killer.start()
    client.log_artifact(run.info.run_id, str(file))
    killer.join()
    stack.wait_until_healed()
    client.set_terminated(run.info.run_id)
    stored = client.download_artifacts(run.info.run_id, file.name, str(tmp_path))
    assert digest(Path(stored)) == digest(file)
    client.delete_run(run.info.run_id)


def test_kill_of_mlflow_and_its_stores_costs_those_who_ask_nothing(in_production: Stack) -> None:
    stack = in_production
    inference = stack.address("INFERENCE_PORT")

    def registry() -> str:
        answer = requests.get(f"{inference}/ready", timeout=10)
        assert answer.status_code == 200
        return str(answer.json()["registry"])

    with Load(inference, [OBSERVATION["features"]]) as load:
        stack.kill("mlflow", "mysql", "minio")
        wait_for("the registry said to be away", lambda: AWAY in registry(), 60, pause=0.3)
        stack.wait_until_healed()
        wait_for("the registry back", lambda: AWAY not in registry(), 60)
    assert not load.failures
    stack.figures["Predictions while MLflow, MySQL and MinIO were killed"] = (
        f"{len(load.answers)} in {load.seconds:.0f} s, none failed"
    )


def test_inference_starts_while_mlflow_and_its_stores_are_down(in_production: Stack) -> None:
    stack = in_production
    version = stack.predict().json()["model_version"]
    stack.compose("stop", "mlflow", "mysql", "minio")
    try:
        stack.kill("inference")
        wait_for("a prediction", lambda: stack.predict().status_code == 200, 90)
        assert stack.predict().json()["model_version"] == version
    finally:
        stack.compose("start", "mysql", "minio", "mlflow")
    stack.wait_until_healed()
