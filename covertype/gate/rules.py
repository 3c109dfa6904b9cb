"""What a challenger must show to take the place of the version in Production."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from covertype.contract import CLASSES
from covertype.gate.statistics import mcnemar_mid_p, paired_difference
from covertype.gate.verdicts import Check, Figure, Rule, Verdict

_SIGNIFICANCE = 0.05
_SUM_TOLERANCE = 1e-9
_TRADED_RECALL_LOSS = 0.1
_MB = 1e6

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """What is tolerated. Shares are from 0 to 1; `.env.example` explains each."""

    minimum_gain: float
    recall_loss: float
    newest_loss: float
    row_milliseconds: float
    loaded_mb: float
    artifact_mb: float
    changed_share: float


class Rows(NamedTuple):
    """The rows of a judgement: their classes, shape (n,), and which are of the newest batch."""

    classes: npt.NDArray[np.int64]
    newest: npt.NDArray[np.bool_]


class Incumbent(NamedTuple):
    """The version in Production and its probabilities, shape (n, 7); None if it can't answer."""

    version: str
    probabilities: Probabilities | None
    fault: str = ""


class _Both(NamedTuple):
    """The rows, and the classes that the challenger and the version in Production answer."""

    rows: Rows
    answers: npt.NDArray[np.int64]
    former_answers: npt.NDArray[np.int64]
    former_version: str

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        return np.equal(self.answers, self.rows.classes)

    @property
    def former_right(self) -> npt.NDArray[np.bool_]:
        return np.equal(self.former_answers, self.rows.classes)


class Cost(NamedTuple):
    """What a version costs in the form that serves.

    Of `rows` that it answered one by one there, `faults` were answered otherwise than by the logged
    model, or not at all.
    """

    rows: int
    faults: int
    row_seconds: float
    loaded_bytes: int
    artifact_bytes: int


class Replay(NamedTuple):
    """A version's answers to the latest requests.

    `errors` of the `rows` have no valid answer. `asked` counts the rows by the class that was
    answered, `changed` those of them that the version answers otherwise; one value for each class.
    """

    rows: int
    errors: int
    asked: Sequence[int]
    changed: Sequence[int]
    row_seconds: float


def judge(
    rows: Rows,
    challenger: Probabilities,
    incumbent: Incumbent | None,
    limits: Limits,
    cost: Cost | None = None,
    replay: Replay | None = None,
) -> Verdict:
    """Judge a challenger on rows that no version was trained on or selected by.

    The verdict holds every check. The first one that failed decides.

    Parameters
    ----------
    rows : Rows
        At least one row.
    challenger : ndarray of float, shape (n, 7)
        Its probabilities.
    incumbent : Incumbent, optional
        The version in Production. Without one, or if it can't answer, the challenger must beat the
        floor: always answering the most frequent class.
    cost, replay : optional
        None if it was not measured; its rules are left out.
    """
    checks = [
        _answers_are_valid(challenger),
        *_accuracy(rows, challenger, incumbent, limits),
        *(_cost(cost, limits) if cost else ()),
        *(_replay(replay, limits) if replay and replay.rows else ()),
    ]
    failed = next((check for check in checks if not check.passed), None)
    if failed is not None:
        return Verdict(failed.rule, failed.figures, tuple(checks))
    beaten = checks[1].figures
    return Verdict(_passing_rule(incumbent), beaten, tuple(checks))


def _passing_rule(incumbent: Incumbent | None) -> Rule:
    if incumbent is None:
        return Rule.FIRST
    return Rule.FORMER_FAULT if incumbent.probabilities is None else Rule.BETTER


def are_valid(probabilities: Probabilities) -> npt.NDArray[np.bool_]:
    """Return which rows, shape (n, 7), are probabilities: not negative, with the sum 1."""
    # Written this way, a NaN also counts as invalid.
    valid: npt.NDArray[np.bool_] = (probabilities >= 0).all(axis=1) & (
        np.abs(probabilities.sum(axis=1) - 1) <= _SUM_TOLERANCE
    )
    return valid


def _answers_are_valid(probabilities: Probabilities) -> Check:
    invalid = int((~are_valid(probabilities)).sum())
    figures = {"invalid_answers": invalid, "test_rows": len(probabilities)}
    return Check(Rule.INVALID_ANSWERS, not invalid, figures)


def _accuracy(
    rows: Rows, challenger: Probabilities, incumbent: Incumbent | None, limits: Limits
) -> Iterator[Check]:
    answers = challenger.argmax(axis=1)
    if incumbent is None or incumbent.probabilities is None:
        yield _floor(rows, answers == rows.classes, incumbent)
        return
    both = _Both(rows, answers, incumbent.probabilities.argmax(axis=1), incumbent.version)
    yield from _gain(both, limits)
    yield _no_class_lost(both, limits)
    if rows.newest.any():
        yield _newest_batch(both, limits)


