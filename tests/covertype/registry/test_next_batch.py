"""The figures of a version on the newest batch, as tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covertype.answers import NextBatch
from covertype.registry.next_batch import ACCURACY, BATCH, ROWS, from_tags, to_tags

FIGURES = NextBatch("3", 5, 37851, 0.751234567)
TAGS = {BATCH: "5", ROWS: "37851", ACCURACY: "0.751235"}


def test_the_tags_have_six_decimals_and_the_accuracy_comes_last() -> None:
    assert list(to_tags(FIGURES).items()) == list(TAGS.items())


@given(st.integers(0, 99), st.integers(1, 600_000), st.floats(0, 1))
def test_tags_are_read_as_they_were_written(batch: int, rows: int, accuracy: float) -> None:
    written = NextBatch("3", batch, rows, round(accuracy, 6))
    assert from_tags("3", to_tags(written) | {"other": "tag"}) == written


@pytest.mark.parametrize("name", TAGS)
@pytest.mark.parametrize("value", [None, "", "much"])
def test_a_tag_that_is_missing_or_was_edited_means_unknown(name: str, value: str | None) -> None:
    tags = {other: text for other, text in TAGS.items() if other != name}
    assert from_tags("3", tags if value is None else tags | {name: value}) is None


@pytest.mark.parametrize("accuracy", ["nan", "inf", "-0.1", "75.1"])
def test_an_accuracy_that_is_no_share_means_unknown(accuracy: str) -> None:
    assert from_tags("3", TAGS | {ACCURACY: accuracy}) is None
