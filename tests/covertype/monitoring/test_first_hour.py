"""When a new version has to go: what is surely beyond a limit, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covertype.monitoring.first_hour import FEWEST, Finding, Limits, Seen, Trouble, find_trouble

BOTH = Limits(accuracy=0.7, error_rate=0.05)
NONE = Seen(0, 0)


@pytest.mark.parametrize(
    ("right", "failed", "trouble"),
    [
        (NONE, NONE, None),
        (Seen(90, 100), Seen(0, 1000), None),
        (Seen(50, 100), Seen(0, 1000), Trouble.LIVE_ACCURACY),
        # By chance.
        (Seen(66, 100), Seen(0, 1000), None),
        (Seen(90, 100), Seen(55, 1000), None),
        (Seen(90, 100), Seen(100, 1000), Trouble.ERROR_RATE),
        (NONE, Seen(100, 1000), Trouble.ERROR_RATE),
    ],
)
def test_only_what_is_surely_beyond_a_limit_is_trouble(
    right: Seen, failed: Seen, trouble: Trouble | None
) -> None:
    found = find_trouble(right, failed, BOTH)
    assert (found.trouble if found else None) == trouble


def test_the_first_few_are_not_enough_even_if_all_are_bad() -> None:
    few = FEWEST - 1
    assert find_trouble(Seen(0, few), Seen(few, few), BOTH) is None
    assert find_trouble(Seen(0, FEWEST), NONE, BOTH)
    assert find_trouble(NONE, Seen(FEWEST, FEWEST), BOTH)


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_without_limits_nothing_is_trouble(right: int, wrong: int, failed: int, ok: int) -> None:
    seen = Seen(right, right + wrong), Seen(failed, failed + ok)
    assert find_trouble(*seen, Limits(0, 0)) is None


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0.01, 1))
def test_trouble_is_on_the_wrong_side_of_its_limit(good: int, bad: int, limit: float) -> None:
    accuracy = find_trouble(Seen(good, good + bad), NONE, Limits(limit, 0))
    errors = find_trouble(NONE, Seen(bad, good + bad), Limits(0, limit))
    assert accuracy is None or accuracy.share < limit
    assert errors is None or errors.share > limit


def test_a_finding_says_its_figures_and_is_read_again_from_the_history() -> None:
    accuracy = find_trouble(Seen(50, 100), NONE, BOTH)
    assert str(accuracy) == "its live accuracy is 0.5000 on 100 true classes, surely below 0.7"
    errors = find_trouble(NONE, Seen(100, 1000), BOTH)
    assert str(errors) == "it failed to answer 10.00% of 1000 requests, surely more than 5.00%"
    for found in (accuracy, errors):
        assert found is not None
        assert Finding.from_facts(found.facts) == found


@pytest.mark.parametrize(
    "facts", [{}, {"promotion.rule": "better"}, {"trouble": "rain"}, {"trouble": "error_rate"}]
)
def test_other_facts_are_no_finding(facts: dict[str, str]) -> None:
    assert Finding.from_facts(facts) is None
