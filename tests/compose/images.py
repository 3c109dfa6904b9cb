"""The images that the compose files name."""

from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

COMPOSE_FILES = sorted(ROOT.glob("docker-compose*.yaml"))
"""The platform, and what changes it."""

# Compose's own tag, for what an override removes.
yaml.SafeLoader.add_constructor("!reset", lambda loader, node: None)


def services_of(file: Path) -> dict[str, dict[str, Any]]:
    """Return the services of a compose file as it is written."""
    services: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text())["services"]
    return services


def image_of(service: str) -> str:
    """Return the image of a service, with its tag."""
    return str(services_of(ROOT / "docker-compose.yaml")[service]["image"])
