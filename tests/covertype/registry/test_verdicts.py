"""Verdicts as facts: what is stored of them, and the sentences that are made of them."""

import pytest

from covertype.registry import former_verdicts, verdicts
from covertype.registry.names import (
    ACCURACY,
    FLOOR_ACCURACY,
    FORMER,
    FORMER_ACCURACY,
    REASON,
    RULE,
    TEST_ROWS,
)
from covertype.registry.verdicts import Rule, Verdict, figures_of

FIGURES = {
    "accuracy": 0.8123,
    "test_rows": 11620,
    "floor_accuracy": 0.488,
    "former_version": "3",
    "former_accuracy": 0.8,
    "former_fault": "ValueError: it {is} damaged; accuracy 1",
    "changes": 3,
}
ROWS = "on the same 11620 test rows"
FLOOR = f"0.4880 of always answering the most frequent class, {ROWS}"
FAULT = f"; version 3 in Production can't answer: {FIGURES['former_fault']}"
SENTENCES = {
    Rule.FIRST: f"accuracy 0.8123 is higher than {FLOOR}",
    Rule.FIRST_NOT_BETTER: f"accuracy 0.8123 is not higher than {FLOOR}",
    Rule.BETTER: f"accuracy 0.8123 is higher than 0.8000 of version 3 in Production, {ROWS}",
    Rule.NOT_BETTER: (
        f"accuracy 0.8123 is not higher than 0.8000 of version 3 in Production, {ROWS}"
    ),
    Rule.FORMER_FAULT: f"accuracy 0.8123 is higher than {FLOOR}{FAULT}",
    Rule.FORMER_FAULT_NOT_BETTER: f"accuracy 0.8123 is not higher than {FLOOR}{FAULT}",
    Rule.BY_HAND: "is in Production already, put there by hand",
    Rule.PRODUCTION_CHANGED: "Production changed 3 times while the version was judged",
}


def verdict(rule: Rule) -> Verdict:
    return Verdict(rule=rule, **{name: FIGURES[name] for name in figures_of(rule)})  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_has_its_sentence(rule: Rule) -> None:
    assert verdict(rule).reason == SENTENCES[rule]


@pytest.mark.parametrize("rule", Rule)
def test_a_verdict_is_read_from_tags_as_it_was_written_whatever_the_sentence_says(
    rule: Rule,
) -> None:
    tags = verdict(rule).facts() | {REASON: "in other words"}
    assert verdicts.from_tags(tags) == verdict(rule)


@pytest.mark.parametrize("rule", Rule)
def test_a_former_release_s_sentence_gives_the_same_facts(rule: Rule) -> None:
    assert former_verdicts.from_tags({REASON: SENTENCES[rule]}) == verdict(rule)


def test_figures_and_rule_are_tags_of_their_own() -> None:
    assert verdict(Rule.NOT_BETTER).facts() == {
        RULE: "not_better",
        ACCURACY: "0.812300",
        TEST_ROWS: "11620",
        FORMER: "3",
        FORMER_ACCURACY: "0.800000",
    }


def test_figures_of_another_rule_are_not_read() -> None:
    tags = verdict(Rule.FIRST).facts() | {RULE: "by_hand"}
    assert verdicts.from_tags(tags) == Verdict(rule=Rule.BY_HAND)


@pytest.mark.parametrize(
    "change", [{RULE: "recall_of_a_class"}, {ACCURACY: "high"}, {FLOOR_ACCURACY: None}]
)
def test_tags_of_another_release_or_damaged_ones_are_no_verdict(
    change: dict[str, str | None],
) -> None:
    tags = {**verdict(Rule.FIRST).facts(), REASON: SENTENCES[Rule.FIRST], **change}
    kept = {key: value for key, value in tags.items() if value is not None}
    assert verdicts.from_tags(kept) is None
    # A sentence of this release, or of a later one, is never parsed.
    assert former_verdicts.from_tags(kept) is None


def test_an_unknown_sentence_is_no_verdict() -> None:
    assert former_verdicts.from_tags({REASON: "recall of Aspen fell by 3 points"}) is None
    assert former_verdicts.from_tags({}) is None


def test_only_a_better_version_or_one_put_there_by_hand_is_promoted() -> None:
    promoting = {rule for rule in Rule if verdict(rule).promoted}
    assert promoting == {Rule.FIRST, Rule.BETTER, Rule.FORMER_FAULT, Rule.BY_HAND}
