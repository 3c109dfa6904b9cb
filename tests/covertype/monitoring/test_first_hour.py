"""When a new version has to go: what is surely beyond a limit, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covertype.monitoring.first_hour import Limits, Seen, Trouble, find_trouble

BOTH = Limits(accuracy=0.7, error_rate=0.05)


@pytest.mark.parametrize(
    ("seen", "trouble"),
    [
        (Seen(0, 0, 0, 0), None),
        (Seen(90, 100, 0, 1000), None),
        (Seen(50, 100, 0, 1000), Trouble.LIVE_ACCURACY),
        # By chance.
        (Seen(66, 100, 0, 1000), None),
        (Seen(1, 2, 0, 1000), None),
        (Seen(0, 2, 0, 1000), Trouble.LIVE_ACCURACY),
        (Seen(90, 100, 100, 1000), Trouble.ERROR_RATE),
        (Seen(90, 100, 55, 1000), None),
        (Seen(0, 0, 2, 2), Trouble.ERROR_RATE),
    ],
)
def test_only_what_is_surely_beyond_a_limit_is_trouble(seen: Seen, trouble: Trouble | None) -> None:
    found = find_trouble(seen, BOTH)
    assert (found.trouble if found else None) == trouble


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_without_limits_nothing_is_trouble(right: int, wrong: int, failed: int, ok: int) -> None:
    seen = Seen(right, right + wrong, failed, failed + ok)
    assert find_trouble(seen, Limits(0, 0)) is None


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0.01, 0.99))
def test_trouble_is_on_the_wrong_side_of_its_limit(good: int, bad: int, limit: float) -> None:
    accuracy = find_trouble(Seen(good, good + bad, 0, 0), Limits(limit, 0))
    errors = find_trouble(Seen(0, 0, bad, good + bad), Limits(0, limit))
    assert accuracy is None or accuracy.share < limit
    assert errors is None or errors.share > limit


def test_a_finding_says_its_figures() -> None:
    assert str(find_trouble(Seen(50, 100, 0, 0), BOTH)) == (
        "its live accuracy is 0.5000 on 100 true classes, surely below 0.7"
    )
    errors = find_trouble(Seen(0, 0, 100, 1000), BOTH)
    assert str(errors) == (
        "it failed to answer 10.00% of 1000 observations, surely more than 5.00%"
    )
    assert errors is not None
    assert errors.facts == {
        "trouble": "error_rate",
        "share": "0.100000",
        "of": "1000",
        "limit": "0.05",
    }
