"""Three workers share the tasks; killed workers, Redis and scheduler lose and double nothing.

The tests build on each other, in this order.
"""

import time
from collections import Counter
from datetime import datetime
from typing import Any

from covertype.training.searches import FOREST
from tests.compose.stack import Account, Stack, check_kept, new_candidates, wait_for
from tests.compose.test_confinement import (  # noqa: F401  they hold for the workers too
    test_every_container_is_confined,
    test_no_process_in_any_container_is_root,
)
from tests.compose_celery.conftest import WORKERS
from tests.growth.watch import Watch

FORESTS = [{"n_estimators": 60 + number, "max_depth": 12} for number in range(6)]
"""Each is a task of its own: two together would have more than a hundred trees."""

_FOLDERS = """
import os
from covertype.storage import open_store
print(*open_store(os.environ["DATASETS_URL"]).folders())
"""

DEAF = WORKERS[-1]
CHECK = ("python", "/app/worker_health.py")


def _hosts(stack: Stack) -> dict[str, str]:
    """Return the workers by the host name that Airflow keeps with each task."""
    return {
        container["Config"]["Hostname"]: name
        for name, container in stack.containers().items()
        if name in WORKERS
    }


def _ran_on(stack: Stack, instances: list[dict[str, Any]]) -> dict[str, int]:
    hosts = _hosts(stack)
    return dict(Counter(hosts[one["hostname"]] for one in instances if one["hostname"]))


def _trained(stack: Stack, run: tuple[str, str]) -> list[dict[str, Any]]:
    return [one for one in stack.task_instances(*run) if one["task_id"] == "train"]


def _running(stack: Stack, run: tuple[str, str]) -> list[dict[str, Any]]:
    return [one for one in _trained(stack, run) if one["state"] == "running"]


def _train(stack: Stack) -> tuple[str, str]:
    """Start a training of six forests; return it when two of them are being trained."""
    run = stack.start_dag("train_rf_model", candidates=FORESTS)
    wait_for("forests being trained", lambda: len(_running(stack, run)) > 1, 120, pause=0.5)
    return run


def _check_trained(before: Account, after: Account) -> None:
    check_kept(before, after)
    assert len(new_candidates(before, after)) == len(FORESTS)
    assert len(after.versions) == len(before.versions) + 1


def _memory(stack: Stack) -> str:
    with Watch(stack) as watch:
        time.sleep(8)
    return ", ".join(f"{watch.peaks[name]:.0f}" for name in WORKERS)


def _log(stack: Stack, instance: dict[str, Any], attempt: int) -> tuple[set[str], str]:
    """Return what an attempt said, and what Airflow says about where it read that."""
    answer = stack.airflow(
        "GET",
        f"dags/{instance['dag_id']}/dagRuns/{instance['dag_run_id']}/taskInstances"
        f"/{instance['task_id']}/logs/{attempt}",
        params={"full_content": "true", "map_index": instance["map_index"]},
    )
    content = answer["content"]
    said = {one["event"] for one in content if "timestamp" in one}
    return said, str([one for one in content if "timestamp" not in one])


def _seconds(instance: dict[str, Any]) -> float:
    begin, end = (datetime.fromisoformat(instance[key]) for key in ("start_date", "end_date"))
    return (end - begin).total_seconds()


def test_loop_ends_in_production_and_every_worker_ran_tasks(stack: Stack) -> None:
    account = stack.account()
    check_kept(account, account)
    instances = [one for run in account.dag_runs for one in stack.task_instances(*run)]
    ran_on = _ran_on(stack, instances)
    stack.figures["Tasks of the first loop"] = str(ran_on)
    stack.figures["MiB of each worker at rest"] = _memory(stack)
    assert ran_on.keys() == set(WORKERS)


def test_datasets_are_in_s3_alone(stack: Stack) -> None:
    """Those of the workers, of the service and of the history; the volume has empty folders."""

    def folders() -> set[str]:
        return set(
            stack.compose("exec", "-T", "airflow-scheduler", "python", "-c", _FOLDERS).split()
        )

    written = {"group_1", "group_10", "processed", "training", "promotions", "predictions"}
    wait_for("the prediction log", lambda: folders() >= written, 60)
    on_disk = stack.compose(
        "exec", "-T", "airflow-scheduler", "find", "/data/datasets", "-type", "f"
    )
    assert on_disk == ""


