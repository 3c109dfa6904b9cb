"""What Kustomize and Helm make of the manifests is valid.

`make test-kubernetes` brings the tools.
"""

import copy
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.conftest import ROOT
from tests.kubernetes.manifests import (
    FOLDER,
    VALUES,
    Manifest,
    Pod,
    may_ask,
    needs,
    of_kind,
    pods_of,
    unknown_mounts,
    what_is_not_confined,
)
from tests.test_versions import VERSION
from tools.containers.passwords import read_variables

OLDEST, NEWEST = "1.30", "1.37"
"""Releases of Kubernetes; the oldest is the first with `sleep` before a stop."""

CHART = os.environ.get("AIRFLOW_CHART", "")

releases = pytest.mark.parametrize("release", [OLDEST, NEWEST])


def _run(*command: str) -> list[Manifest]:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


@pytest.fixture(scope="module")
def rendered() -> list[Manifest]:
    """What `kubectl apply -k kubernetes` would send."""
    if shutil.which("kubectl"):
        return _run("kubectl", "kustomize", str(FOLDER))
    return _run("kustomize", "build", str(FOLDER))


@pytest.fixture(scope="module", params=["KubernetesExecutor", "CeleryExecutor"])
def airflow(request: pytest.FixtureRequest) -> list[Manifest]:
    """What Helm makes of Airflow's chart, and the pod of a task."""
    if not CHART:
        pytest.skip("Airflow's chart was not rendered: AIRFLOW_CHART names no file of it")
    manifests = _run(
        *("helm", "template", "airflow", str(Path(CHART).absolute()), "--namespace", "covertype"),
        *("--values", str(FOLDER / "airflow-values.yaml"), "--set", f"executor={request.param}"),
    )
    (config,) = of_kind(manifests, "ConfigMap")
    if template := config["data"].get("pod_template_file.yaml"):
        manifests.append(yaml.safe_load(template))
    assert bool(template) == (request.param == "KubernetesExecutor")
    return manifests


def _airflow_pods(manifests: list[Manifest]) -> list[Pod]:
    tasks = of_kind(manifests, "Pod")
    return pods_of(manifests) + [
        Pod("task", one["metadata"]["labels"], one["spec"]) for one in tasks
    ]


def _validate(manifests: list[Manifest], release: str) -> None:
    assert manifests
    for manifest in manifests:
        kubernetes_validate.validate(manifest, release, strict=True)


@releases
def test_manifests_are_valid(rendered: list[Manifest], release: str) -> None:
    _validate(rendered, release)


@pytest.mark.parametrize(
    ("field", "value"), [("replicas", "two"), ("replica", 2), ("template", {"spec": {}})]
)
def test_a_wrong_field_is_found(rendered: list[Manifest], field: str, value: Any) -> None:
    wrong = copy.deepcopy(of_kind(rendered, "Deployment")[0])
    wrong["spec"][field] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


def test_images_have_the_version_of_the_project(rendered: list[Manifest]) -> None:
    images = {one["image"] for pod in pods_of(rendered) for one in pod.containers}
    assert {image.rpartition(":")[2] for image in images} == {VERSION}


def test_everything_is_in_the_namespace_and_no_secret_is_rendered(rendered: list[Manifest]) -> None:
    (namespace,) = of_kind(rendered, "Namespace")
    for one in rendered:
        assert one["kind"] != "Secret"
        assert one["metadata"].get("namespace") == (
            None if one is namespace else namespace["metadata"]["name"]
        )


def test_config_maps_hold_the_settings_of_their_files(rendered: list[Manifest]) -> None:
    made = {one["metadata"]["name"]: one["data"] for one in of_kind(rendered, "ConfigMap")}
    assert made == {
        "covertype": read_variables(FOLDER / "settings.env"),
        "mlflow-clients": read_variables(ROOT / "mlflow/mlflow.env"),
    }


@releases
def test_airflow_is_valid(airflow: list[Manifest], release: str) -> None:
    _validate(airflow, release)


def test_airflow_pods_are_confined_and_find_what_they_name(
    airflow: list[Manifest], rendered: list[Manifest]
) -> None:
    there = {(one["kind"], one["metadata"]["name"]) for one in (*airflow, *rendered)}
    secrets = {"covertype-airflow", "covertype-airflow-broker", "covertype-s3"}
    pods = _airflow_pods(airflow)
    assert len(pods) == 5
    for pod in pods:
        assert what_is_not_confined(pod) == [], pod.name
        assert unknown_mounts(pod) == set(), pod.name
        for kind, name, _ in needs(pod):
            assert (kind, name) in there or (kind == "Secret" and name in secrets), (pod.name, name)
    assert of_kind(airflow, "Secret") == []


def test_only_two_pods_of_airflow_have_a_token_of_the_cluster(airflow: list[Manifest]) -> None:
    with_token = {
        one["metadata"]["name"]
        for one in of_kind(airflow, "ServiceAccount")
        if one.get("automountServiceAccountToken") is not False
    }
    assert with_token == {"airflow-scheduler", "airflow-api-server"}


def test_airflow_starts_by_the_entrypoint_of_the_image(airflow: list[Manifest]) -> None:
    starts = {
        (one["name"], *one.get("command", ()), *(one.get("args") or ()))
        for pod in _airflow_pods(airflow)
        for one in pod.containers
    }
    roles = {("scheduler", "scheduler"), ("api-server", "api-server")}
    roles |= {("dag-processor", "dag-processor"), ("run-airflow-migrations", "/app/init.sh")}
    waits = ("after-migrations", "db", "check-migrations", "--migration-wait-timeout", "600")
    tasks = ("base", "env") if of_kind(airflow, "Pod") else ("worker", "celery", "worker")
    assert starts == {*roles, waits, tasks}
    images = {one["image"] for pod in _airflow_pods(airflow) for one in pod.containers}
    assert images == {"custom-airflow:" + VALUES["images"]["airflow"]["tag"]}


def test_airflow_pods_reach_what_they_ask(
    airflow: list[Manifest], rendered: list[Manifest]
) -> None:
    policies = of_kind(rendered, "NetworkPolicy")
    assert of_kind(airflow, "NetworkPolicy") == []
    pods = {pod.labels.get("component", pod.name): pod for pod in _airflow_pods(airflow)}
    services = {pod.name: pod for pod in pods_of(rendered)}
    for asked, port in (("inference", 8000), ("mlflow", 5000), ("data-api", 80)):
        assert may_ask(policies, pods["worker"], services[asked], port)
    for asks in ("worker", "scheduler", "dag-processor"):
        assert may_ask(policies, pods[asks], pods["api-server"], 8080)
