"""The verdict on a version: the rule that decided, with its figures, as tags of the version.

Readers make sentences of the facts. The English one is here, for the log and for MLflow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from string import Formatter
from typing import Any

from covertype.registry.names import (
    ACCURACY,
    CHANGES,
    FLOOR_ACCURACY,
    FORMER,
    FORMER_ACCURACY,
    FORMER_FAULT,
    PROMOTED,
    REASON,
    REFUSED,
    RULE,
    TEST_ROWS,
    VERDICT,
)


class Rule(StrEnum):
    """What decided. The values are stored in tags, so they must not change."""

    FIRST = "first_version"
    FIRST_NOT_BETTER = "first_version_not_better"
    BETTER = "better"
    NOT_BETTER = "not_better"
    FORMER_FAULT = "former_fault"
    FORMER_FAULT_NOT_BETTER = "former_fault_not_better"
    BY_HAND = "by_hand"
    PRODUCTION_CHANGED = "production_changed"


_PROMOTING = {Rule.FIRST, Rule.BETTER, Rule.FORMER_FAULT, Rule.BY_HAND}

_HIGHER = "accuracy {accuracy:.4f} is higher than "
_NOT_HIGHER = "accuracy {accuracy:.4f} is not higher than "
_FLOOR = (
    "{floor_accuracy:.4f} of always answering the most frequent class, "
    "on the same {test_rows} test rows"
)
_FORMER = (
    "{former_accuracy:.4f} of version {former_version} in Production, "
    "on the same {test_rows} test rows"
)
_FAULT = "; version {former_version} in Production can't answer: {former_fault}"

_SENTENCES: Mapping[Rule, str] = {
    Rule.FIRST: _HIGHER + _FLOOR,
    Rule.FIRST_NOT_BETTER: _NOT_HIGHER + _FLOOR,
    Rule.BETTER: _HIGHER + _FORMER,
    Rule.NOT_BETTER: _NOT_HIGHER + _FORMER,
    Rule.FORMER_FAULT: _HIGHER + _FLOOR + _FAULT,
    Rule.FORMER_FAULT_NOT_BETTER: _NOT_HIGHER + _FLOOR + _FAULT,
    Rule.BY_HAND: "is in Production already, put there by hand",
    Rule.PRODUCTION_CHANGED: "Production changed {changes} times while the version was judged",
}


@dataclass(frozen=True)
class _Figure:
    tag: str
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str


def _write_share(share: float) -> str:
    return f"{share:.6f}"


_FIGURES: Mapping[str, _Figure] = {
    "accuracy": _Figure(ACCURACY, float, _write_share),
    "test_rows": _Figure(TEST_ROWS, int),
    "floor_accuracy": _Figure(FLOOR_ACCURACY, float, _write_share),
    "former_version": _Figure(FORMER, str),
    "former_accuracy": _Figure(FORMER_ACCURACY, float, _write_share),
    "former_fault": _Figure(FORMER_FAULT, str),
    "changes": _Figure(CHANGES, int),
}

TAGS = frozenset({RULE, REASON, VERDICT, *(figure.tag for figure in _FIGURES.values())})
"""Every tag that a judgement may leave on a version."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was decided of a version, and on which figures; those that a rule needs are set.

    Accuracies are shares of the same `test_rows` rows: of the version itself, of always answering
    the most frequent class, and of the version that was in Production then. `former_fault` says why
    that one can't answer; `changes` counts how often Production changed during the judgement.
    """

    rule: Rule
    accuracy: float | None = None
    test_rows: int | None = None
    floor_accuracy: float | None = None
    former_version: str | None = None
    former_accuracy: float | None = None
    former_fault: str | None = None
    changes: int | None = None

    @property
    def promoted(self) -> bool:
        return self.rule in _PROMOTING

    @property
    def outcome(self) -> str:
        return PROMOTED if self.promoted else REFUSED

    @property
    def reason(self) -> str:
        """The reason as an English sentence."""
        return _SENTENCES[self.rule].format(**vars(self))

    def facts(self) -> dict[str, str]:
        """Return the tags that hold the figures and, last, the rule."""
        figures = {
            figure.tag: figure.write(getattr(self, name))
            for name, figure in _FIGURES.items()
            if getattr(self, name) is not None
        }
        return figures | {RULE: self.rule.value}


def figures_of(rule: Rule) -> set[str]:
    """Return the names of the figures that a verdict by this rule has."""
    return {name for _, name, _, _ in Formatter().parse(_SENTENCES[rule]) if name}


def from_tags(tags: Mapping[str, str]) -> Verdict | None:
    """Return the verdict that a version's tags hold.

    None if they hold no rule, one of another release, or not its figures.
    """
    try:
        rule = Rule(tags.get(RULE, ""))
        figures = {
            name: figure.read(tags[figure.tag])
            for name, figure in _FIGURES.items()
            if name in figures_of(rule)
        }
    except (KeyError, ValueError):
        return None
    return Verdict(rule=rule, **figures)
