"""The page on a window says how far it is and how well it was answered."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from covertype.contract import CLASSES
from covertype.monitoring.drift import Comparison, Limits, Reference
from covertype.reports.drift import drift_page
from covertype.reports.page import Section, render
from covertype.rows.arrow import from_frame
from covertype.rows.codes import Codes

COMPARED = "These are compared with those."


@pytest.fixture(scope="module")
def rows(real_rows: pd.DataFrame) -> Codes:
    return from_frame(real_rows)


@pytest.fixture(scope="module")
def comparison(rows: Codes) -> Comparison:
    """Rows of the lowest ground, compared with all."""
    reference = Reference.of(rows)
    low = rows[rows[:, 0] < np.quantile(rows[:, 0], 0.3)]
    return reference.compare(reference.count(low), 0.0, Limits(0.25, 0.1))


def section(sections: list[Section], title: str) -> Section:
    (found,) = [one for one in sections if one.title == title]
    return found


def pictures(sections: list[Section]) -> list[Figure]:
    return [one.picture for one in sections if isinstance(one.picture, Figure)]


def test_the_findings_come_first_and_stand_out(comparison: Comparison) -> None:
    page = drift_page("A title", COMPARED, comparison)
    table = section(list(page.sections), "Drift").table
    assert table is not None
    assert table.rows[0][0] == "Elevation"
    assert len(table.rows) == len(comparison.shifts)
    assert table.marked == frozenset(range(len(comparison.findings)))
    assert page.summary == (
        f"{COMPARED} {len(comparison.findings)} of {len(comparison.shifts)} measures are beyond "
        "their limits."
    )


def test_scores_stand_beside_those_of_the_holdout(comparison: Comparison) -> None:
    scores = {"accuracy": 0.75, "recall_4_aspen": 0.5}
    holdout = {"accuracy": 0.97, "f1_macro": 0.9, "training_seconds": 3.0}
    page = drift_page("A title", COMPARED, comparison, scores, holdout)
    table = section(list(page.sections), "Scores").table
    assert table is not None
    assert table.rows == [
        ("Accuracy", "0.7500", "0.9700"),
        ("Macro F1", "–", "0.9000"),
        ("Recall of Aspen", "0.5000", "–"),
    ]


def test_without_true_classes_there_are_no_scores(comparison: Comparison) -> None:
    page = drift_page("A title", COMPARED, comparison)
    assert "Scores" not in [one.title for one in page.sections]


def test_the_farthest_features_and_the_classes_are_drawn_then_and_now(
    comparison: Comparison,
) -> None:
    page = drift_page("A title", COMPARED, comparison)
    features, classes = pictures(list(page.sections))
    drawn = [axes.get_title() for axes in features.axes]
    assert drawn == [f"{one.column}: PSI {one.value:.2f}" for one in comparison.worst(4)]
    (axes,) = classes.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == list(CLASSES)
    heights = [bar.get_height() for bar in axes.containers[0]]
    assert sum(heights) == pytest.approx(1)


def test_a_page_of_every_kind_of_column_is_rendered(rows: Codes) -> None:
    """Forty soils do not fit into a picture: those with the most rows are drawn."""
    reference, other = Reference.of(rows), rows[rows[:, 10] == 0]
    comparison = reference.compare(reference.count(other), 0.0, Limits(0.25, 0.1))
    assert {"Soil_Type", "Wilderness_Area"} <= {one.column for one in comparison.worst(4)}
    page = drift_page("A title", COMPARED, comparison)
    assert "A title" in render(page)
    features, _ = pictures(list(page.sections))
    bars = {axes.get_title().partition(":")[0]: len(axes.patches) for axes in features.axes}
    assert bars["Soil_Type"] == 2 * 12
