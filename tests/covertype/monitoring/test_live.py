"""Live accuracy by version, with intervals."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from covertype.data import Datasets
from covertype.monitoring.live import live_accuracy, wilson_interval


def test_each_version_has_its_own_accuracy() -> None:
    feedback = pd.DataFrame(
        {
            "model_version": ["3", "3", "3", "4", "4"],
            "prediction": pd.array([4, 4, 1, 0, 0], "Int16"),
            "truth": [4, 4, 0, 1, 0],
        }
    )
    accuracy = live_accuracy(feedback)
    assert accuracy.index.tolist() == ["3", "4"]
    assert accuracy["rows"].tolist() == [3, 2]
    assert accuracy["correct"].tolist() == [2, 1]
    assert accuracy["accuracy"].tolist() == pytest.approx([2 / 3, 1 / 2])
    assert (
        (accuracy["low"] < accuracy["accuracy"]) & (accuracy["accuracy"] < accuracy["high"])
    ).all()


def test_a_truth_whose_prediction_is_not_known_counts_for_no_version() -> None:
    feedback = pd.DataFrame(
        {
            "model_version": ["3", None],
            "prediction": pd.array([4, None], "Int16"),
            "truth": [4, 4],
        }
    )
    assert live_accuracy(feedback)["rows"].to_dict() == {"3": 1}


def test_without_feedback_there_is_no_version(datasets: Datasets) -> None:
    accuracy = live_accuracy(datasets.read_feedback())
    assert accuracy.empty
    assert accuracy.columns.tolist() == ["rows", "correct", "accuracy", "low", "high"]


@given(st.integers(1, 5000).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows))))
def test_the_interval_is_wilsons(counts: tuple[int, int]) -> None:
    correct, rows = counts
    scipys = binomtest(correct, rows).proportion_ci(method="wilson")
    assert wilson_interval(correct, rows) == pytest.approx((scipys.low, scipys.high), abs=1e-6)