def test_the_seven_forests_are_spread_over_the_workers(stack: Stack) -> None:
    names = {name for search, name, _ in stack.account().runs.values() if search}
    assert {FOREST.run_name(number) for number in range(7)} <= names
    (run,) = (run for run in stack.dag_runs() if run[0] == "train_rf_model")
    trained, hosts = _trained(stack, run), _hosts(stack)
    stack.figures["Forests of the first loop"] = "; ".join(
        f"{one['rendered_map_index']} in {_seconds(one):.0f} s on {hosts[one['hostname']]}"
        for one in trained
    )
    assert len(_ran_on(stack, trained)) > 1


def test_redis_is_reached_from_inside_alone_and_asks_for_its_password(stack: Stack) -> None:
    assert not any(stack.containers()["redis"]["NetworkSettings"]["Ports"].values())
    assert "NOAUTH" in stack.compose("exec", "-T", "redis", "redis-cli", "ping")


def test_deaf_worker_is_noticed(stack: Stack) -> None:
    """The keeper restarts it some minutes later, which the last test looks for."""
    worker = stack.containers()[DEAF]
    assert stack.command("docker", "exec", worker["Id"], *CHECK) == ""
    stack.command(
        *("docker", "exec", worker["Id"], "airflow", "celery", "remove-all-queues"),
        *("--celery-hostname", f"celery@{worker['Config']['Hostname']}"),
    )

    def alarm() -> bool:
        said = stack.command("docker", "exec", worker["Id"], *CHECK, check=False)
        return "does not wait for tasks" in said

    wait_for("the alarm", alarm, 60)


def test_task_of_a_killed_worker_runs_again_and_its_log_is_kept(stack: Stack) -> None:
    before = stack.account()
    training = _train(stack)
    hosts = _hosts(stack)
    lost = _running(stack, training)[0]
    said, _ = _log(stack, lost, 1)
    stack.kill(hosts[lost["hostname"]])
    killed = time.monotonic()

    def begun_again() -> list[dict[str, Any]]:
        return [
            one
            for one in _trained(stack, training)
            if one["map_index"] == lost["map_index"]
            and one["try_number"] > 1
            and one["state"] in {"running", "success"}
        ]

    (second,) = wait_for("the task begun again", begun_again, 240)
    stack.figures["The task of a killed worker began again"] = (
        f"after {time.monotonic() - killed:.0f} s, on {hosts[second['hostname']]}; "
        f"at first on {hosts[lost['hostname']]}"
    )
    # The scheduled runs go on meanwhile, so this comes before the wait for their end.
    stack.wait_until_healed(300)
    stack.wait_until_idle()
    _check_trained(before, stack.account())
    kept, _ = _log(stack, lost, 1)
    assert said
    assert said <= kept


def test_kill_of_redis_and_of_the_scheduler_loses_and_doubles_nothing(stack: Stack) -> None:
    before = stack.account()
    _train(stack)
    for service in ("redis", "airflow-scheduler"):
        stack.kill(service)
        stack.figures[f"Killed in training: {service}"] = (
            f"all healthy after {stack.wait_until_healed(300):.0f} s"
        )
    stack.wait_until_idle()
    _check_trained(before, stack.account())


def test_no_worker_is_deaf_afterwards(stack: Stack) -> None:
    wait_for(
        "the restart of the deaf worker",
        lambda: "airflow-worker has not been healthy" in stack.keeper_log.read_text(),
        300,
    )
    stack.wait_until_healed(300)
    training = _train(stack)
    stack.figures["MiB of each worker in training"] = _memory(stack)
    stack.wait_until_idle()
    assert _ran_on(stack, stack.task_instances(*training)).keys() == set(WORKERS)
    for name in WORKERS:
        worker = stack.containers()[name]["Id"]
        assert stack.command("docker", "exec", worker, *CHECK) == ""


def test_log_of_a_removed_worker_is_kept(stack: Stack) -> None:
    hosts = _hosts(stack)
    instance = next(
        one
        for run in stack.dag_runs()
        for one in stack.task_instances(*run)
        if hosts.get(one["hostname"]) == DEAF and one["state"] == "success"
    )
    said, _ = _log(stack, instance, instance["try_number"])
    stack.command("docker", "rm", "--force", stack.containers()[DEAF]["Id"])
    kept, sources = _log(stack, instance, instance["try_number"])
    assert said
    assert kept == said
    assert "s3://mlflow/task-logs/" in sources
