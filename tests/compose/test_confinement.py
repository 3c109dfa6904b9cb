"""Who can reach what, and what a service could do if it were taken over."""

import json
from collections.abc import Mapping

import pytest
import requests

from tests.compose.images import image_of
from tests.compose.stack import PORTS, SERVERS, Stack
from tools.containers.passwords import SECRETS

USED_BY: Mapping[str, set[str]] = {
    "AIRFLOW_ADMIN_PASSWORD": {"airflow-init"},
    "AIRFLOW_FERNET_KEY": {"airflow"},
    "AIRFLOW_JWT_SECRET": {"airflow"},
    "AIRFLOW_SECRET_KEY": {"airflow"},
    "DAGS_KEY": {"airflow-scheduler"},
    "FOLLOWER_KEY": {"inference"},
    "FORM_KEY": {"ui"},
    "MINIO_ROOT_PASSWORD": {"minio", "minio-bucket", "mlflow"},
    "MYSQL_PASSWORD": {"mysql", "mlflow", "mlflow-init"},
    "MYSQL_ROOT_PASSWORD": {"mysql"},
    "POSTGRES_PASSWORD": {"postgres", "airflow"},
    "REDIS_PASSWORD": set(),
}
"""Which services use a secret; `airflow` stands for all of Airflow's."""


def _expand(users: set[str], services: set[str]) -> set[str]:
    airflow = {service for service in services if service.startswith("airflow-")}
    return (users - {"airflow"}) | (airflow if "airflow" in users else set())


def test_every_port_is_published_on_this_machine_alone(stack: Stack) -> None:
    published = [
        binding["HostIp"]
        for container in stack.containers().values()
        for bindings in container["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    ]
    assert len(published) == len(PORTS)
    assert set(published) == {"127.0.0.1"}


def test_no_process_in_any_container_is_root(stack: Stack) -> None:
    for service, container in stack.containers().items():
        if container["State"]["Running"]:
            processes = stack.command("docker", "top", container["Id"], "-eo", "pid,uid")
            users = {line.split()[1] for line in processes.splitlines()[1:]}
            assert users
            assert "0" not in users, service


def test_every_container_is_confined(stack: Stack) -> None:
    for service, container in stack.containers().items():
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert not host["CapAdd"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        assert host["Memory"] > 0, service
        assert host["PidsLimit"] > 0, service
        assert all("size=" in options for options in host.get("Tmpfs", {}).values()), service
        assert not host["Privileged"]


def test_every_server_has_a_health_check_and_comes_back(stack: Stack) -> None:
    containers = stack.containers()
    for service in SERVERS:
        assert containers[service]["Config"]["Healthcheck"]["Test"]
        assert containers[service]["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


def test_no_service_sees_a_secret_that_it_does_not_use(stack: Stack) -> None:
    settings = {name: f"marked-{name.lower()}" for name in SECRETS}
    config = json.loads(stack.compose("config", "--format", "json", more=settings))["services"]
    for name, value in settings.items():
        seeing = {
            service
            for service, definition in config.items()
            if value in json.dumps(definition.get("environment", {}))
        }
        assert seeing - {"make-secrets-check"} == _expand(USED_BY[name], set(config)), name


def test_the_only_one_that_sees_all_secrets_has_no_network_and_has_ended(stack: Stack) -> None:
    check = stack.containers()["make-secrets-check"]
    assert check["HostConfig"]["NetworkMode"] == "none"
    assert not check["State"]["Running"]


@pytest.mark.parametrize("image", ["ui", "data-api", "inference", "mlflow"])
def test_image_holds_no_airflow_and_no_build_tools(stack: Stack, image: str) -> None:
    found = stack.command(
        *("docker", "run", "--rm", "--network", "none", image_of(image), "python", "-c"),
        "import importlib.util as i, shutil as s;"
        "print([m for m in ('airflow', 'pytest', 'ruff') if i.find_spec(m)],"
        "[t for t in ('uv', 'gcc', 'git') if s.which(t)])",
    )
    assert found.split() == ["[]", "[]"]


def test_mlflow_refuses_a_name_that_is_not_this_machines(stack: Stack) -> None:
    address = f"{stack.address('MLFLOW_PORT')}/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert requests.get(address, timeout=10).status_code == 200
    foreign = requests.get(address, headers={"Host": "evil.example:5000"}, timeout=10)
    assert foreign.status_code == 403


def test_doctor_finds_nothing_wrong(stack: Stack) -> None:
    assert "Nothing wrong" in stack.make("doctor")
