"""Verdicts as facts: what is stored of them, and the sentences that are made of them."""

import pytest

from covertype.gate import former_verdicts, verdicts
from covertype.gate.verdicts import (
    CHECKS,
    FIGURES,
    REASON,
    RULE,
    Check,
    Figure,
    Rule,
    Verdict,
    figures_of,
    sentence,
    tag_of,
)

ACCURACY = tag_of("accuracy")
VALUES: dict[str, Figure] = {
    "accuracy": 0.8123,
    "test_rows": 11620,
    "floor_accuracy": 0.488,
    "former_version": "3",
    "former_accuracy": 0.8,
    "former_fault": "ValueError: it {is} damaged; accuracy 1",
    "minimum_gain": 0.02,
    "gained": 60,
    "lost": 41,
    "p_value": 0.0594,
    "label": "Aspen",
    "recall": 0.5,
    "former_recall": 0.75,
    "class_f1": 0.61,
    "former_class_f1": 0.72,
    "class_rows": 190,
    "recall_loss_limit": 0.02,
    "newest_accuracy": 0.7,
    "former_newest_accuracy": 0.72,
    "newest_rows": 3800,
    "newest_loss_limit": 0.01,
    "fault": "ValueError: no model.skops",
    "invalid_answers": 2,
    "serving_faults": 2,
    "served_rows": 500,
    "row_milliseconds": 7.5,
    "row_milliseconds_limit": 5.0,
    "loaded_mb": 412.0,
    "loaded_mb_limit": 300.0,
    "artifact_mb": 250.0,
    "artifact_mb_limit": 200.0,
    "replayed_rows": 1000,
    "replay_errors": 4,
    "replay_milliseconds": 7.5,
    "changed_share": 0.3,
    "changed_share_limit": 0.1,
    "rolled_back_version": "5",
    "production_changes": 3,
}
ROWS = "on the same 11620 test rows"
FLOOR = f"0.4880 of always answering the most frequent class, {ROWS}"
FAULT = f"; version 3 in Production can't answer: {VALUES['former_fault']}"
HIGHER = f"accuracy 0.8123 is higher than 0.8000 of version 3 in Production, {ROWS}"
FORMER_SENTENCES = {
    Rule.FIRST: f"accuracy 0.8123 is higher than {FLOOR}",
    Rule.FIRST_NOT_BETTER: f"accuracy 0.8123 is not higher than {FLOOR}",
    Rule.BETTER: HIGHER,
    Rule.NOT_BETTER: (
        f"accuracy 0.8123 is not higher than 0.8000 of version 3 in Production, {ROWS}"
    ),
    Rule.FORMER_FAULT: f"accuracy 0.8123 is higher than {FLOOR}{FAULT}",
    Rule.FORMER_FAULT_NOT_BETTER: f"accuracy 0.8123 is not higher than {FLOOR}{FAULT}",
    Rule.BY_HAND: "is in Production already, put there by hand",
    Rule.PRODUCTION_CHANGED: "Production changed 3 times while the version was judged",
}
SENTENCES = FORMER_SENTENCES | {
    Rule.CANNOT_ANSWER: "can't answer: ValueError: no model.skops",
    Rule.INVALID_ANSWERS: (
        "2 of 11620 test rows have probabilities that are not numbers or do not add up to 1"
    ),
    Rule.GAIN_TOO_SMALL: f"{HIGHER}, but by less than the minimum 0.0200",
    Rule.NOT_SIGNIFICANT: (
        f"{HIGHER}, but not significantly: 60 rows are right that were wrong, and 41 are wrong "
        "that were right (McNemar's test, p = 0.059)"
    ),
    Rule.CLASS_LOST: (
        "recall of Aspen is 0.5000, and 0.7500 for version 3 in Production, on the same 190 test "
        "rows: even the upper end of the confidence interval is more than 0.0200 lower; its F1 is "
        "0.6100, and was 0.7200"
    ),
    Rule.NEWEST_BATCH_WORSE: (
        "accuracy on the newest batch is 0.7000, and 0.7200 for version 3 in Production, on the "
        "same 3800 test rows: it may be lower by at most 0.0100"
    ),
    Rule.SERVES_OTHERWISE: (
        "in the form that serves, 2 of 500 rows have no answer or another one than the logged "
        "model gives"
    ),
    Rule.TOO_SLOW: "one answer takes 7.5 ms; at most 5 ms are allowed",
    Rule.TOO_MUCH_MEMORY: "loaded, it takes 412 MB; at most 300 MB are allowed",
    Rule.TOO_LARGE: "its file takes 250 MB; at most 200 MB are allowed",
    Rule.REPLAY_FAILED: "it has no valid answer to 4 of the latest 1000 requests",
    Rule.REPLAY_TOO_SLOW: (
        "it takes 7.5 ms for one of the latest 1000 requests; at most 5 ms are allowed"
    ),
    Rule.REPLAY_CHANGED: (
        "it answers 0.3000 of the latest 1000 requests otherwise than they were answered; at most "
        "0.1000 are allowed"
    ),
    Rule.ROLLED_BACK: (
        "it was trained on the same data as version 5, from which Production was rolled back"
    ),
}


