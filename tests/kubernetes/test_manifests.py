"""The manifests fit each other, the images, Compose and the documentation; no tool is needed."""

import re

import pytest

from tests.compose.images import services_of
from tests.conftest import ROOT
from tests.kubernetes.manifests import (
    FOLDER,
    KUSTOMIZATION,
    MANIFESTS,
    Manifest,
    Pod,
    may_ask,
    needs,
    of_kind,
    pods_of,
    selects,
    unknown_mounts,
    what_is_not_confined,
)
from tools.containers.passwords import read_variables

PODS = {pod.name: pod for pod in pods_of(MANIFESTS)}
COMPOSE = services_of(ROOT / "docker-compose.yaml")
SETTINGS = read_variables(FOLDER / "settings.env")
DOCUMENTED_SECRETS = set(
    re.findall(r"^\| `(covertype-\S+)` \|", (ROOT / "docs/kubernetes.md").read_text(), re.MULTILINE)
)
INIT = {"buckets": "minio-bucket", "database": "mlflow-init"}
"""The services of Compose that run before MLflow."""

# Those of the chart have these labels.
AIRFLOW = {
    name: Pod(name, {"tier": "airflow", "component": name}, {})
    for name in ("api-server", "scheduler", "worker")
}

every_pod = pytest.mark.parametrize("pod", PODS.values(), ids=list(PODS))


def _one(kind: str, name: str) -> Manifest:
    (found,) = [one for one in of_kind(MANIFESTS, kind) if one["metadata"]["name"] == name]
    return found


def test_the_kustomization_lists_every_manifest() -> None:
    written = {path.name for path in FOLDER.glob("*.yaml")}
    assert {name for name in KUSTOMIZATION["resources"] if name.endswith(".yaml")} == written - {
        "kustomization.yaml",
        "airflow-values.yaml",
    }


@every_pod
def test_a_pod_is_confined(pod: Pod) -> None:
    assert what_is_not_confined(pod) == []
    assert pod.spec["automountServiceAccountToken"] is False


@every_pod
def test_a_pod_runs_as_the_user_of_its_image(pod: Pod) -> None:
    dockerfile = (ROOT / pod.name / "Dockerfile").read_text()
    assert f"useradd --uid {pod.spec['securityContext']['runAsUser']} " in dockerfile


@every_pod
def test_a_pod_finds_what_it_names(pod: Pod) -> None:
    there = {("ConfigMap", one["name"]) for one in KUSTOMIZATION["configMapGenerator"]}
    there |= {("ConfigMap", "mlflow-clients")}  # In mlflow/kustomization.yaml.
    there |= {("Secret", name) for name in DOCUMENTED_SECRETS}
    there |= {(one["kind"], one["metadata"]["name"]) for one in MANIFESTS}
    assert {(kind, name) for kind, name, _ in needs(pod)} <= there
    assert unknown_mounts(pod) == set()


@every_pod
def test_a_server_is_asked_whether_it_lives_and_is_ready(pod: Pod) -> None:
    (server,) = pod.spec["containers"]
    (port,) = server["ports"]
    paths = {}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = server[probe]["httpGet"]
        assert asked["port"] == port["name"]
        paths[probe] = asked["path"]
    # The path that Compose's health check asks.
    assert f":{port['containerPort']}{paths['livenessProbe']}'".replace(":80/", "/") in str(
        COMPOSE[pod.name]["healthcheck"]["test"]
    )
    assert paths["startupProbe"] == paths["livenessProbe"]
    assert paths["readinessProbe"] == (
        "/ready" if pod.name == "inference" else paths["livenessProbe"]
    )


@every_pod
def test_a_container_has_the_memory_command_and_image_of_compose(pod: Pod) -> None:
    for container in pod.containers:
        name: str = container["name"]
        service = COMPOSE[INIT.get(name, name)]
        memory = container["resources"]["limits"]["memory"]
        assert memory.removesuffix("i").lower() == service["mem_limit"]
        assert container["resources"]["requests"]["memory"] == memory
        assert container["image"] == service["image"].partition(":")[0]
        assert container.get("args") == service.get("command")


def test_images_have_the_tags_of_compose() -> None:
    tagged = {f"{one['name']}:{one['newTag']}" for one in KUSTOMIZATION["images"]}
    assert tagged == {str(COMPOSE[name]["image"]) for name in PODS}


