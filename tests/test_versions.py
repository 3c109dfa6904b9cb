"""Each version is typed in one file; where two files can't share it, they are compared here."""

import re
import subprocess
import tomllib
from importlib.metadata import version as installed

import pytest
import yaml
from packaging.specifiers import SpecifierSet

import api as data_api
from inference.api.app import create_app as create_inference
from inference.settings import ServingSettings
from tests.compose.images import COMPOSE_FILES, image_of, services_of
from tests.conftest import ROOT
from tools.containers.passwords import read_variables

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
IMAGES = {
    definition["image"]
    for file in COMPOSE_FILES
    for definition in services_of(file).values()
    if "image" in definition
}
VERSION = PROJECT["project"]["version"]
OLDEST_PYTHON = PROJECT["project"]["requires-python"].removeprefix(">=").partition(",")[0]

_RECORDS = ("CHANGELOG.md", "docs/benchmarks.md", "uv.lock", "tests/test_versions.py")
"""What tells of the past, or is generated."""


def _files_with(pattern: str) -> set[str]:
    """Return the tracked text files in which a regular expression occurs."""
    found = subprocess.run(
        ["git", "grep", "--untracked", "-lIE", pattern, "--", *(f":!{name}" for name in _RECORDS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not found.stderr, found.stderr
    return set(found.stdout.split())


@pytest.mark.parametrize(
    ("pattern", "owners"),
    [
        (r"\buv==[0-9]", {"builder/uv.txt"}),
        (r"UV_VERSION *:?=", set()),
        # test_compose_file compares them.
        (r"\bpython:3\.[0-9]+", {"docker-compose.yaml", "docker-compose.replicas.yaml"}),
        (r"[ \"]postgres:[0-9]+", {"docker-compose.yaml"}),
        (r"\bmysql:[0-9]+\.", {"docker-compose.yaml"}),
        # The manual states every default; test_manual compares them.
        (r"RELEASE\.[0-9]{4}-", {"docker-compose.yaml", ".env.example"}),
        (
            rf"\b{re.escape(VERSION)}\b",
            {
                "pyproject.toml",
                "docker-compose.yaml",
                "docker-compose.replicas.yaml",
                "kubernetes/kustomization.yaml",
                "kubernetes/airflow-values.yaml",
            },
        ),
        (r"image: redis:[0-9]+", {"docker-compose.celery.yaml"}),
        (r"^requires-python", {"pyproject.toml"}),
    ],
)
def test_a_version_is_typed_in_one_file(pattern: str, owners: set[str]) -> None:
    assert _files_with(pattern) == owners


def test_own_images_have_the_version_of_the_project() -> None:
    own = {image for image in IMAGES if image.startswith(("covertype-", "custom-"))}
    assert {image.rpartition(":")[2] for image in own} == {VERSION}
    assert image_of("inference") in own


def test_every_image_has_an_exact_tag() -> None:
    arguments = COMPOSE["x-build"]["args"]
    bases = {
        line.split()[1]
        for file in ROOT.glob("*/Dockerfile")
        for line in file.read_text().splitlines()
        if line.startswith("FROM ")
    }
    assert bases == {"${PYTHON_IMAGE}", "${MINIO_IMAGE}"}
    manual = read_variables(ROOT / ".env.example")
    for image in {*IMAGES, manual["MINIO_IMAGE"], arguments["PYTHON_IMAGE"]}:
        assert re.search(r":[\w.-]*\d", image), image
        assert "latest" not in image


def test_the_python_of_the_images_is_one_that_the_project_supports() -> None:
    tag = COMPOSE["x-build"]["args"]["PYTHON_IMAGE"].partition(":")[2].partition("-")[0]
    assert tag in SpecifierSet(PROJECT["project"]["requires-python"])


def test_make_mypy_and_the_readme_name_the_oldest_python_of_the_project() -> None:
    major, minor = OLDEST_PYTHON.split(".")
    assert f"sys.version_info < ({major}, {minor})" in MAKEFILE
    assert set(re.findall(r"Python (3\.\d+) or newer", MAKEFILE)) == {OLDEST_PYTHON}
    assert set(re.findall(r"Python (3\.\d+) or newer", (ROOT / "README.md").read_text())) == {
        OLDEST_PYTHON
    }
    assert PROJECT["tool"]["mypy"]["python_version"] == OLDEST_PYTHON


def test_uv_builds_the_package_with_its_own_backend() -> None:
    pinned = (ROOT / "builder" / "uv.txt").read_text().strip().removeprefix("uv==")
    (backend,) = PROJECT["build-system"]["requires"]
    assert pinned in SpecifierSet(backend.removeprefix("uv_build"))


def test_the_services_report_the_version_of_the_project() -> None:
    assert installed("covertype") == VERSION
    assert data_api.create_app(data_api.Settings()).version == VERSION
    assert create_inference(ServingSettings()).version == VERSION
