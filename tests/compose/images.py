"""The images that the compose file names."""

import yaml

from tests.conftest import ROOT


def image_of(service: str) -> str:
    """Return the image of a service, with its tag."""
    compose = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
    return str(compose["services"][service]["image"])
