"""Both languages say everything, and with the same facts."""

import re
from pathlib import Path
from string import Formatter

import pytest

from covertype.contract import CLASSES, COLUMNS, FEATURES
from covertype.rows.observations import parse_observation
from covertype.rows.violations import VALUE, Violation
from covertype_ui import texts
from covertype_ui.contract_words import broken_rules
from covertype_ui.examples import TYPICAL
from covertype_ui.texts import Phrase

UI = Path(__file__).parents[2] / "ui"
PHRASES = {name: value for name, value in vars(texts).items() if isinstance(value, Phrase)}


@pytest.mark.parametrize("name", PHRASES)
def test_both_languages_name_the_same_facts(name: str) -> None:
    phrase = PHRASES[name]
    assert phrase.es
    assert phrase.en
    spanish, english = (
        {field for _, field, _, _ in Formatter().parse(text) if field} for text in phrase
    )
    assert spanish == english


def test_every_phrase_is_said_somewhere() -> None:
    code = "".join(path.read_text() for path in UI.rglob("*.py") if path.name != "texts.py")
    assert [name for name in PHRASES if not re.search(rf"texts\.{name}\b", code)] == []


def test_the_whole_contract_has_words() -> None:
    assert set(texts.FEATURE_LABELS) == set(COLUMNS)
    assert set(texts.FEATURE_DESCRIPTIONS) == {feature.name for feature in FEATURES}
    assert set(texts.CLASS_LABELS) == set(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_typical_observations_keep_the_contract(name: str) -> None:
    assert parse_observation(TYPICAL[name]) == TYPICAL[name]


def test_every_rule_of_the_contract_has_words() -> None:
    broken = [Violation(VALUE, feature.name, '"x"') for feature in FEATURES]
    assert len(broken_rules(broken).split("; ")) == len(FEATURES)


def test_no_text_of_the_pages_is_outside_the_texts() -> None:
    accented = re.compile(r"[\"'][^\"'\n]*[áéíóúñ¿¡][^\"'\n]*[\"']")
    for path in UI.rglob("*.py"):
        if path.name not in {"texts.py", "language.py"}:
            assert not accented.search(path.read_text()), path
