"""The page on a window of rows: how far it is from the reference, and how well it was answered."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from covertype.contract import CLASSES, COLUMNS, LABELLED, TARGET, Category
from covertype.monitoring.drift import Comparison, Measure, Shift
from covertype.reports.page import Page, Section, Table
from covertype.training.evaluation import recall_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PICTURED = 4
_SHOWN_BINS = 12
_KINDS: Mapping[Measure, str] = {
    Measure.PSI: "population stability index",
    Measure.TV: "total variation distance",
    Measure.REJECTED: "share of rejected rows",
}
_SCORES: Mapping[str, str] = {
    "accuracy": "Accuracy",
    "f1_macro": "Macro F1",
    **{recall_name(number): f"Recall of {label}" for number, label in enumerate(CLASSES)},
}

Scores = Mapping[str, float]
"""Metrics by name, as `covertype.training.evaluation` names them."""


def drift_page(
    title: str,
    compared: str,
    comparison: Comparison,
    scores: Scores | None = None,
    holdout: Scores | None = None,
) -> Page:
    """Return the page on a window.

    Parameters
    ----------
    title : str
    compared : str
        A sentence on what is compared with what.
    comparison : Comparison
        Of at least one valid row.
    scores, holdout : mapping of str to float, optional
        The metrics of the window and of the holdout, for a window whose true classes are known.
    """
    sections = [_findings(comparison.shifts)]
    if scores:
        sections.insert(0, _scores(scores, holdout or {}))
    worst = comparison.worst(_PICTURED)
    sections += [
        Section("The farthest features, then and now", picture=_draw(comparison, worst)),
        Section("Shares of classes, then and now", picture=_draw_column(comparison, TARGET.name)),
    ]
    return Page(title, f"{compared} {_summary(comparison)}", sections)


def _summary(comparison: Comparison) -> str:
    count = len(comparison.findings)
    return f"{count} of {len(comparison.shifts)} measures are beyond their limits."


def _scores(scores: Scores, holdout: Scores) -> Section:
    return Section(
        "Scores",
        "The holdout says how well the model remembers the batches that it was trained on. "
        "These rows say what to expect of the next ones.",
        Table(
            ("Metric", "These rows", "Holdout"),
            [
                (title, _share(scores.get(name)), _share(holdout.get(name)))
                for name, title in _SCORES.items()
                if name in scores or name in holdout
            ],
        ),
    )


def _findings(shifts: Sequence[Shift]) -> Section:
    ordered = sorted(shifts, key=lambda shift: (not shift.is_finding, -shift.value))
    return Section(
        "Drift",
        "A measure is marked if it is above both its limit and what chance gives in windows of "
        "this size.",
        Table(
            ("Column", "Measure", "Value", "Limit", "Chance"),
            [
                (
                    shift.column or "all",
                    _KINDS[shift.measure],
                    *(f"{number:.3f}" for number in (shift.value, shift.limit, shift.chance)),
                )
                for shift in ordered
            ],
            frozenset(number for number, shift in enumerate(ordered) if shift.is_finding),
        ),
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _draw(comparison: Comparison, shifts: Sequence[Shift]) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4 * ((len(shifts) + 1) // 2)), layout="constrained")
    panels = figure.subplots((len(shifts) + 1) // 2, 2, squeeze=False)
    for axes, shift in zip(panels.flat, shifts, strict=False):
        _draw_bins(axes, comparison, shift.column)
        axes.set_title(f"{shift.column}: PSI {shift.value:.2f}")
    for axes in panels.flat[len(shifts) :]:
        axes.set_axis_off()
    return figure


def _draw_column(comparison: Comparison, column: str) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    _draw_bins(figure.subplots(), comparison, column)
    return figure


def _draw_bins(axes: "Axes", comparison: Comparison, column: str) -> None:
    number = COLUMNS.index(column)
    then = _shares(comparison.reference.counts[number])
    now = _shares(comparison.window[number])
    # Of the forty soils, those with the most rows.
    shown = np.sort(np.argsort(-np.maximum(then, now), kind="stable")[:_SHOWN_BINS])
    labels = np.array(_labels(comparison, number))[shown]
    places = np.arange(len(shown))
    axes.bar(places - 0.2, then[shown], 0.4, label="then", color="#9e9e9e")
    axes.bar(places + 0.2, now[shown], 0.4, label="now", color="#2e7d32")
    axes.set_xticks(places, list(labels), rotation=45, ha="right")
    axes.set_ylabel("Share of rows")
    axes.legend()


def _shares(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = counts / counts.sum()
    return shares


def _labels(comparison: Comparison, number: int) -> Sequence[str]:
    feature = LABELLED[number]
    if isinstance(feature, Category):
        return feature.values
    if feature == TARGET:
        return CLASSES
    ends = comparison.reference.edges[number].tolist()
    inner = [f"{low + 1} to {high}" for low, high in pairwise(ends)]
    return [f"up to {ends[0]}", *inner, f"over {ends[-1]}"]
