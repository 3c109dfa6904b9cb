"""The rules that a row breaks, as facts, and their description in English."""

import json
from typing import Any, NamedTuple

from covertype.contract import CLASSES, COLUMNS, FEATURE_NAMES, FEATURES, LABELLED

VALUE = "value"
"""The feature's own rule in the contract is broken."""

MISSING = "missing"
UNKNOWN = "unknown"
"""The feature is not one of the contract's."""

VALUES = "values"
"""The observation has another number of values than the contract has features."""

CELLS = "cells"
"""The line has another number of cells than its file has columns."""

CLASS = "class"
"""The value is no class, neither by index nor by name."""

OTHER = "other"
"""`value` says it, in the words of a former release."""

_RULES = {feature.name: feature.rule for feature in LABELLED}
_SHOWN_NAME = 80
_SHOWN_VALUE = 60

_FEATURES = ", ".join(FEATURE_NAMES)
_SENTENCES = {
    VALUE: "{allowed}, got {value}",
    MISSING: "{feature} is missing",
    UNKNOWN: f"{{feature}} is not a feature; the features are {_FEATURES}",
    VALUES: f"features must hold {len(FEATURES)} values in this order: {_FEATURES}; got {{value}}",
    CLASS: f"must be an index from 0 to {len(CLASSES) - 1} or one of the names "
    f"{', '.join(CLASSES)}; got {{value}}",
    CELLS: "a row must have {columns} columns, got {value}",
    OTHER: "{value}",
}


class Violation(NamedTuple):
    """One rule that a row breaks.

    `rule` is one of this module's constants; `feature` the column's name ("" for the whole row);
    `value` what was there, as JSON, or how many there were.
    """

    rule: str
    feature: str = ""
    value: str = ""


def shown(value: Any) -> str:
    """Return a value as a violation stores it: as JSON, shortened; an empty text stays empty."""
    if value == "":
        return ""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "a value that is nested too deeply"
    return text if len(text) <= _SHOWN_VALUE else f"{text[: _SHOWN_VALUE - 3]}…"


def describe(violation: Violation, columns: int = len(COLUMNS)) -> str:
    """Describe in English what is wrong and what is allowed.

    Parameters
    ----------
    violation : Violation
    columns : int
        Number of columns in the row's file.
    """
    return _SENTENCES[violation.rule].format(
        allowed=_RULES.get(violation.feature, violation.feature),
        feature=violation.feature[:_SHOWN_NAME],
        value=violation.value or "nothing",
        columns=columns,
    )