def verdict(rule: Rule) -> Verdict:
    return Verdict(rule, {name: VALUES[name] for name in figures_of(rule)})


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_has_its_sentence(rule: Rule) -> None:
    assert verdict(rule).reason == SENTENCES[rule]


def test_every_figure_is_of_some_rule() -> None:
    assert set().union(*map(figures_of, Rule)) == FIGURES.keys()


@pytest.mark.parametrize("rule", Rule)
def test_a_verdict_is_read_from_tags_as_it_was_written_whatever_the_sentence_says(
    rule: Rule,
) -> None:
    tags = verdict(rule).facts() | {REASON: "in other words"}
    assert verdicts.from_tags(tags) == verdict(rule)


@pytest.mark.parametrize("rule", FORMER_SENTENCES)
def test_a_former_release_s_sentence_gives_the_same_facts(rule: Rule) -> None:
    assert former_verdicts.from_tags({REASON: FORMER_SENTENCES[rule]}) == verdict(rule)


def test_figures_and_rule_are_tags_of_their_own() -> None:
    assert verdict(Rule.NOT_BETTER).facts() == {
        RULE: "not_better",
        ACCURACY: "0.812300",
        "promotion.test_rows": "11620",
        "promotion.former_version": "3",
        "promotion.former_accuracy": "0.800000",
    }


def test_every_check_is_read_back_with_its_figures() -> None:
    checks = (
        Check(Rule.INVALID_ANSWERS, True, {"invalid_answers": 0, "test_rows": 9}),
        Check(Rule.NOT_SIGNIFICANT, False, verdict(Rule.NOT_SIGNIFICANT).figures),
    )
    given = Verdict(Rule.NOT_SIGNIFICANT, checks[1].figures, checks)
    assert verdicts.from_tags(given.facts()) == given
    assert sentence(checks[1]) == given.reason


def test_figures_of_another_rule_are_not_read() -> None:
    tags = verdict(Rule.FIRST).facts() | {RULE: "by_hand"}
    assert verdicts.from_tags(tags) == Verdict(Rule.BY_HAND)


@pytest.mark.parametrize(
    "change",
    [
        {RULE: "a rule of another release"},
        {ACCURACY: "high"},
        {tag_of("floor_accuracy"): None},
        {CHECKS: "[{}]"},
        {CHECKS: "not JSON"},
    ],
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


def test_only_a_better_version_or_one_put_there_by_hand_passes() -> None:
    passing = {rule for rule in Rule if verdict(rule).passed}
    assert passing == {Rule.FIRST, Rule.BETTER, Rule.FORMER_FAULT, Rule.BY_HAND}
