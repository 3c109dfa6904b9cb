"""`make doctor`: finds what is wrong with the containers, or soon will be, with a remedy."""

import errno
import http.client
import os
import re
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.containers import keeper
from tools.containers.engine import (
    MANUAL,
    SETTINGS,
    DockerFailed,
    compose_config,
    docker,
    environment_of,
    inspect_all,
    label,
    service_of,
)
from tools.containers.passwords import (
    GATEWAY_ADDRESS,
    LOOPBACK,
    defaults_in_use,
    is_loopback,
    read_variables,
    reason_not_to_start,
    unguarded_addresses,
)

_ENGINE = (20, 10)
_COMPOSE = (2, 24)
_MEMORY_GB = 7.5
_DISK_GB = 10.0

_KEYS = (
    "AIRFLOW__API__SECRET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
)

# By the container's own name, as clients do: on loopback PostgreSQL asks for no password.
_MYSQL = 'MYSQL_PWD="$TRIED" mysql -h "$HOSTNAME" -e "select 1" -u'
_LOGINS = {
    "MYSQL_ROOT_PASSWORD": ("mysql", f"{_MYSQL} root"),
    "MYSQL_PASSWORD": ("mysql", f"{_MYSQL} mlflow_user"),
    "POSTGRES_PASSWORD": (
        *("postgres", 'PGPASSWORD="$TRIED" psql -h "$HOSTNAME" -U airflow -c "select 1"'),
    ),
}
"""The database that keeps a password from its first start on, and how to log in with it."""


@dataclass(frozen=True)
class Finding:
    """Something wrong, and what to do about it."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"✗ {self.problem}\n  → {self.remedy}"


@dataclass(frozen=True)
class Platform:
    """The compose file with its variables filled in, and the existing containers."""

    services: dict[str, Any]
    containers: Sequence[dict[str, Any]]

    @classmethod
    def read(cls) -> "Platform":
        return cls(compose_config()["services"], inspect_all(label()))

    @property
    def checked_settings(self) -> dict[str, str]:
        """The settings that the container `make-secrets-check` checks."""
        checked: dict[str, str] = self.services["make-secrets-check"]["environment"]
        return checked

    @property
    def is_behind_gateway(self) -> bool:
        """Whether nothing but the gateway, which asks for credentials, is published."""
        return GATEWAY_ADDRESS in self.checked_settings

    @property
    def ports(self) -> Iterator[tuple[str, str, int]]:
        """Service, address and port on this machine."""
        for name, service in self.services.items():
            for port in service.get("ports", ()) if service.get("scale", 1) else ():
                yield name, port.get("host_ip", "0.0.0.0"), int(port["published"])  # noqa: S104


def versions(platform: Platform | None) -> Iterator[Finding]:
    """Check the versions of Docker and Compose; the compose file need not be readable."""
    try:
        engine = docker("version", "--format", "{{.Server.Version}}").strip()
    except DockerFailed as error:
        yield Finding(f"Docker does not answer: {error}", "start it: sudo systemctl start docker")
        return
    if _version(engine) < _ENGINE:
        yield Finding(f"Docker Engine {engine} is too old", f"install {_dotted(_ENGINE)} or newer")
    try:
        compose = docker("compose", "version", "--short").strip()
    except DockerFailed:
        yield Finding(
            "The Compose plugin is missing", "install Docker Compose v2 (docker-compose-plugin)"
        )
        return
    if _version(compose) < _COMPOSE:
        yield Finding(f"Docker Compose {compose} is too old", f"install {_dotted(_COMPOSE)}")


def memory(platform: Platform) -> Iterator[Finding]:
    """Check that there is enough memory for training beside all services."""
    total = int(docker("info", "--format", "{{.MemTotal}}")) / 2**30
    more = sum(_beyond_one_machine(name, each) for name, each in platform.services.items()) / 2**30
    if total < _MEMORY_GB + more:
        with_them = f", and {more:.1f} more for its workers and replicas" if more else ""
        yield Finding(
            f"Docker has {total:.1f} GB of memory; the platform is made for 8{with_them}",
            "give the machine (or Docker Desktop) more, or move a database outside"
            f"{', or start fewer WORKERS or REPLICAS' if more else ''}: .env.example",
        )


def _beyond_one_machine(name: str, service: Mapping[str, Any]) -> int:
    """Return the bytes of a service's containers that the platform of one machine lacks."""
    containers = int(service.get("scale", 1)) - (name != "airflow-worker")
    return max(0, containers) * int(service.get("mem_limit", 0))


def disk(platform: Platform) -> Iterator[Finding]:
    """Check the disk space for images, datasets and models."""
    folder = docker("info", "--format", "{{.DockerRootDir}}").strip()
    if not os.access(folder, os.X_OK):
        return
    free = shutil.disk_usage(folder).free / 2**30
    if free < _DISK_GB:
        yield Finding(
            f"{folder} has {free:.1f} GB free; images and data want {_DISK_GB:.0f}",
            "docker system prune frees what no container uses",
        )


