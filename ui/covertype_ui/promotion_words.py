"""Why a version was promoted or refused, in the chosen language."""

from collections.abc import Callable, Mapping
from typing import Any

from covertype_ui import texts
from covertype_ui.history import VersionRecord
from covertype_ui.language import language, number, percent


def _share(value: float) -> str:
    return percent(value, 2)


_WRITE: Mapping[str, Callable[[Any], str]] = {
    "accuracy": _share,
    "floor_accuracy": _share,
    "former_accuracy": _share,
    "test_rows": number,
    "changes": number,
}


def verdict_reason(record: VersionRecord) -> str:
    """Say the reason of a verdict; one of an unknown kind is given as it was stored."""
    verdict = record.verdict
    if verdict is None:
        return record.reason
    if language() == "en":
        return verdict.reason
    figures = {
        name: _WRITE.get(name, str)(value)
        for name, value in vars(verdict).items()
        if value is not None
    }
    return texts.VERDICT_REASONS[verdict.rule].format(**figures)
