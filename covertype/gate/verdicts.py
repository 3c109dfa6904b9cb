"""Verdicts on versions: the rule that decided and its figures, as data and as sentences.

A version's tags hold them. The reason is a sentence for people who look in MLflow; programs read
the rule and the figures.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from string import Formatter
from typing import Any

_PREFIX = "promotion."
VERDICT = f"{_PREFIX}verdict"
RULE = f"{_PREFIX}rule"
REASON = f"{_PREFIX}reason"
CHECKS = f"{_PREFIX}checks"


class Outcome(StrEnum):
    """Values of the verdict's tag."""

    PROMOTED = "promoted"
    ELIGIBLE = "eligible"
    REFUSED = "refused"


class Rule(StrEnum):
    """What decided. The values are stored in tags, so they must not change."""

    FIRST = "first_version"
    BETTER = "better"
    FORMER_FAULT = "former_fault"
    BY_HAND = "by_hand"

    CANNOT_ANSWER = "cannot_answer"
    INVALID_ANSWERS = "invalid_answers"
    FIRST_NOT_BETTER = "first_version_not_better"
    FORMER_FAULT_NOT_BETTER = "former_fault_not_better"
    NOT_BETTER = "not_better"
    GAIN_TOO_SMALL = "gain_too_small"
    NOT_SIGNIFICANT = "not_significant"
    CLASS_LOST = "class_lost"
    NEWEST_BATCH_WORSE = "newest_batch_worse"
    SERVES_OTHERWISE = "serves_otherwise"
    TOO_SLOW = "too_slow"
    TOO_MUCH_MEMORY = "too_much_memory"
    TOO_LARGE = "too_large"
    REPLAY_FAILED = "replay_failed"
    REPLAY_TOO_SLOW = "replay_too_slow"
    REPLAY_CHANGED = "replay_changed"
    ROLLED_BACK = "rolled_back"
    PRODUCTION_CHANGED = "production_changed"


_PASSING = {Rule.FIRST, Rule.BETTER, Rule.FORMER_FAULT, Rule.BY_HAND}

_HIGHER = "accuracy {accuracy:.4f} is higher than "
_NOT_HIGHER = "accuracy {accuracy:.4f} is not higher than "
_FLOOR = (
    "{floor_accuracy:.4f} of always answering the most frequent class, "
    "on the same {test_rows} test rows"
)
_PRODUCTION = "{former_accuracy:.4f} of version {former_version} in Production"
_FORMER = f"{_PRODUCTION}, on the same {{test_rows}} test rows"
_FAULT = "; version {former_version} in Production can't answer: {former_fault}"

_SENTENCES: Mapping[Rule, str] = {
    Rule.FIRST: _HIGHER + _FLOOR,
    Rule.BETTER: _HIGHER + _FORMER,
    Rule.FORMER_FAULT: _HIGHER + _FLOOR + _FAULT,
    Rule.BY_HAND: "is in Production already, put there by hand",
    Rule.CANNOT_ANSWER: "can't answer: {fault}",
    Rule.INVALID_ANSWERS: (
        "{invalid_answers} of {test_rows} test rows have probabilities that are not numbers or "
        "do not add up to 1"
    ),
    Rule.FIRST_NOT_BETTER: _NOT_HIGHER + _FLOOR,
    Rule.FORMER_FAULT_NOT_BETTER: _NOT_HIGHER + _FLOOR + _FAULT,
    Rule.NOT_BETTER: _NOT_HIGHER + _FORMER,
    Rule.GAIN_TOO_SMALL: _HIGHER + _FORMER + ", but by less than the minimum {minimum_gain:.4f}",
    Rule.NOT_SIGNIFICANT: _HIGHER
    + _FORMER
    + (
        ", but not significantly: {gained} rows are right that were wrong, and {lost} are wrong "
        "that were right (McNemar's test, p = {p_value:.2g})"
    ),
    Rule.CLASS_LOST: (
        "recall of {label} is {recall:.4f}, and {former_recall:.4f} for version {former_version} "
        "in Production, on the same {class_rows} test rows: even the upper end of the confidence "
        "interval is more than {recall_loss_limit:.4f} lower; its F1 is {class_f1:.4f}, and was "
        "{former_class_f1:.4f}"
    ),
    Rule.NEWEST_BATCH_WORSE: (
        "accuracy on the newest batch is {newest_accuracy:.4f}, and {former_newest_accuracy:.4f} "
        "for version {former_version} in Production, on the same {newest_rows} test rows: "
        "it may be lower by at most {newest_loss_limit:.4f}"
    ),
    Rule.SERVES_OTHERWISE: (
        "in the form that serves, {serving_faults} of {served_rows} rows have no answer or another "
        "one than the logged model gives"
    ),
    Rule.TOO_SLOW: (
        "one answer takes {row_milliseconds:.3g} ms; at most {row_milliseconds_limit:.3g} ms are "
        "allowed"
    ),
    Rule.TOO_MUCH_MEMORY: (
        "loaded, it takes {loaded_mb:.3g} MB; at most {loaded_mb_limit:.3g} MB are allowed"
    ),
    Rule.TOO_LARGE: (
        "its file takes {artifact_mb:.3g} MB; at most {artifact_mb_limit:.3g} MB are allowed"
    ),
    Rule.REPLAY_FAILED: (
        "it has no valid answer to {replay_errors} of the latest {replayed_rows} requests"
    ),
    Rule.REPLAY_TOO_SLOW: (
        "it takes {replay_milliseconds:.3g} ms for one of the latest {replayed_rows} requests; "
        "at most {row_milliseconds_limit:.3g} ms are allowed"
    ),
    Rule.REPLAY_CHANGED: (
        "it answers {changed_share:.4f} of the latest {replayed_rows} requests otherwise than "
        "they were answered; at most {changed_share_limit:.4f} are allowed"
    ),
    Rule.ROLLED_BACK: (
        "it was trained on the same data as version {rolled_back_version}, from which Production "
        "was rolled back"
    ),
    Rule.PRODUCTION_CHANGED: (
        "Production changed {production_changes} times while the version was judged"
    ),
}

