import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tools.containers import doctor, keeper
from tools.containers.doctor import Platform
from tools.containers.engine import DockerFailed
from tools.containers.passwords import ADDRESSES, SECRETS


def _platform(
    *, address: str = "127.0.0.1", hosts: str = "mlflow:5000,localhost:*", ports: Any = ()
) -> Platform:
    strong = {name: make() for name, make in SECRETS.items()}
    asked = dict.fromkeys(ADDRESSES, address) | strong
    services: dict[str, Any] = {
        "make-secrets-check": {"environment": asked},
        "mlflow": {"environment": {"MLFLOW_SERVER_ALLOWED_HOSTS": hosts}, "ports": ports},
    }
    return Platform(services, [])


def _container(service: str, environment: dict[str, str], **state: Any) -> dict[str, Any]:
    return {
        "Id": service,
        "Name": f"/{service}-1",
        "Config": {
            "Labels": {"com.docker.compose.service": service},
            "Env": [f"{name}={value}" for name, value in environment.items()],
        },
        "State": {"Status": "running", "ExitCode": 0} | state,
        "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}},
        "NetworkSettings": {"Ports": {}},
    }


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_port_of_something_else_is_found(taken_port: int) -> None:
    port = {"host_ip": "127.0.0.1", "published": str(taken_port)}
    (finding,) = doctor.ports(_platform(ports=[port]))
    assert f"Port {taken_port}, for mlflow, is in use" in finding.problem
    assert ".env" in finding.remedy


def test_port_of_our_own_container_is_no_finding(taken_port: int) -> None:
    container = _container("mlflow", {})
    container["NetworkSettings"]["Ports"] = {"5000/tcp": [{"HostPort": str(taken_port)}]}
    port = {"host_ip": "127.0.0.1", "published": str(taken_port)}
    platform = Platform(_platform(ports=[port]).services, [container])
    assert list(doctor.ports(platform)) == []


@pytest.mark.parametrize(("workers", "findings"), [(None, 0), (1, 0), (3, 1)])
def test_memory_is_counted_with_that_of_the_workers(
    monkeypatch: pytest.MonkeyPatch, workers: int | None, findings: int
) -> None:
    monkeypatch.setattr(doctor, "docker", lambda *command: str(12 * 2**30))
    platform = _platform()
    if workers:
        platform.services["airflow-worker"] = {"scale": workers, "mem_limit": str(3 * 2**30)}
    found = [finding.problem for finding in doctor.memory(platform)]
    assert len(found) == findings
    assert all("and 9.0 more for its workers and replicas" in problem for problem in found)


def test_default_password_on_a_public_address_is_found() -> None:
    platform = _platform(address="0.0.0.0")
    platform.checked_settings["PROXY_ASKS_FOR_CREDENTIALS"] = "true"
    assert list(doctor.passwords(platform)) == []
    platform.checked_settings["MYSQL_PASSWORD"] = "mlflow_password"
    (finding,) = doctor.passwords(platform)
    assert "MYSQL_PASSWORD" in finding.problem
    assert finding.remedy == "make secrets"


def test_public_address_where_nobody_is_asked_for_credentials_is_found() -> None:
    (finding,) = doctor.passwords(_platform(address="0.0.0.0"))
    assert "UI_ADDRESS would be open to other machines" in finding.problem
    assert finding.remedy == "make up-gateway"


@pytest.fixture
def taken_passwords(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The passwords that every database takes."""
    taken: set[str] = set()

    def log_in(*command: str, environment: Mapping[str, str]) -> str:
        assert command[:3] == ("exec", "--env", "TRIED")
        if environment["TRIED"] not in taken:
            raise DockerFailed("Access denied")
        return "1"

    monkeypatch.setattr(doctor, "docker", log_in)
    return taken


def test_database_that_still_takes_a_default_which_the_settings_replaced_is_found(
    taken_passwords: set[str],
) -> None:
    platform = Platform(_platform().services, [_container("mysql", {})])
    assert list(doctor.kept_passwords(platform)) == []
    taken_passwords.add("root")
    (finding,) = doctor.kept_passwords(platform)
    assert finding.problem.startswith("MYSQL_ROOT_PASSWORD is set, but mysql still takes")
    assert finding.remedy.startswith("make secrets ROTATE=MYSQL_ROOT_PASSWORD")


def test_default_that_the_settings_name_too_is_no_finding_on_this_machine_alone(
    taken_passwords: set[str],
) -> None:
    taken_passwords.add("airflow")
    platform = Platform(_platform().services, [_container("postgres", {})])
    platform.checked_settings["POSTGRES_PASSWORD"] = "airflow"
    assert list(doctor.kept_passwords(platform)) == []


def test_keys_that_differ_between_containers_are_found_without_showing_them() -> None:
    key = "AIRFLOW__API_AUTH__JWT_SECRET"
    same = [_container(f"airflow-{part}", {key: "one"}) for part in ("webserver", "scheduler")]
    assert list(doctor.keys(Platform({}, same))) == []
    differing = [*same, _container("airflow-dag-processor", {key: "another"})]
    (finding,) = doctor.keys(Platform({}, differing))
    assert key in finding.problem
    assert "airflow-dag-processor" in finding.problem
    assert "another" not in str(finding)


def _allowed_hosts(public_host: str) -> str:
    """Return what the compose file lets MLflow answer to."""
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    hosts: str = services["mlflow"]["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"]
    return hosts.replace("${PUBLIC_HOST:-localhost}", public_host)


def test_names_that_mlflow_would_refuse_are_found_on_a_public_address() -> None:
    local = _allowed_hosts("localhost")
    (finding,) = doctor.hosts(_platform(address="0.0.0.0", hosts=local))
    assert "PUBLIC_HOST" in finding.remedy
    assert list(doctor.hosts(_platform(hosts=local))) == []
    named = _allowed_hosts("forest.example")
    assert list(doctor.hosts(_platform(address="0.0.0.0", hosts=named))) == []


def test_server_that_is_down_or_unhealthy_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "is_watching", lambda: True)
    containers = [
        _container("mysql", {}, Status="exited", ExitCode=137),
        _container("ui", {}, Health={"Status": "unhealthy"}),
        _container("mlflow", {}, Health={"Status": "healthy"}),
    ]
    down, sick = doctor.health(Platform({}, containers))
    assert "mysql is exited (exit code 137)" in down.problem
    assert "ui runs but is not healthy" in sick.problem


def test_platform_without_a_keeper_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "is_watching", lambda: False)
    (finding,) = doctor.health(Platform({}, [_container("ui", {})]))
    assert finding.remedy.startswith("make up")
    assert list(doctor.health(Platform({}, []))) == []
