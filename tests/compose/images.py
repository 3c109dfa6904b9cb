"""The images that the compose files name."""

from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

COMPOSE_FILES = sorted(ROOT.glob("docker-compose*.yaml"))
"""The platform, and what changes it."""


def _replacing(loader: yaml.SafeLoader, node: yaml.Node) -> object:
    """Return what an override has in the place of what it overrides."""
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return None


# Compose's own tags.
yaml.SafeLoader.add_constructor("!reset", _replacing)
yaml.SafeLoader.add_constructor("!override", _replacing)


def services_of(file: Path) -> dict[str, dict[str, Any]]:
    """Return the services of a compose file as it is written."""
    services: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text())["services"]
    return services


def image_of(service: str) -> str:
    """Return the image of a service, with its tag."""
    return str(services_of(ROOT / "docker-compose.yaml")[service]["image"])
