"""`.env.example` is the manual: it tells every variable, with the default that is in force."""

import re

import pytest
from pydantic_settings import BaseSettings

import api as data_api
from covertype.settings import Settings
from covertype_ui.settings import UiSettings
from inference.settings import ServingSettings
from tests.compose.images import COMPOSE_FILES
from tests.conftest import ROOT
from tools.containers.passwords import read_variables

MANUAL = read_variables(ROOT / ".env.example")
COMPOSE = "".join(file.read_text() for file in COMPOSE_FILES)
SHARED_ENV = "".join(
    (ROOT / name).read_text() for name in ("airflow/airflow.env", "mlflow/mlflow.env")
)

INSIDE = {"DATA_API_URL", "DATASETS_URL", "GATEWAY_CERTIFICATE", "TRAINING_SLOTS"}
"""Whose default in the containers, or with many workers, is another one; the manual says it."""


def _shown(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("settings", [Settings, data_api.Settings, ServingSettings, UiSettings])
def test_every_setting_is_in_the_manual_with_its_default(settings: type[BaseSettings]) -> None:
    for name, field in settings.model_fields.items():
        assert MANUAL.get(name.upper()) == _shown(field.default), name.upper()


def test_every_variable_of_the_containers_is_in_the_manual_with_its_default() -> None:
    config = re.sub(r"^\s*#.*$", "", COMPOSE + SHARED_ENV, flags=re.MULTILINE)
    for name, default in _variables(config):
        assert name in MANUAL
        if name not in INSIDE:
            assert MANUAL[name] == default, name


def _variables(text: str) -> list[tuple[str, str]]:
    """Return variables and defaults, those inside of a default too.

    What depends on a variable, as in `${NAME:+…}`, has no default of its own.
    """
    found = []
    text = re.sub(r"\$\{[A-Z0-9_]+:\+(.*)\}", r"\1", text)
    for match in re.finditer(r"\$\{([A-Z0-9_]+):?-", text):
        depth, end = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        default = text[match.end() : end - 1]
        found.append((match[1], re.sub(r"\$\{[A-Z0-9_]+:?-([^}]*)\}", r"\1", default)))
    assert len(found) == text.count("${")
    return found


def test_manual_explains_every_group_of_variables() -> None:
    paragraphs = (ROOT / ".env.example").read_text().split("\n\n")
    for paragraph in paragraphs:
        lines = paragraph.splitlines()
        if any(re.fullmatch(r"# [A-Z][A-Z0-9_]*=.*", line) for line in lines):
            assert not re.fullmatch(r"# [A-Z][A-Z0-9_]*=.*", lines[0]), lines[0]
