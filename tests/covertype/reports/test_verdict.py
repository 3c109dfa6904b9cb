"""The page on a judgement."""

import numpy as np

from covertype.contract import CLASSES
from covertype.gate.rules import Incumbent, Replay, judge
from covertype.gate.verdicts import Rule, Verdict
from covertype.reports.page import render
from covertype.reports.verdict import Answered, verdict_page
from tests.covertype.gate.test_rules import BETTER, COST, INCUMBENT, LIMITS, REPLAY, ROWS, wrong_in


def page(incumbent: Incumbent | None, replay: Replay = REPLAY) -> str:
    verdict = judge(ROWS, BETTER, incumbent, LIMITS, COST, replay)
    return render(verdict_page("4", verdict, Answered(ROWS.classes, BETTER, incumbent, replay)))


def test_the_page_tells_every_rule_with_its_figures_and_both_recalls() -> None:
    html = page(INCUMBENT)
    assert "Version 4 passed the promotion gate" in html
    assert "accuracy 0.9000 is higher than 0.8000 of version 3 in Production" in html
    for rule in (Rule.NOT_SIGNIFICANT, Rule.CLASS_LOST, Rule.REPLAY_CHANGED):
        assert f"<td>{rule.value.replace('_', ' ')}</td><td>passed</td>" in html
    for label in CLASSES:
        assert f"<td>{label}</td>" in html
    # The confusion matrix and the replay.
    assert html.count("data:image/png") == 2


def test_a_rule_that_was_failed_stands_out_with_its_reason() -> None:
    worse = wrong_in(np.arange(len(ROWS.classes)) % 4 == 0)
    verdict = judge(ROWS, worse, INCUMBENT, LIMITS, COST, REPLAY)
    html = render(verdict_page("4", verdict, Answered(ROWS.classes, worse, INCUMBENT, REPLAY)))
    assert "Version 4 did not pass the promotion gate" in html
    assert '<tr class="marked"><td>not better</td><td>accuracy 0.7500 is not higher' in html
    assert "is higher" not in html


def test_without_a_version_in_production_or_requests_their_figures_are_left_out() -> None:
    html = page(None, REPLAY._replace(rows=0))
    assert "<td>–</td>" in html
    assert "Replay" not in html


def test_a_version_that_was_not_asked_has_its_reason_alone() -> None:
    verdict = Verdict(Rule.CANNOT_ANSWER, {"fault": "<script>alert(1)</script>"})
    html = render(verdict_page("4", verdict))
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    assert "<h2>" not in html
