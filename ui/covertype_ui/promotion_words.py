"""Why a version was promoted or refused, in the chosen language."""

from collections.abc import Callable, Mapping
from typing import Any

from covertype.contract import CLASSES
from covertype.gate.verdicts import COUNT, FIGURES, NUMBER, SHARE, TEXT, Figure, Kind, Verdict
from covertype_ui import texts
from covertype_ui.contract_words import class_name
from covertype_ui.history import VersionRecord
from covertype_ui.language import language, number, percent


def _share(value: float) -> str:
    return percent(value, 2)


def _brief(value: float) -> str:
    return number(value, 0 if value >= 100 else 2 if value >= 0.01 else 4)


_WRITE: Mapping[Kind, Callable[[Any], str]] = {
    SHARE: _share,
    NUMBER: _brief,
    COUNT: number,
    TEXT: str,
}


def verdict_reason(record: VersionRecord) -> str:
    """Say the reason of a verdict; one of an unknown kind is given as it was stored."""
    return record.reason if record.verdict is None else verdict_sentence(record.verdict)


def verdict_sentence(verdict: Verdict) -> str:
    """Say what decided, with its figures."""
    if language() == "en":
        return verdict.reason
    figures = {name: _write(name, figure) for name, figure in verdict.figures.items()}
    return texts.VERDICT_REASONS[verdict.rule].format(**figures)


def _write(name: str, figure: Figure) -> str:
    if name == "label":
        return class_name(figure) if figure in CLASSES else str(figure)
    return _WRITE[FIGURES[name]](figure)
