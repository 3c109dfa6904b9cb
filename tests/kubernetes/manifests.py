"""What the manifests of Kubernetes say: their pods, what holds those, and who may reach whom."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tests.conftest import ROOT

Manifest = dict[str, Any]

FOLDER = ROOT / "kubernetes"
KUSTOMIZATION: Manifest = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
VALUES: Manifest = yaml.safe_load((FOLDER / "airflow-values.yaml").read_text())
MANIFESTS: list[Manifest] = [
    manifest
    for name in KUSTOMIZATION["resources"]
    if name.endswith(".yaml")
    for manifest in yaml.safe_load_all((FOLDER / name).read_text())
]


@dataclass(frozen=True)
class Pod:
    """The pods of one Deployment, StatefulSet or Job, or of a template."""

    name: str
    labels: dict[str, str]
    spec: Manifest

    @property
    def containers(self) -> list[Manifest]:
        """Return all containers, those that run first among them."""
        return [*(self.spec.get("initContainers") or []), *self.spec["containers"]]


def of_kind(manifests: Sequence[Manifest], *kinds: str) -> list[Manifest]:
    """Return the manifests of some kinds."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def pods_of(manifests: Sequence[Manifest]) -> list[Pod]:
    """Return the pods that some manifests start."""
    return [
        Pod(one["metadata"]["name"], template["metadata"]["labels"], template["spec"])
        for one in of_kind(manifests, "Deployment", "StatefulSet", "Job")
        for template in [one["spec"]["template"]]
    ]


def what_is_not_confined(pod: Pod) -> list[str]:
    """Return the rules that a pod breaks: those of the standard "restricted", and some of ours.

    References
    ----------
    https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    broken = []
    of_pod = pod.spec.get("securityContext", {})
    if of_pod.get("runAsNonRoot") is not True or not of_pod.get("runAsUser"):
        broken.append("may be root")
    if of_pod.get("seccompProfile") != {"type": "RuntimeDefault"}:
        broken.append("any system call")
    broken += [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(name)]
    broken += [f"volume {one['name']}" for one in pod.spec["volumes"] if "hostPath" in one]
    for container in pod.containers:
        rules = container.get("securityContext", {})
        confined = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        broken += [
            f"{container['name']}: {name}" for name in confined if rules.get(name) != confined[name]
        ]
        resources = container.get("resources", {})
        if "cpu" not in resources.get("requests", {}):
            broken.append(f"{container['name']}: no CPU is requested")
        if not resources.get("limits", {}).get("memory"):
            broken.append(f"{container['name']}: no limit of memory")
        if "/tmp" not in {one["mountPath"] for one in container["volumeMounts"]}:
            broken.append(f"{container['name']}: no /tmp")
    return broken


def needs(pod: Pod) -> Iterator[tuple[str, str, str]]:
    """Yield the kind, the name and, if it names one, the key of what a pod can't start without."""
    for container in pod.containers:
        for source in container.get("envFrom") or []:
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if field in source:
                    yield kind, source[field]["name"], ""
        for variable in container.get("env") or []:
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                if field in variable.get("valueFrom", {}):
                    reference = variable["valueFrom"][field]
                    yield kind, reference["name"], reference["key"]
    for volume in pod.spec["volumes"]:
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"], ""
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], ""


def unknown_mounts(pod: Pod) -> set[str]:
    """Return the volumes that containers mount and the pod does not have."""
    mounted = {mount["name"] for one in pod.containers for mount in one["volumeMounts"]}
    return mounted - {volume["name"] for volume in pod.spec["volumes"]}


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Return whether a selector of labels selects these."""
    has = {"In": lambda one, values: one in values, "NotIn": lambda one, values: one not in values}
    return all(
        labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()
    ) and all(
        has[rule["operator"]](labels.get(rule["key"]), rule["values"])
        for rule in selector.get("matchExpressions", [])
    )


def may_ask(policies: Sequence[Manifest], asks: Pod | None, answers: Pod, port: int) -> bool:
    """Return whether the policies let a pod ask another at a port.

    Parameters
    ----------
    asks
        None is a pod of a namespace that has the label `covertype/clients`.
    """
    elsewhere = {"covertype/clients": "true"}

    def is_peer(peer: Manifest, pod: Pod | None) -> bool:
        if "podSelector" in peer:
            return pod is not None and selects(peer["podSelector"], pod.labels)
        return pod is None and selects(peer["namespaceSelector"], elsewhere)

    def allows(direction: str, pod: Pod, field: str, peer: Pod | None) -> bool:
        of_pod = [
            policy["spec"]
            for policy in policies
            if direction in policy["spec"]["policyTypes"]
            and selects(policy["spec"]["podSelector"], pod.labels)
        ]
        return not of_pod or any(
            any(is_peer(one, peer) for one in rule[field] if "ipBlock" not in one)
            and port in [item["port"] for item in rule.get("ports", [{"port": port}])]
            for spec in of_pod
            for rule in spec.get(direction.lower(), [])
        )

    return allows("Ingress", answers, "from", asks) and (
        asks is None or allows("Egress", asks, "to", answers)
    )
