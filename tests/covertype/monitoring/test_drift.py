"""How far rows are from a reference, on made-up counts and on the real batches."""

import json

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from covertype.contract import COLUMNS, FEATURE_NAMES, TARGET
from covertype.monitoring.drift import (
    Comparison,
    Limits,
    Measure,
    Reference,
    add,
    psi,
    total_variation,
)
from covertype.rows.arrow import NO_ROWS
from covertype.rows.codes import Codes

LIMITS = Limits(psi=0.25, share=0.1)

Ints = npt.NDArray[np.int64]
COUNTS = arrays(np.int64, 5, elements=st.integers(0, 10_000)).filter(lambda one: one.sum() > 0)


def compare(reference: Codes, window: Codes, rejected_share: float = 0.0) -> Comparison:
    made = Reference.of(reference)
    return made.compare(made.count(window), rejected_share, LIMITS)


def values(comparison: Comparison) -> dict[tuple[Measure, str], float]:
    return {(shift.measure, shift.column): shift.value for shift in comparison.shifts}


def draw(rows: Codes, count: int, seed: int) -> Codes:
    return rows[np.random.default_rng(seed).choice(len(rows), count, replace=False)]


@given(COUNTS, COUNTS)
def test_both_measures_are_symmetric_and_0_for_equal_counts(one: Ints, other: Ints) -> None:
    for measure in (psi, total_variation):
        assert measure(one, one) == 0
        assert measure(one, other) >= 0
        assert measure(one, other) == pytest.approx(measure(other, one))
    assert total_variation(one, other) <= 1 + 1e-12


def test_measures_of_known_shares() -> None:
    one, other = np.array([500_000, 500_000]), np.array([250_000, 750_000])
    expected = (0.25 - 0.5) * np.log(0.25 / 0.5) + (0.75 - 0.5) * np.log(0.75 / 0.5)
    assert psi(one, other) == pytest.approx(expected, abs=1e-5)
    assert total_variation(one, other) == 0.25
    assert total_variation(np.array([7, 0]), np.array([0, 3])) == 1


def test_an_empty_bin_leaves_the_index_finite() -> None:
    assert np.isfinite(psi(np.array([10, 0]), np.array([0, 10])))


def test_the_bins_of_a_quantity_are_the_deciles_of_the_reference(real_batches: list[Codes]) -> None:
    reference = Reference.of(real_batches[0])
    elevation = reference.counts[COLUMNS.index("Elevation")]
    assert len(elevation) == 10
    np.testing.assert_allclose(elevation / elevation.sum(), 0.1, atol=0.005)


def test_the_counts_of_parts_add_up(real_batches: list[Codes]) -> None:
    reference, rows = Reference.of(real_batches[0]), real_batches[1]
    summed = add(reference.count(rows[:1000]), reference.count(rows[1000:]))
    for parts, whole in zip(summed, reference.count(rows), strict=True):
        np.testing.assert_array_equal(parts, whole)


def test_values_beyond_those_of_the_reference_are_counted(real_batches: list[Codes]) -> None:
    lowest, highest = real_batches[0][:1].copy(), real_batches[0][:1].copy()
    lowest[0, 0], highest[0, 0] = 0, 9000
    counts = Reference.of(real_batches[0]).count(np.concatenate((lowest, highest)))
    assert counts[0][0] == counts[0][-1] == 1


def test_a_reference_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="must have rows"):
        Reference.of(NO_ROWS)


def test_a_window_without_valid_rows_tells_of_its_rejected_ones_alone(
    real_batches: list[Codes],
) -> None:
    comparison = compare(real_batches[0], NO_ROWS, rejected_share=1.0)
    assert [shift.name for shift in comparison.findings] == ["rejected_share"]
    assert len(comparison.shifts) == 1
    assert comparison.worst(3) == []


@pytest.mark.parametrize(("share", "is_finding"), [(0.0, False), (0.1, False), (0.11, True)])
def test_rejected_rows_are_a_finding_above_the_limit(
    share: float, is_finding: bool, real_batches: list[Codes]
) -> None:
    comparison = compare(real_batches[0], draw(real_batches[0], 1000, 0), share)
    assert [shift.measure for shift in comparison.findings] == [Measure.REJECTED] * is_finding


def test_every_feature_and_the_class_are_compared(real_batches: list[Codes]) -> None:
    comparison = compare(real_batches[0], real_batches[1])
    compared = values(comparison).keys()
    assert {(Measure.PSI, name) for name in FEATURE_NAMES} <= compared
    assert {
        (Measure.TV, name) for name in ("Wilderness_Area", "Soil_Type", TARGET.name)
    } <= compared
    assert [shift.column for shift in comparison.worst(2)] == sorted(
        FEATURE_NAMES, key=lambda name: -values(comparison)[Measure.PSI, name]
    )[:2]


def test_a_small_window_is_no_finding_though_it_is_beyond_the_limits(
    real_batches: list[Codes],
) -> None:
    comparison = compare(real_batches[0], draw(real_batches[0], 20, 0))
    assert any(shift.value > shift.limit for shift in comparison.shifts)
    assert comparison.findings == []


def test_a_few_rows_of_another_forest_are_a_finding(real_batches: list[Codes]) -> None:
    assert compare(real_batches[0], draw(real_batches[4], 20, 0)).findings


def test_a_small_shift_of_many_rows_is_no_finding(real_batches: list[Codes]) -> None:
    """A test of significance would call it one."""
    rows = real_batches[0]
    moved = rows.copy()
    moved[:, 0] += 20
    comparison = compare(rows, moved)
    elevation = next(shift for shift in comparison.shifts if shift.column == "Elevation")
    assert elevation.chance < elevation.value < elevation.limit
    assert comparison.findings == []


def test_the_same_rows_give_the_same_comparison(real_batches: list[Codes]) -> None:
    first, again = (compare(real_batches[0], real_batches[1][:500]).shifts for _ in range(2))
    assert first == again


def test_what_a_comparison_says_is_json(real_batches: list[Codes]) -> None:
    comparison = compare(real_batches[0], real_batches[1])
    facts = json.loads(json.dumps(comparison.facts(), allow_nan=False))
    assert [shift["value"] for shift in facts["shifts"]] == list(values(comparison).values())
    histogram = facts["histograms"]["Elevation"]
    assert len(histogram["edges"]) + 1 == len(histogram["reference"]) == len(histogram["window"])
    assert sum(histogram["window"]) == len(real_batches[1])


def collected(rows: Codes, seed: int) -> Codes:
    """Return what ten random tenths of a batch hold: 65 % of it."""
    return draw(rows, int(0.65 * len(rows)), seed)


@pytest.mark.parametrize("number", range(10))
def test_a_redraw_of_the_same_real_batch_is_no_finding(
    number: int, real_batches: list[Codes]
) -> None:
    reference = Reference.of(collected(real_batches[number], 0))
    for seed in range(1, 11):
        window = draw(real_batches[number], len(real_batches[number]) // 10, seed)
        assert reference.compare(reference.count(window), 0.0, LIMITS).findings == []


@pytest.mark.parametrize("number", range(1, 10))
def test_the_next_real_batch_is_a_finding(number: int, real_batches: list[Codes]) -> None:
    before = np.concatenate([collected(rows, 0) for rows in real_batches[:number]])
    comparison = compare(before, collected(real_batches[number], 0))
    measures = {shift.measure for shift in comparison.findings}
    assert {Measure.PSI, Measure.TV} <= measures