def ports(platform: Platform) -> Iterator[Finding]:
    """Find ports that something else listens on."""
    own = {
        int(binding["HostPort"])
        for container in platform.containers
        for bindings in (container["NetworkSettings"]["Ports"] or {}).values()
        for binding in bindings or ()
    }
    for service, address, port in platform.ports:
        if port not in own and _is_taken(address, port):
            yield Finding(
                f"Port {port}, for {service}, is in use by something else",
                "end that, or choose another one in .env: the _PORT variables of .env.example",
            )


def _is_taken(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            # Docker may bind what this user may not: a low port, an address of another interface.
            return error.errno == errno.EADDRINUSE
    return False


def passwords(platform: Platform) -> Iterator[Finding]:
    """Find addresses that other machines reach without credentials, or with public defaults."""
    reason = reason_not_to_start(platform.checked_settings, MANUAL)
    if reason:
        unguarded = unguarded_addresses(platform.checked_settings)
        yield Finding(reason, "make up-gateway" if unguarded else "make secrets")


def kept_passwords(platform: Platform) -> Iterator[Finding]:
    """Find databases that still accept a public default which the settings replace."""
    known = read_variables(MANUAL)
    running = {
        service_of(container): container["Id"]
        for container in platform.containers
        if container["State"]["Status"] == "running"
    }
    expected = defaults_in_use(platform.checked_settings, MANUAL)
    for name, (store, login) in _LOGINS.items():
        if (
            name not in expected
            and store in running
            and _logs_in(running[store], login, known[name])
        ):
            yield Finding(
                f"{name} is set, but {store} still takes the public default: a database keeps "
                f"the password that it was created with",
                f"make secrets ROTATE={name} gives it a new one, in .env and in {store}",
            )


def _logs_in(container: str, login: str, password: str) -> bool:
    command = ("exec", "--env", "TRIED", container, "sh", "-c", login)
    try:
        docker(*command, environment={"TRIED": password})
    except DockerFailed:
        return False
    return True


def settings(_: Platform) -> Iterator[Finding]:
    """Find settings that other users of this machine can read."""
    if SETTINGS.exists() and stat.S_IMODE(SETTINGS.stat().st_mode) & 0o077:
        yield Finding(
            "Other users of this machine can read the passwords in .env", "chmod 600 .env"
        )


def keys(platform: Platform) -> Iterator[Finding]:
    """Find Airflow containers with different keys, which reject each other's tokens."""
    running = [c for c in platform.containers if service_of(c).startswith("airflow-")]
    for key in _KEYS:
        values = {service_of(c): environment_of(c).get(key) for c in running}
        if len(set(values.values())) > 1:
            yield Finding(
                f"{key} differs between {', '.join(sorted(values))}",
                "make up recreates them from the same settings",
            )


def hosts(platform: Platform) -> Iterator[Finding]:
    """Find host names that people use, but that MLflow answers with 403."""
    environment = platform.services["mlflow"]["environment"]
    allowed = environment["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    address = platform.checked_settings["MLFLOW_ADDRESS"]
    if not is_loopback(address) and all(_is_local(host) for host in allowed):
        yield Finding(
            f"MLflow is published on {address}, but accepts only the host name localhost",
            "set the host name or address that people use in .env: PUBLIC_HOST=…",
        )
    for service, at, port in platform.ports:
        running = any(service_of(c) == service for c in platform.containers)
        if service == "mlflow" and running:
            for host in {allowed[-1].removesuffix(":*"), "localhost"}:
                status = _status(LOOPBACK if not is_loopback(at) else at, port, f"{host}:{port}")
                if status == http.client.FORBIDDEN:
                    yield Finding(
                        f"MLflow answers requests to {host}:{port} with 403",
                        "make up applies PUBLIC_HOST from .env",
                    )


def _is_local(host: str) -> bool:
    return host.partition(":")[0] in {"mlflow", "localhost", LOOPBACK}


def _status(address: str, port: int, host: str) -> int | None:
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", "/version", headers={"Host": host})
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def health(platform: Platform) -> Iterator[Finding]:
    """Find servers that are down or unhealthy, and a missing keeper."""
    for container in platform.containers:
        service, state = service_of(container), container["State"]
        server = container["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        if server and state["Status"] != "running":
            yield Finding(
                f"{service} is {state['Status']} (exit code {state['ExitCode']})",
                f"docker compose logs {service} says why; make up starts it",
            )
        elif state.get("Health", {}).get("Status") == "unhealthy":
            yield Finding(
                f"{service} runs but is not healthy", f"docker compose logs {service} says why"
            )
    if platform.containers and not keeper.is_watching():
        yield Finding("No keeper restarts containers that are killed or hang", "make up starts one")


CHECKS: Sequence[Callable[[Platform], Iterator[Finding]]] = (
    *(memory, disk, ports, passwords, kept_passwords, settings, keys, hosts, health),
)


def main() -> int:
    """Print what was found; return 1 if anything was."""
    findings = list(versions(None))
    if not findings:
        try:
            platform = Platform.read()
        except DockerFailed as error:
            print(error, file=sys.stderr)
            return 1
        findings = [finding for check in CHECKS for finding in check(platform)]
    print("\n".join(map(str, findings)) or "✓ Nothing wrong was found.")
    return 1 if findings else 0


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


if __name__ == "__main__":
    sys.exit(main())
