"""The platform is taken down, moved to other settings, and brought up again."""

import re

import pytest
import requests

from tests.compose.images import image_of
from tests.compose.stack import PORTS, SERVERS, Stack, check_kept, wait_for
from tools.containers.passwords import SECRETS, read_variables


def test_everything_is_there_after_down_and_up(in_production: Stack) -> None:
    stack = in_production
    stack.wait_until_idle()
    before = stack.account()
    batch = _batch(stack)
    stack.make("down")
    assert stack.containers() == {}
    stack.make("up")
    wait_for("a prediction", lambda: stack.predict().status_code == 200, 60)
    stack.wait_until_idle()
    check_kept(before, stack.account())
    assert _batch(stack) >= batch


def _batch(stack: Stack) -> int:
    answer = requests.get(
        f"{stack.address('DATA_API_PORT')}/data", params={"group_number": 1}, timeout=10
    )
    batch: int = answer.json()["batch_number"]
    return batch


def test_data_is_fetched_from_elsewhere_by_one_variable(in_production: Stack) -> None:
    stack = in_production
    elsewhere = f"{stack.project}-elsewhere"
    stack.command(
        *("docker", "run", "--detach", "--rm", "--name", elsewhere),
        *("--network", f"{stack.project}_network", image_of("data-api")),
    )
    stack.settings["DATA_API_URL"] = f"http://{elsewhere}/data"
    try:
        stack.make("up")
        dag, run = stack.start_dag("descargar_datos_api")
        wait_for("the collection", lambda: stack.dag_runs()[dag, run] == "success", 180)
        # The run of every five minutes may come as well.
        asked = re.findall(r"group_number=(\d+)", stack.command("docker", "logs", elsewhere))
        assert {int(group) for group in asked} == set(range(1, 11))
    finally:
        del stack.settings["DATA_API_URL"]
        stack.command("docker", "rm", "--force", elsewhere)
        stack.make("up")


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [({}, "make up-gateway"), ({"PROXY_ASKS_FOR_CREDENTIALS": "true"}, "make secrets")],
)
def test_nothing_starts_on_a_public_address_without_credentials(
    stack: Stack, settings: dict[str, str], remedy: str
) -> None:
    public = {"PUBLISH_ADDRESS": "0.0.0.0"}
    other = Stack(stack.folder, "covertype-refused", settings=public | settings)
    try:
        refused = other.make("up", check=False)
        assert refused.startswith("2")
        assert remedy in refused
        assert other.containers() == {}

        refused = other.compose("up", "--detach", "--wait", check=False)
        assert refused.startswith("1")
        assert "make-secrets" in refused
        assert remedy in other.compose("logs", "make-secrets-check")
        started = {
            service
            for service, container in other.containers().items()
            if container["State"]["StartedAt"] > "1970"
        }
        assert started == {"make-secrets-check"}
    finally:
        other.make("down", "VOLUMES=1", "YES=1")


def test_new_secrets_replace_the_defaults_in_a_platform_that_has_data(
    in_production: Stack,
) -> None:
    stack = in_production
    stack.wait_until_idle()
    before = stack.account()
    said = stack.make("secrets")
    settings = stack.folder / ".env"
    secrets = read_variables(settings)
    assert secrets.keys() == SECRETS.keys()
    assert settings.stat().st_mode & 0o777 == 0o600
    assert not any(secret in said for secret in secrets.values())
    assert "nothing to replace" in stack.make("secrets")

    stack.settings["PUBLISH_ADDRESS"] = "0.0.0.0"
    stack.settings["PROXY_ASKS_FOR_CREDENTIALS"] = "true"
    stack.settings["PUBLIC_HOST"] = "forest.example"
    stack.make("up")
    refused = requests.post(
        f"{stack.address('AIRFLOW_PORT')}/auth/token",
        json={"username": "admin", "password": "admin"},
        timeout=30,
    )
    assert refused.status_code == 401
    stack.password = secrets["AIRFLOW_ADMIN_PASSWORD"]
    training = stack.start_dag("train_rf_model", candidates=[{"n_estimators": 20, "max_depth": 8}])
    wait_for("a training", lambda: stack.dag_runs()[training] == "success", 240)
    wait_for("a prediction", lambda: stack.predict().status_code == 200, 60)
    by_name = requests.get(
        f"{stack.address('MLFLOW_PORT')}/version",
        headers={"Host": f"forest.example:{PORTS['MLFLOW_PORT']}"},
        timeout=10,
    )
    assert by_name.status_code == 200
    stack.wait_until_idle()
    check_kept(before, stack.account())
    assert "Nothing wrong" in stack.make("doctor")

    for store in ("mysql", "minio"):
        ports = stack.containers()[store]["NetworkSettings"]["Ports"]
        addresses = {one["HostIp"] for bindings in ports.values() for one in bindings or ()}
        assert addresses == {"127.0.0.1"}, store

    logs = stack.compose("logs")
    for service in SERVERS:
        image = stack.containers()[service]["Image"]
        logs += stack.command("docker", "history", "--no-trunc", image)
        logs += stack.command("docker", "image", "inspect", image)
    logs += stack.compose("exec", "-T", "airflow-scheduler", "sh", "-c", _ALL_LOGS)
    shown = [name for name, secret in secrets.items() if secret in logs]
    assert shown == []


def test_variable_that_a_database_did_not_take_over_is_found_and_mended(stack: Stack) -> None:
    """Its own small platform: MySQL was made with the default, then the variable is changed."""
    ports = {"MYSQL_PORT": str(PORTS["MYSQL_PORT"] + 20)}
    other = Stack(stack.folder, "covertype-kept", settings=ports)
    settings = stack.folder / ".env"
    former = settings.read_text() if settings.exists() else None
    try:
        settings.write_text("MYSQL_ROOT_PASSWORD=root\n")
        other.compose("up", "--detach", "--wait", "mysql")
        settings.write_text("MYSQL_ROOT_PASSWORD=another-one\n")
        other.compose("up", "--detach", "--wait", "mysql")
        said = other.make("doctor", check=False)
        assert "MYSQL_ROOT_PASSWORD is set, but mysql still takes the public default" in said
        other.make("secrets", "ROTATE=MYSQL_ROOT_PASSWORD")
        other.compose("up", "--detach", "--wait", "mysql")
        assert "still takes" not in other.make("doctor", check=False)
    finally:
        other.compose("down", "--volumes")
        settings.unlink()
        if former is not None:
            settings.write_text(former)


_ALL_LOGS = "find /var/log/airflow -type f -exec cat {} +"