def test_a_setting_is_one_of_compose() -> None:
    known = {
        name: value
        for service in ("minio-bucket", "airflow-scheduler", "inference", "ui", "mlflow")
        for name, value in COMPOSE[service]["environment"].items()
    }
    # Of what docker-compose.s3-logs.yaml adds.
    known |= services_of(ROOT / "docker-compose.s3-logs.yaml")["minio-bucket"]["environment"]
    for name, value in SETTINGS.items():
        default = re.sub(r"\$\{[A-Z_]+:-(.*)\}", r"\1", known[name])
        # Several machines share no volume.
        assert value == ("s3://datasets" if name == "DATASETS_URL" else default), name
    for pod in PODS.values():
        for container in pod.containers:
            for variable in container.get("env", []):
                assert variable["name"] in COMPOSE[container["name"]]["environment"]


def test_a_service_leads_to_pods_that_listen() -> None:
    for service in of_kind(MANIFESTS, "Service"):
        (pod,) = [
            pod
            for pod in PODS.values()
            if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)
        ]
        named = {port["name"] for one in pod.containers for port in one.get("ports", [])}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= named
    names = {one["metadata"]["name"] for one in of_kind(MANIFESTS, "Service")}
    asked = {re.sub(r"^http://([\w-]+).*", r"\1", value) for value in SETTINGS.values()}
    assert {name for name in asked if not name.startswith("s3:")} <= names


def test_a_deployment_and_what_limits_it_select_its_own_pods_alone() -> None:
    for one in of_kind(MANIFESTS, "Deployment", "PodDisruptionBudget"):
        selected = [pod for pod in PODS.values() if selects(one["spec"]["selector"], pod.labels)]
        assert [pod.name for pod in selected] == [one["metadata"]["name"]]
    target = _one("HorizontalPodAutoscaler", "inference")["spec"]["scaleTargetRef"]
    assert _one(target["kind"], target["name"])["apiVersion"] == target["apiVersion"]


def test_replicas_are_replaced_one_by_one_without_a_lost_request() -> None:
    deployment = _one("Deployment", "inference")["spec"]
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    # Else applying the manifests would undo what the autoscaler did.
    assert "replicas" not in deployment
    budget = _one("PodDisruptionBudget", "inference")["spec"]["minAvailable"]
    scaler = _one("HorizontalPodAutoscaler", "inference")["spec"]
    assert 1 <= budget < scaler["minReplicas"] <= scaler["maxReplicas"]
    pod = PODS["inference"].spec
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    replicas = services_of(ROOT / "docker-compose.replicas.yaml")["inference"]
    grace = int(replicas["stop_grace_period"].removesuffix("s"))
    assert pod["terminationGracePeriodSeconds"] >= pause + grace


def test_only_these_pods_reach_each_other() -> None:
    policies = of_kind(MANIFESTS, "NetworkPolicy")
    ports = {"inference": 8000, "ui": 8503, "mlflow": 5000, "data-api": 80}
    answers = [(pod, ports[name]) for name, pod in PODS.items()]
    answers += [(AIRFLOW["api-server"], 8080), (AIRFLOW["scheduler"], 8974)]
    answers += [(AIRFLOW["worker"], 8793), (PODS["inference"], 22)]
    reached = {
        (asks.name if asks else "clients", f"{pod.name}:{port}")
        for asks in (None, *PODS.values(), *AIRFLOW.values())
        for pod, port in answers
        if may_ask(policies, asks, pod, port)
    }
    of_airflow = ("inference:8000", "mlflow:5000", "data-api:80", "api-server:8080")
    assert reached == {
        *((name, port) for name in AIRFLOW for port in of_airflow),
        ("api-server", "worker:8793"),
        ("ui", "inference:8000"),
        ("ui", "mlflow:5000"),
        ("inference", "mlflow:5000"),
        *(("clients", port) for port in ("ui:8503", "inference:8000", "api-server:8080")),
    }


def test_only_the_data_api_reaches_nothing_outside() -> None:
    (outside,) = [
        one["spec"]
        for one in of_kind(MANIFESTS, "NetworkPolicy")
        if "ipBlock" in str(one["spec"].get("egress"))
    ]
    everyone = {**PODS, **AIRFLOW}
    assert {
        name for name, pod in everyone.items() if not selects(outside["podSelector"], pod.labels)
    } == {"data-api"}