def _floor(rows: Rows, right: npt.NDArray[np.bool_], incumbent: Incumbent | None) -> Check:
    accuracy = float(right.mean())
    floor = float(np.bincount(rows.classes).max() / len(rows.classes))
    figures: dict[str, Figure] = {
        "accuracy": accuracy,
        "floor_accuracy": floor,
        "test_rows": len(right),
    }
    if incumbent is None:
        return Check(Rule.FIRST_NOT_BETTER, accuracy > floor, figures)
    figures |= {"former_version": incumbent.version, "former_fault": incumbent.fault}
    return Check(Rule.FORMER_FAULT_NOT_BETTER, accuracy > floor, figures)


def _gain(both: _Both, limits: Limits) -> Iterator[Check]:
    right, former_right = both.right, both.former_right
    gained, lost = int((right & ~former_right).sum()), int((former_right & ~right).sum())
    p_value = mcnemar_mid_p(gained, lost)
    beside: dict[str, Figure] = {
        "accuracy": float(right.mean()),
        "former_version": both.former_version,
        "former_accuracy": float(former_right.mean()),
        "test_rows": len(right),
    }
    yield Check(Rule.NOT_BETTER, gained > lost, beside)
    if gained <= lost:
        return
    yield Check(
        Rule.GAIN_TOO_SMALL,
        (gained - lost) / len(right) >= limits.minimum_gain,
        {**beside, "minimum_gain": limits.minimum_gain},
    )
    yield Check(
        Rule.NOT_SIGNIFICANT,
        p_value < _SIGNIFICANCE,
        {**beside, "gained": gained, "lost": lost, "p_value": p_value},
    )


def _no_class_lost(both: _Both, limits: Limits) -> Check:
    """Check the class whose recall surely falls most; rare classes have wide intervals.

    A class with a higher F1 may lose more recall, `_TRADED_RECALL_LOSS`: the version in Production
    found more of it because it also named it where it is not.
    """
    checks = []
    right, former_right = both.right, both.former_right
    for number in np.unique(both.rows.classes):
        of_class = both.rows.classes == number
        now, before = right[of_class], former_right[of_class]
        highest = paired_difference(
            int((now & ~before).sum()), int((before & ~now).sum()), len(now)
        ).high
        f1, former_f1 = (
            2 * int(found.sum()) / (int((answers == number).sum()) + len(found))
            for found, answers in ((now, both.answers), (before, both.former_answers))
        )
        traded = _TRADED_RECALL_LOSS if f1 > former_f1 else 0.0
        limit = max(limits.recall_loss, traded)
        check = Check(
            Rule.CLASS_LOST,
            highest >= -limit,
            {
                "label": CLASSES[number],
                "recall": float(now.mean()),
                "former_recall": float(before.mean()),
                "class_f1": f1,
                "former_class_f1": former_f1,
                "former_version": both.former_version,
                "class_rows": len(now),
                "recall_loss_limit": limit,
            },
        )
        checks.append((check.passed, highest, check))
    return min(checks, key=lambda one: one[:2])[-1]


def _newest_batch(both: _Both, limits: Limits) -> Check:
    newest = both.rows.newest
    accuracy = float(both.right[newest].mean())
    former_accuracy = float(both.former_right[newest].mean())
    return Check(
        Rule.NEWEST_BATCH_WORSE,
        accuracy >= former_accuracy - limits.newest_loss,
        {
            "newest_accuracy": accuracy,
            "former_newest_accuracy": former_accuracy,
            "former_version": both.former_version,
            "newest_rows": int(newest.sum()),
            "newest_loss_limit": limits.newest_loss,
        },
    )


def _cost(cost: Cost, limits: Limits) -> Iterator[Check]:
    served: dict[str, Figure] = {"serving_faults": cost.faults, "served_rows": cost.rows}
    yield Check(Rule.SERVES_OTHERWISE, not cost.faults, served)
    for rule, name, measured, limit in (
        (Rule.TOO_SLOW, "row_milliseconds", cost.row_seconds * 1e3, limits.row_milliseconds),
        (Rule.TOO_MUCH_MEMORY, "loaded_mb", cost.loaded_bytes / _MB, limits.loaded_mb),
        (Rule.TOO_LARGE, "artifact_mb", cost.artifact_bytes / _MB, limits.artifact_mb),
    ):
        yield Check(rule, measured <= limit, {name: measured, f"{name}_limit": limit})


def _replay(replay: Replay, limits: Limits) -> Iterator[Check]:
    rows: dict[str, Figure] = {"replayed_rows": replay.rows}
    milliseconds, changed = replay.row_seconds * 1e3, sum(replay.changed) / replay.rows
    yield Check(Rule.REPLAY_FAILED, not replay.errors, {**rows, "replay_errors": replay.errors})
    yield Check(
        Rule.REPLAY_TOO_SLOW,
        milliseconds <= limits.row_milliseconds,
        {
            **rows,
            "replay_milliseconds": milliseconds,
            "row_milliseconds_limit": limits.row_milliseconds,
        },
    )
    yield Check(
        Rule.REPLAY_CHANGED,
        changed <= limits.changed_share,
        {**rows, "changed_share": changed, "changed_share_limit": limits.changed_share},
    )
