"""Statistics of two versions that answered the same rows."""

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covertype.gate.statistics import mcnemar_mid_p, paired_difference

counts = st.integers(0, 300)


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    [
        (7, 1, (2 * (1 + 8) - 8) / 2**8),
        (0, 0, 1.0),
        (5, 5, 1.0),
        (10, 0, 2 * 0.5**10 - 0.5**10),
    ],
)
def test_the_mid_p_value_of_known_tables(gained: int, lost: int, p_value: float) -> None:
    assert mcnemar_mid_p(gained, lost) == pytest.approx(p_value, abs=5e-5)


@given(counts, counts)
def test_the_mid_p_value_is_the_exact_one_less_half_the_observed_table(
    gained: int, lost: int
) -> None:
    differing, fewer = gained + lost, min(gained, lost)
    weights = [comb(differing, number) for number in range(fewer + 1)]
    expected = min(1.0, (2 * sum(weights) - weights[-1]) / 2**differing)
    assert mcnemar_mid_p(gained, lost) == pytest.approx(expected, rel=1e-9)


@given(counts, counts)
def test_the_order_of_the_versions_does_not_matter(gained: int, lost: int) -> None:
    assert mcnemar_mid_p(gained, lost) == mcnemar_mid_p(lost, gained)


@given(counts, counts, st.integers(600, 5000))
def test_the_interval_holds_a_difference_near_the_observed_one(
    gained: int, lost: int, rows: int
) -> None:
    interval = paired_difference(gained, lost, rows)
    assert interval.low < (gained - lost) / (rows + 2) < interval.high
    assert paired_difference(lost, gained, rows) == pytest.approx((-interval.high, -interval.low))


def test_fewer_rows_give_a_wider_interval() -> None:
    few, many = paired_difference(2, 4, 20), paired_difference(200, 400, 2000)
    assert few.high - few.low > 3 * (many.high - many.low)
    assert few.high > 0 > many.high
