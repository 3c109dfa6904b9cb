"""The values for Airflow's chart fit the image, Compose and the documentation.

tests/kubernetes_rendered renders the chart with them, where there is one.
"""

import re
import tomllib

import yaml

from tests.compose.images import COMPOSE_FILES, image_of, services_of
from tests.conftest import ROOT
from tests.kubernetes.manifests import VALUES
from tools.containers.passwords import read_variables

DOCUMENTATION = (ROOT / "docs/kubernetes.md").read_text()

DIFFERENT = {
    "AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT": "more than one machine",
    "AIRFLOW__CORE__HOSTNAME_CALLABLE": "the name of a container is known in its network",
    "AIRFLOW__SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES": "nodes take longer to come than slots",
    "AIRFLOW_CONN_TASK_LOGS": "without the keys, which are in a Secret",
    "INFERENCE_URL": "a name for every replica, which Compose's name is already",
    "MODELS_DIR": "no volume",
}
"""The settings that are not those of Compose."""


def _settings_of_compose() -> dict[str, str]:
    known = read_variables(ROOT / "airflow/airflow.env")
    for file in COMPOSE_FILES:
        for name, service in services_of(file).items():
            if name.startswith("airflow-"):
                known |= service.get("environment", {})
    for name, value in known.items():
        while (plain := re.sub(r"\$\{\w+:-([^${}]*)\}", r"\1", value)) != value:
            value = plain
        known[name] = value
    return known


def test_an_airflow_setting_is_that_of_compose() -> None:
    known = _settings_of_compose()
    settings = {one["name"]: one["value"] for one in VALUES["env"]}
    assert len(settings) == len(VALUES["env"])
    different = {name for name, value in settings.items() if known.get(name) != value}
    assert different == set(DIFFERENT)
    assert {one["name"] for one in yaml.safe_load(VALUES["extraEnv"])} <= set(known)


def test_the_image_and_its_airflow_are_those_of_compose_and_of_the_lock() -> None:
    for image in (VALUES["images"]["airflow"], VALUES["images"]["pod_template"]):
        assert f"{image['repository']}:{image['tag']}" == image_of("airflow-webserver")
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    (locked,) = [one["version"] for one in lock["package"] if one["name"] == "apache-airflow"]
    assert VALUES["airflowVersion"] == locked


def test_the_memory_of_a_worker_is_that_of_compose() -> None:
    worker = services_of(ROOT / "docker-compose.celery.yaml")["airflow-worker"]
    limit = VALUES["workers"]["celery"]["resources"]["limits"]["memory"]
    assert f"-{limit.removesuffix('i').lower()}}}" in worker["mem_limit"]


def test_secrets_are_named_and_documented_and_no_value_is_given() -> None:
    secrets = {
        (VALUES["data"]["metadataSecretName"], "connection"),
        (VALUES["data"]["brokerUrlSecretName"], "connection"),
        (VALUES["fernetKeySecretName"], "fernet-key"),
        (VALUES["apiSecretKeySecretName"], "api-secret-key"),
        (VALUES["jwtSecretName"], "jwt-secret"),
    }
    password = VALUES["migrateDatabaseJob"]["env"][0]["valueFrom"]["secretKeyRef"]
    for name, key in {*secrets, (password["name"], password["key"])}:
        assert re.search(rf"^\| `{name}` \|.*`{key}`", DOCUMENTATION, re.MULTILINE), (name, key)
    given = {"fernetKey", "apiSecretKey", "jwtSecret", "webserverSecretKey", "extraSecrets"}
    assert given.isdisjoint(VALUES)
    assert {"brokerUrl", "metadataConnection"}.isdisjoint(VALUES["data"])


def test_the_documentation_installs_the_release_of_the_chart_that_the_values_are_for() -> None:
    version = re.search(
        r"official chart, (\d+\.\d+\.\d+)", (ROOT / "kubernetes/airflow-values.yaml").read_text()
    )
    assert version
    assert f"--version {version[1]} " in DOCUMENTATION
