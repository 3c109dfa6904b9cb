"""The model card of a version."""

from dataclasses import replace
from datetime import UTC, datetime

from covertype.reports.card import CardFacts, NextBatchScore, card_page
from covertype.reports.page import render

FACTS = CardFacts(
    version="4",
    snapshot="training/covertype_88916_2_0123456789ab.parquet",
    rows=88_916,
    period=(datetime(2026, 11, 1, 10, tzinfo=UTC), datetime(2026, 11, 2, 12, 30, tzinfo=UTC)),
    parameters={"n_estimators": "100"},
    libraries={"scikit-learn": "1.9.1"},
    metrics={"accuracy": 0.97, "f1_macro": 0.94, "log_loss": 0.2, "mse": 1.0},
    confusion=[[90, 10, 0, 0, 0, 0, 0], *([[0] * 7] * 6)],
    reason="accuracy 0.9712 is higher than 0.9634 of version 3 in Production",
    next_batches=[
        NextBatchScore("3", 2, 37_000, 0.83, 0.61, 7),
        NextBatchScore("4", 3, 36_000, 0.77, 0.58, 5),
    ],
)


def test_the_card_tells_data_scores_and_what_comes_next() -> None:
    html = render(card_page(FACTS))
    assert "88,916 distinct rows, collected from 2026-11-01 10:00 to 2026-11-02 12:30 UTC" in html
    assert FACTS.reason in html
    assert "<td>Accuracy</td><td>0.9700</td>" in html
    # Wilson's interval of 90 of 100.
    assert "<td>Spruce/Fir</td><td>100</td><td>0.9000</td><td>0.8256 to 0.9448</td>" in html
    assert '<tr class="marked"><td>4</td><td>3</td><td>36,000</td><td>0.7700</td>' in html
    assert "<tr><td>3</td><td>2</td>" in html
    assert "Limits of use" in html
    assert "<td>n_estimators</td><td>100</td>" in html


def test_a_card_of_a_version_that_was_not_scored_on_a_next_batch_says_so() -> None:
    html = render(card_page(replace(FACTS, next_batches=[], period=None, confusion=None)))
    assert "not scored on a later batch yet" in html
    assert "88,916 distinct rows: snapshot" in html
    assert "Recall by class" not in html
