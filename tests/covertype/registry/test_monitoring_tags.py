"""What monitoring learns of a version, as tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covertype.answers import LiveAccuracy, NextBatch
from covertype.registry.monitoring_tags import from_tags, to_tags

NEXT = NextBatch("3", 5, 37851, 0.751234567)
LIVE = LiveAccuracy("3", 120, 0.8)
TAGS = {
    "monitoring.next_batch": "5",
    "monitoring.next_batch_rows": "37851",
    "monitoring.next_batch_accuracy": "0.751235",
}
LIVE_TAGS = {"monitoring.live_rows": "120", "monitoring.live_accuracy": "0.800000"}


def test_the_tags_have_six_decimals_and_the_accuracy_comes_last() -> None:
    assert list(to_tags(NEXT).items()) == list(TAGS.items())
    assert list(to_tags(LIVE).items()) == list(LIVE_TAGS.items())


@given(st.integers(0, 99), st.integers(1, 600_000), st.floats(0, 1))
def test_tags_are_read_as_they_were_written(batch: int, rows: int, accuracy: float) -> None:
    following = NextBatch("3", batch, rows, round(accuracy, 6))
    live = LiveAccuracy("3", rows, round(accuracy, 6))
    tags = to_tags(following) | to_tags(live) | {"other": "tag"}
    assert from_tags(NextBatch, "3", tags) == following
    assert from_tags(LiveAccuracy, "3", tags) == live


@pytest.mark.parametrize("name", TAGS)
@pytest.mark.parametrize("value", [None, "", "much"])
def test_a_tag_that_is_missing_or_was_edited_means_unknown(name: str, value: str | None) -> None:
    tags = {other: text for other, text in TAGS.items() if other != name}
    assert from_tags(NextBatch, "3", tags if value is None else tags | {name: value}) is None


@pytest.mark.parametrize("accuracy", ["nan", "inf", "-0.1", "75.1"])
def test_an_accuracy_that_is_no_share_means_unknown(accuracy: str) -> None:
    assert from_tags(LiveAccuracy, "3", LIVE_TAGS | {"monitoring.live_accuracy": accuracy}) is None
