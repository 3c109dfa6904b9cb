"""What the gate says to made-up challengers, each with one fault."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covertype.contract import CLASSES
from covertype.gate.rules import (
    Cost,
    Incumbent,
    Limits,
    Probabilities,
    Replay,
    Rows,
    judge,
)
from covertype.gate.verdicts import Rule

LIMITS = Limits(
    minimum_gain=0.0,
    recall_loss=0.02,
    newest_loss=0.01,
    row_milliseconds=5,
    loaded_mb=300,
    artifact_mb=200,
    changed_share=0.5,
)
COST = Cost(
    rows=500, faults=0, row_seconds=1e-4, loaded_bytes=40_000_000, artifact_bytes=100_000_000
)
ASKED = [400, 600, 0, 0, 0, 0, 0]
REPLAY = Replay(rows=1000, errors=0, asked=ASKED, changed=[40, 60, 0, 0, 0, 0, 0], row_seconds=1e-4)
RARE = 3
"""A class with few rows."""


def made_up_rows(count: int = 4000) -> Rows:
    random = np.random.default_rng(0)
    classes = random.choice(len(CLASSES), count, p=[0.36, 0.49, 0.06, 0.01, 0.02, 0.03, 0.03])
    return Rows(classes, np.arange(count) >= count - count // 5)


ROWS = made_up_rows()


def answering(predicted: Any) -> Probabilities:
    probabilities: Probabilities = np.eye(len(CLASSES))[predicted] * 0.9 + 0.1 / len(CLASSES)
    return probabilities


def wrong_in(rows: Any) -> Probabilities:
    """Answer all rows rightly but these."""
    predicted = ROWS.classes.copy()
    predicted[rows] = (predicted[rows] + 1) % len(CLASSES)
    return answering(predicted)


NUMBERS = np.arange(len(ROWS.classes))
INCUMBENT = Incumbent("3", wrong_in(NUMBERS % 5 == 0))
"""It is right in 80 % of the rows."""

BETTER = wrong_in(NUMBERS % 10 == 0)
"""It is right in 90 % of the rows, and wherever the incumbent is."""


def rule_of(challenger: Probabilities, **changes: Any) -> Rule:
    given: Any = {"incumbent": INCUMBENT, "limits": LIMITS, "cost": COST, "replay": REPLAY}
    verdict = judge(ROWS, challenger, **(given | changes))
    # Whatever decides, a person sees the outcome of every rule.
    assert [check.passed for check in verdict.checks].count(False) >= (not verdict.passed)
    assert verdict.reason
    return verdict.rule


def test_a_better_version_passes_every_rule() -> None:
    verdict = judge(ROWS, BETTER, INCUMBENT, LIMITS, COST, REPLAY)
    assert verdict.rule is Rule.BETTER
    assert verdict.figures["accuracy"] == 0.9
    assert verdict.figures["former_accuracy"] == 0.8
    assert [check.rule for check in verdict.checks if check.passed] == [
        Rule.INVALID_ANSWERS,
        Rule.NOT_BETTER,
        Rule.GAIN_TOO_SMALL,
        Rule.NOT_SIGNIFICANT,
        Rule.CLASS_LOST,
        Rule.NEWEST_BATCH_WORSE,
        Rule.SERVES_OTHERWISE,
        Rule.TOO_SLOW,
        Rule.TOO_MUCH_MEMORY,
        Rule.TOO_LARGE,
        Rule.REPLAY_FAILED,
        Rule.REPLAY_TOO_SLOW,
        Rule.REPLAY_CHANGED,
    ]


def test_a_worse_version_is_refused() -> None:
    assert rule_of(wrong_in(NUMBERS % 4 == 0)) is Rule.NOT_BETTER


def test_an_equal_version_is_refused() -> None:
    assert rule_of(wrong_in(NUMBERS % 5 == 1)) is Rule.NOT_BETTER


def test_a_version_that_is_better_by_chance_is_refused() -> None:
    by_chance = (NUMBERS % 5 == 1) & (NUMBERS != 1)
    assert rule_of(wrong_in(by_chance)) is Rule.NOT_SIGNIFICANT


def test_a_gain_below_the_minimum_is_refused() -> None:
    assert rule_of(BETTER, limits=replace(LIMITS, minimum_gain=0.11)) is Rule.GAIN_TOO_SMALL
    assert rule_of(BETTER, limits=replace(LIMITS, minimum_gain=0.1)) is Rule.BETTER


def test_a_version_that_is_better_in_all_but_loses_a_class_is_refused() -> None:
    loses_one = wrong_in((NUMBERS % 10 == 0) | (ROWS.classes == 5))
    verdict = judge(ROWS, loses_one, INCUMBENT, LIMITS, COST, REPLAY)
    assert verdict.rule is Rule.CLASS_LOST
    assert verdict.figures["label"] == CLASSES[5]
    assert verdict.figures["recall"] == 0


def test_a_class_that_the_former_version_named_too_often_is_not_lost() -> None:
    of_class = ROWS.classes == 1
    everywhere = np.where(NUMBERS % 3 == 0, 1, ROWS.classes)
    incumbent = Incumbent("3", answering(everywhere))
    seldom_missed = wrong_in(of_class & (NUMBERS % 10 == 0))
    verdict = judge(ROWS, seldom_missed, incumbent, LIMITS, COST, REPLAY)
    assert verdict.rule is Rule.BETTER
    (check,) = [one for one in verdict.checks if one.rule is Rule.CLASS_LOST]
    assert check.figures["label"] == CLASSES[1]
    assert check.figures["former_recall"] == 1
    assert check.figures["recall"] == pytest.approx(0.9, abs=0.01)
    assert float(check.figures["class_f1"]) > float(check.figures["former_class_f1"])
    assert check.figures["recall_loss_limit"] == 0.1


def test_a_class_that_is_hardly_found_any_more_is_lost_whatever_its_f1() -> None:
    everywhere = np.where(NUMBERS % 3 == 0, 5, ROWS.classes)
    incumbent = Incumbent("3", answering(everywhere))
    hardly_found = wrong_in((ROWS.classes == 5) & (NUMBERS % 3 != 0))
    verdict = judge(ROWS, hardly_found, incumbent, LIMITS, COST, REPLAY)
    assert (verdict.rule, verdict.figures["label"]) == (Rule.CLASS_LOST, CLASSES[5])
    assert float(verdict.figures["class_f1"]) > float(verdict.figures["former_class_f1"])


def test_a_lost_class_is_told_even_if_another_one_that_is_found_better_falls_further() -> None:
    named_too_often = np.where(NUMBERS % 3 == 0, 1, ROWS.classes)
    incumbent = Incumbent("3", answering(named_too_often))
    missed = (ROWS.classes == 1) & (NUMBERS % 8 == 0)
    missed |= (ROWS.classes == 2) & (NUMBERS % 4 != 0)
    verdict = judge(ROWS, wrong_in(missed), incumbent, LIMITS, COST, REPLAY)
    assert (verdict.rule, verdict.figures["label"]) == (Rule.CLASS_LOST, CLASSES[2])


def test_a_rare_class_is_not_lost_by_a_few_of_its_rows() -> None:
    rare = np.flatnonzero((ROWS.classes == RARE) & (NUMBERS % 5 != 0))[:2]
    assert rule_of(wrong_in((NUMBERS % 10 == 0) | np.isin(NUMBERS, rare))) is Rule.BETTER


def test_a_version_that_is_worse_on_the_newest_batch_is_refused() -> None:
    newest = np.flatnonzero(ROWS.newest & (NUMBERS % 5 != 0))
    worse_there = (NUMBERS % 10 == 0) | np.isin(NUMBERS, newest[: len(newest) // 5])
    assert rule_of(wrong_in(worse_there & ROWS.newest)) is Rule.NEWEST_BATCH_WORSE
    allowed = replace(LIMITS, newest_loss=0.2)
    assert rule_of(wrong_in(worse_there & ROWS.newest), limits=allowed) is Rule.BETTER


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5, 2.0])
def test_a_version_with_invalid_probabilities_is_refused(value: float) -> None:
    spoiled = BETTER.copy()
    spoiled[7, 2] = value
    assert rule_of(spoiled) is Rule.INVALID_ANSWERS


@pytest.mark.parametrize(
    ("cost", "rule"),
    [
        (COST._replace(faults=1), Rule.SERVES_OTHERWISE),
        (COST._replace(row_seconds=0.006), Rule.TOO_SLOW),
        (COST._replace(loaded_bytes=301_000_000), Rule.TOO_MUCH_MEMORY),
        (COST._replace(artifact_bytes=201_000_000), Rule.TOO_LARGE),
    ],
)
def test_a_version_over_budget_is_refused(cost: Cost, rule: Rule) -> None:
    assert rule_of(BETTER, cost=cost) is rule


@pytest.mark.parametrize(
    ("replay", "rule"),
    [
        (REPLAY._replace(errors=1), Rule.REPLAY_FAILED),
        (REPLAY._replace(row_seconds=0.006), Rule.REPLAY_TOO_SLOW),
        (REPLAY._replace(changed=[1, 500, 0, 0, 0, 0, 0]), Rule.REPLAY_CHANGED),
    ],
)
def test_a_version_that_fails_the_replay_is_refused(replay: Replay, rule: Rule) -> None:
    assert rule_of(BETTER, replay=replay) is rule


def test_without_requests_to_replay_there_is_nothing_to_refuse() -> None:
    assert rule_of(BETTER, replay=Replay(0, 0, [0] * 7, [0] * 7, 0.0)) is Rule.BETTER


def test_the_first_version_must_beat_the_most_frequent_class() -> None:
    most_frequent = answering(np.ones_like(ROWS.classes))
    assert rule_of(most_frequent, incumbent=None) is Rule.FIRST_NOT_BETTER
    assert rule_of(BETTER, incumbent=None) is Rule.FIRST


def test_the_first_version_too_has_its_budgets() -> None:
    assert rule_of(BETTER, incumbent=None, cost=COST._replace(row_seconds=1)) is Rule.TOO_SLOW


def test_beside_a_version_that_can_t_answer_the_floor_counts() -> None:
    silent = Incumbent("3", None, "ValueError: it is damaged")
    assert rule_of(BETTER, incumbent=silent) is Rule.FORMER_FAULT
    worthless = answering(np.zeros_like(ROWS.classes))
    assert rule_of(worthless, incumbent=silent) is Rule.FORMER_FAULT_NOT_BETTER


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 1), st.floats(0.5, 1))
def test_a_promotion_never_lowers_the_accuracy_on_the_same_rows(
    seed: int, challenger_share: float, incumbent_share: float
) -> None:
    random = np.random.default_rng(seed)
    challenger, incumbent = (
        wrong_in(random.random(len(NUMBERS)) > share)
        for share in (challenger_share, incumbent_share)
    )
    verdict = judge(ROWS, challenger, Incumbent("3", incumbent), LIMITS)
    if verdict.passed:
        right, former_right = (
            (answers.argmax(axis=1) == ROWS.classes).mean() for answers in (challenger, incumbent)
        )
        assert right > former_right


def test_two_versions_of_the_same_quality_seldom_take_each_other_s_place() -> None:
    """The test's level is 5 % for both sides, so that a challenger has 2.5 %."""
    random = np.random.default_rng(1)
    passed = 0
    for _ in range(400):
        challenger, incumbent = (wrong_in(random.random(len(NUMBERS)) > 0.9) for _ in range(2))
        passed += judge(ROWS, challenger, Incumbent("3", incumbent), LIMITS).passed
    assert passed <= 20
