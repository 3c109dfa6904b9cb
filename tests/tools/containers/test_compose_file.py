"""What the compose files settle for every service, whatever the settings are."""

import re
from typing import Any

import pytest
import yaml

from begin import ACCOUNTS
from tests.compose.images import services_of
from tests.conftest import ROOT
from tools.containers.passwords import GATEWAY_ADDRESS, LOOPBACK, OPEN_ADDRESSES

SERVICES = services_of(ROOT / "docker-compose.yaml")
REPLICAS = services_of(ROOT / "docker-compose.replicas.yaml")
DOOR = services_of(ROOT / "docker-compose.gateway.yaml")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
CELERY: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.celery.yaml").read_text())
STORES = ("mysql", "minio", "postgres")


@pytest.mark.parametrize("store", STORES)
def test_a_store_is_published_on_this_machine_alone(store: str) -> None:
    assert all(port.startswith(f"{LOOPBACK}:") for port in SERVICES[store].get("ports", ()))


def test_every_other_service_is_published_by_an_address_that_the_check_of_passwords_sees() -> None:
    ports = [
        port
        for service, definition in SERVICES.items()
        if service not in STORES
        for port in definition.get("ports", ())
    ]
    published = [
        re.match(r"\$\{(\w+):-\$\{PUBLISH_ADDRESS:-127\.0\.0\.1\}\}:", port) for port in ports
    ]
    assert sorted(match[1] for match in published if match) == sorted(OPEN_ADDRESSES)
    assert len(ports) == len(OPEN_ADDRESSES)
    assert set(OPEN_ADDRESSES) <= SERVICES["make-secrets-check"]["environment"].keys()


def test_behind_the_door_nothing_else_is_published_and_the_check_knows() -> None:
    published = {name for name, definition in SERVICES.items() if definition.get("ports")}
    assert published == {name for name in DOOR if DOOR[name].get("ports", True) == []}
    (port,) = DOOR["gateway"]["ports"]
    assert port.startswith(f"${{{GATEWAY_ADDRESS}:-${{PUBLISH_ADDRESS:-127.0.0.1}}}}:")
    checked = DOOR["make-secrets-check"]["environment"]
    assert {checked[name] for name in OPEN_ADDRESSES} == {LOOPBACK}
    assert GATEWAY_ADDRESS in checked


def test_accounts_of_the_platform_are_the_same_at_the_door_and_at_its_clients() -> None:
    clients = {
        definition["environment"]["MLFLOW_TRACKING_USERNAME"]: definition["environment"]
        for definition in SERVICES.values()
        if "MLFLOW_TRACKING_USERNAME" in definition.get("environment", {})
    }
    assert clients.keys() == ACCOUNTS.keys()
    for role, variable in ACCOUNTS.items():
        key = clients[role]["MLFLOW_TRACKING_PASSWORD"]
        for service in ("gateway", "make-secrets-check"):
            assert DOOR[service]["environment"][variable] == key
    assert clients["form"]["INFERENCE_API_KEY"] == clients["form"]["MLFLOW_TRACKING_PASSWORD"]


def test_the_gateway_takes_the_port_of_the_service_and_is_confined_as_it_is() -> None:
    inference, gateway = SERVICES["inference"], REPLICAS["gateway"]
    assert gateway["ports"] == inference["ports"]
    assert gateway["build"]["args"] == inference["build"]["args"]
    assert not REPLICAS["inference"]["ports"]
    alike = ("init", "read_only", "cap_drop", "security_opt", "logging", "restart", "networks")
    for name in alike:
        assert gateway[name] == inference[name], name
    limits = gateway["environment"]
    assert limits.pop("GATEWAY_MAX_REQUESTS")
    assert limits.items() <= inference["environment"].items()


@pytest.mark.parametrize("service", [*SERVICES, "gateway"])
def test_a_service_has_limits_of_memory_of_processes_and_of_files_in_memory(service: str) -> None:
    definition = ({**REPLICAS, **SERVICES})[service]
    assert definition["mem_limit"]
    assert definition["pids_limit"] <= 1024
    assert all("size=" in folder for folder in definition.get("tmpfs", ()))
    assert service == "make-secrets-check" or any(
        folder.startswith("/tmp:") for folder in definition["tmpfs"]
    )


def test_logs_of_airflow_go_to_a_volume() -> None:
    for service, definition in SERVICES.items():
        if service.startswith("airflow-"):
            assert "airflow_logs:/var/log/airflow" in definition["volumes"]
            folders = {
                value
                for name, value in definition["environment"].items()
                if name.startswith("AIRFLOW__LOGGING__")
            }
            assert {folder.startswith("/var/log/airflow") for folder in folders} == {True}
            assert len(folders) == 2


def test_services_of_many_workers_are_confined_and_limited_as_the_others() -> None:
    added = {name: CELERY["services"][name] for name in CELERY["services"] if name not in SERVICES}
    assert CELERY["x-confined"] == COMPOSE["x-confined"]
    for definition in added.values():
        assert definition["mem_limit"]
        assert all(port.startswith(f"{LOOPBACK}:") for port in definition.get("ports", ()))
        of_base = definition.get("extends", {}).get("file") == "docker-compose.yaml"
        assert of_base or CELERY["x-confined"].items() <= definition.items()


def test_a_worker_runs_tasks_with_the_settings_of_the_scheduler() -> None:
    worker = CELERY["services"]["airflow-worker"]
    assert worker["extends"] == {"file": "docker-compose.yaml", "service": "airflow-scheduler"}
    scheduler = CELERY["services"]["airflow-scheduler"]["environment"]
    assert CELERY["x-celery"].items() <= scheduler.items()
    assert CELERY["x-celery"].items() <= worker["environment"].items()
