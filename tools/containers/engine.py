"""The platform's containers, through the `docker` command."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / ".env"
MANUAL = ROOT / ".env.example"

_PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"


class DockerFailed(Exception):
    """A docker command failed; the message is its standard error."""


def docker(
    *arguments: str, text: str | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Run a docker command in the project's folder and return its output.

    Parameters
    ----------
    text : str, optional
        The command's standard input. Pass secrets here or by `environment`, never as arguments.

    Raises
    ------
    DockerFailed
        If it failed, or there is no docker.
    """
    try:
        done = subprocess.run(
            ["docker", *arguments],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise DockerFailed("there is no `docker` command: install Docker Engine") from None
    if done.returncode:
        raise DockerFailed(done.stderr.strip() or f"docker {arguments[0]} failed")
    return done.stdout


def compose_config() -> dict[str, Any]:
    """Return the compose file with every variable filled in."""
    config: dict[str, Any] = json.loads(docker("compose", "config", "--format", "json"))
    return config


def project() -> str:
    """Return the name of this platform. COMPOSE_PROJECT_NAME overrides it."""
    return str(compose_config()["name"])


def label() -> str:
    """Return the label of this platform's containers and volumes."""
    return f"{_PROJECT_LABEL}={project()}"


def inspect_all(project_label: str) -> list[dict[str, Any]]:
    """Return `docker inspect` of the platform's containers, running or not."""
    names = docker("ps", "--all", "--quiet", "--filter", f"label={project_label}").split()
    containers: list[dict[str, Any]] = json.loads(docker("inspect", *names)) if names else []
    return containers


def service_of(container: Mapping[str, Any]) -> str:
    """Return the service that an inspected container belongs to."""
    return str(container["Config"]["Labels"].get(SERVICE_LABEL, container["Name"].lstrip("/")))


def environment_of(container: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment of an inspected container."""
    return dict(line.split("=", 1) for line in container["Config"]["Env"] if "=" in line)
