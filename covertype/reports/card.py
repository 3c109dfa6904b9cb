"""The model card of a version: what it was made of, how good it is, and what it is not for.

The parts follow Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from covertype.contract import CLASSES
from covertype.monitoring.live import wilson_interval
from covertype.reports.page import Page, Section, Table

_LIMITS = (
    "It was trained on 30 m × 30 m cells of four wilderness areas of the Roosevelt National Forest "
    "in Colorado, with whole numbers for the quantities. It knows nothing of other forests. The "
    "scores on the holdout say how well it remembers the batches that it was trained on. On forest "
    "that it has not seen, expect the accuracy on the next batch. Classes with few rows have wide "
    "intervals. Its probabilities are averages over trees, and are not calibrated."
)


@dataclass(frozen=True)
class NextBatchScore:
    """How a version did on a batch that it had never seen, and how many measures were drift."""

    version: str
    batch: int
    rows: int
    accuracy: float
    f1_macro: float
    findings: int


@dataclass(frozen=True)
class CardFacts:
    """What a card tells.

    `confusion` counts true classes down and predicted classes across, on the selection part;
    `period` is the time of the first and of the last collection, None if it is not known.
    `reason` is that of the verdict, `next_batches` are the scores of this and of former versions.
    """

    version: str
    snapshot: str
    rows: int
    period: tuple[datetime, datetime] | None
    parameters: Mapping[str, str]
    libraries: Mapping[str, str]
    metrics: Mapping[str, float]
    confusion: Sequence[Sequence[int]] | None
    reason: str
    next_batches: Sequence[NextBatchScore]


def card_page(facts: CardFacts) -> Page:
    """Return the card of a version."""
    sections = [
        Section("Data", _data(facts)),
        Section(
            "Split",
            "A hash of an observation's features puts it into training (80 %), selection (10 %) or "
            "judgement (10 %), the same in every version. The scores below are those of the "
            f"selection part. The promotion gate said of the judgement part: {facts.reason}.",
        ),
        Section("Scores", table=_named(("Metric", "Holdout"), _scores(facts.metrics))),
    ]
    if facts.confusion is not None:
        sections.append(_recalls(facts.confusion))
    sections += [
        _next_batches(facts),
        Section("Limits of use", _LIMITS),
        Section("Parameters", table=_named(("Parameter", "Value"), facts.parameters)),
        Section("Libraries", table=_named(("Library", "Version"), facts.libraries)),
    ]
    about = (
        f"A random forest that predicts which trees cover a cell of forest, one of {len(CLASSES)} "
        "classes, from twelve cartographic features."
    )
    return Page(f"Model card: version {facts.version}", about, sections)


def _data(facts: CardFacts) -> str:
    collected = (
        f", collected from {facts.period[0]:%Y-%m-%d %H:%M} to {facts.period[1]:%Y-%m-%d %H:%M} UTC"
        if facts.period
        else ""
    )
    return f"{facts.rows:,} distinct rows{collected}: snapshot {facts.snapshot}."


def _scores(metrics: Mapping[str, float]) -> Mapping[str, str]:
    shown = {"accuracy": "Accuracy", "f1_macro": "Macro F1", "log_loss": "Log loss"}
    return {title: f"{metrics[name]:.4f}" for name, title in shown.items() if name in metrics}


def _named(header: tuple[str, str], values: Mapping[str, str]) -> Table:
    return Table(header, [(name, str(value)) for name, value in values.items()])


def _recalls(confusion: Sequence[Sequence[int]]) -> Section:
    rows = []
    for number, (label, counts) in enumerate(zip(CLASSES, confusion, strict=True)):
        if total := sum(counts):
            low, high = wilson_interval(counts[number], total)
            recall = counts[number] / total
            rows.append((label, f"{total:,}", f"{recall:.4f}", f"{low:.4f} to {high:.4f}"))
    header = ("Class", "Rows", "Recall", "95 % interval")
    return Section("Recall by class", table=Table(header, rows))


def _next_batches(facts: CardFacts) -> Section:
    own = [one for one in facts.next_batches if one.version == facts.version]
    text = (
        "Before anything was trained on them, the version in Production answered the rows of each "
        "batch that it had never seen."
    )
    if not own:
        text += " This version was not scored on a later batch yet."
    rows = [
        (
            one.version,
            str(one.batch),
            f"{one.rows:,}",
            f"{one.accuracy:.4f}",
            f"{one.f1_macro:.4f}",
            str(one.findings),
        )
        for one in facts.next_batches
    ]
    header = ("Version", "Batch", "Rows", "Accuracy", "Macro F1", "Measures beyond their limits")
    marked = frozenset(
        number for number, one in enumerate(facts.next_batches) if one.version == facts.version
    )
    return Section("Next batches", text, Table(header, rows, marked) if rows else None)
