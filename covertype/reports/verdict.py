"""The page on a judgement: what was decided of a version, by which rules, and what it answered."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from covertype.contract import CLASSES
from covertype.gate.rules import Incumbent, Probabilities, Replay
from covertype.gate.verdicts import Check, Verdict, sentence
from covertype.reports.page import Page, Section, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Labels = npt.NDArray[np.int64]


class Answered(NamedTuple):
    """The rows of a judgement and what was answered: true classes, shape (n,), and probabilities.

    `incumbent` is None if no version was in Production.
    """

    classes: Labels
    challenger: Probabilities
    incumbent: Incumbent | None
    replay: Replay


def verdict_page(version: str, verdict: Verdict, answered: Answered | None = None) -> Page:
    """Return the page on a judgement; without `answered` for a version that was not asked."""
    decided = "passed the promotion gate" if verdict.passed else "did not pass the promotion gate"
    sections = []
    if verdict.checks:
        sections.append(_rules(verdict.checks))
    if answered is not None:
        sections += [_recalls(answered), _confusion(answered)]
        if answered.replay.rows:
            sections.append(_replay(answered.replay))
    return Page(f"Version {version} {decided}", f"{verdict.reason}.", sections)


def _rules(checks: tuple[Check, ...]) -> Section:
    return Section(
        "Rules",
        "A version must pass all of them. The first one that it failed decided.",
        Table(
            ("Refused if", "Outcome", "Figures"),
            [
                (
                    check.rule.value.replace("_", " "),
                    "passed" if check.passed else sentence(check),
                    ", ".join(f"{name} {_short(value)}" for name, value in check.figures.items()),
                )
                for check in checks
            ],
            frozenset(number for number, check in enumerate(checks) if not check.passed),
        ),
    )


def _short(value: float | int | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _recalls(answered: Answered) -> Section:
    """Compare the recall of each class in a table."""
    challenger = _recall(answered.challenger, answered.classes)
    former = answered.incumbent and answered.incumbent.probabilities
    before = None if former is None else _recall(former, answered.classes)
    counts = np.bincount(answered.classes, minlength=len(CLASSES))
    rows = [
        (
            label,
            str(counts[number]),
            f"{challenger[number]:.4f}",
            "–" if before is None else f"{before[number]:.4f}",
        )
        for number, label in enumerate(CLASSES)
        if counts[number]
    ]
    header = ("Class", "Rows", "Recall", "Recall of the version in Production")
    return Section("Classes", "Both answered the same rows.", Table(header, rows))


def _recall(probabilities: Probabilities, classes: Labels) -> list[float]:
    right = probabilities.argmax(axis=1) == classes
    return [
        float(right[classes == number].mean()) if (classes == number).any() else float("nan")
        for number in range(len(CLASSES))
    ]


def _confusion(answered: Answered) -> Section:
    from covertype.training.figures import draw_confusion

    counts = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    np.add.at(counts, (answered.classes, answered.challenger.argmax(axis=1)), 1)
    return Section("Confusion matrix", picture=draw_confusion(counts))


def _replay(replay: Replay) -> Section:
    return Section(
        "Replay",
        f"The version answered the {replay.rows:,} latest requests again, and "
        f"{sum(replay.changed):,} of them otherwise than they were answered.",
        Table(
            ("Class answered then", "Requests", "Share answered otherwise"),
            [
                (label, f"{asked:,}", f"{changed / asked:.4f}")
                for label, asked, changed in zip(CLASSES, replay.asked, replay.changed, strict=True)
                if asked
            ],
        ),
        _draw_replay(replay),
    )


def _draw_replay(replay: Replay) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    same = np.subtract(replay.asked, replay.changed)
    axes.barh(CLASSES, same, label="answered as then", color="#2e7d32")
    axes.barh(CLASSES, replay.changed, left=same, label="answered otherwise", color="#e67e22")
    axes.set_xlabel("Requests")
    axes.legend()
    return figure