Figure = float | int | str


@dataclass(frozen=True)
class Kind:
    """A kind of figure: how a tag holds it."""

    read: Callable[[str], Figure]
    write: Callable[[Any], str]


SHARE = Kind(float, "{:.6f}".format)
NUMBER = Kind(float, "{:.6g}".format)
COUNT = Kind(int, str)
TEXT = Kind(str, str)

FIGURES: Mapping[str, Kind] = {
    "accuracy": SHARE,
    "test_rows": COUNT,
    "floor_accuracy": SHARE,
    "former_version": TEXT,
    "former_accuracy": SHARE,
    "former_fault": TEXT,
    "minimum_gain": SHARE,
    "gained": COUNT,
    "lost": COUNT,
    "p_value": NUMBER,
    "label": TEXT,
    "recall": SHARE,
    "former_recall": SHARE,
    "class_f1": SHARE,
    "former_class_f1": SHARE,
    "class_rows": COUNT,
    "recall_loss_limit": SHARE,
    "newest_accuracy": SHARE,
    "former_newest_accuracy": SHARE,
    "newest_rows": COUNT,
    "newest_loss_limit": SHARE,
    "fault": TEXT,
    "invalid_answers": COUNT,
    "serving_faults": COUNT,
    "served_rows": COUNT,
    "row_milliseconds": NUMBER,
    "row_milliseconds_limit": NUMBER,
    "loaded_mb": NUMBER,
    "loaded_mb_limit": NUMBER,
    "artifact_mb": NUMBER,
    "artifact_mb_limit": NUMBER,
    "replayed_rows": COUNT,
    "replay_errors": COUNT,
    "replay_milliseconds": NUMBER,
    "changed_share": SHARE,
    "changed_share_limit": SHARE,
    "rolled_back_version": TEXT,
    "production_changes": COUNT,
}
"""Every figure of a verdict, by name."""


def tag_of(figure: str) -> str:
    """Return the tag of a version that holds a figure."""
    return _PREFIX + figure


TAGS = frozenset({RULE, REASON, CHECKS, VERDICT, *map(tag_of, FIGURES)})
"""Every tag that a judgement may leave on a version."""


@dataclass(frozen=True)
class Check:
    """One rule that a version had to pass, named for what it would have been refused by."""

    rule: Rule
    passed: bool
    figures: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What was decided of a version: the rule that decided, its figures, and all that was checked.

    Accuracies are shares of the same `test_rows` rows: of the version itself, of always answering
    the most frequent class (`floor_accuracy`), and of the version that was in Production then.
    """

    rule: Rule
    figures: Mapping[str, Figure] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()

    @property
    def passed(self) -> bool:
        return self.rule in _PASSING

    @property
    def reason(self) -> str:
        """The reason as an English sentence."""
        return _SENTENCES[self.rule].format(**self.figures)

    def facts(self) -> dict[str, str]:
        """Return the tags that hold the checks, the figures and, last, the rule."""
        checks = {CHECKS: _write_checks(self.checks)} if self.checks else {}
        figures = {
            tag_of(name): FIGURES[name].write(figure) for name, figure in self.figures.items()
        }
        return checks | figures | {RULE: self.rule.value}


def figures_of(rule: Rule) -> set[str]:
    """Return the names of the figures that the sentence of a rule needs."""
    return {name for _, name, _, _ in Formatter().parse(_SENTENCES[rule]) if name}


def from_tags(tags: Mapping[str, str]) -> Verdict | None:
    """Return the verdict that a version's tags hold.

    None if they hold no rule, one of another release, or not its figures.
    """
    try:
        rule = Rule(tags.get(RULE, ""))
        figures = {name: FIGURES[name].read(tags[tag_of(name)]) for name in figures_of(rule)}
        checks = _read_checks(tags.get(CHECKS, "[]"))
    except (KeyError, TypeError, ValueError):
        return None
    return Verdict(rule, figures, checks)


def sentence(check: Check) -> str:
    """Return the English sentence of a rule that was not passed."""
    return _SENTENCES[check.rule].format(**check.figures)


def _write_checks(checks: tuple[Check, ...]) -> str:
    return json.dumps(
        [
            {
                "rule": check.rule,
                "passed": check.passed,
                "figures": {
                    name: FIGURES[name].read(FIGURES[name].write(figure))
                    for name, figure in check.figures.items()
                },
            }
            for check in checks
        ]
    )


def _read_checks(text: str) -> tuple[Check, ...]:
    return tuple(
        Check(Rule(one["rule"]), bool(one["passed"]), dict(one["figures"]))
        for one in json.loads(text)
    )
