"""When it is worth training again: by growth, by drift, or by the accuracy on the next batch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from covertype.monitoring.drift import Measure


class Reason(StrEnum):
    """Why training data was announced. The values are stored in tags of the runs."""

    REQUEST = "request"
    """A person asked, or no more data is to come."""
    GROWTH = "growth"
    DRIFT = "drift"
    NEXT_BATCH = "next_batch"


@dataclass(frozen=True)
class Triggers:
    """What starts a training.

    `growth` is the share by which the rows must have grown. `psi` is the largest population
    stability index, and `next_accuracy` the lowest accuracy on a next batch, that does not start
    one; 0 never does.
    """

    growth: float
    psi: float
    next_accuracy: float


def reason_to_train(
    rows: int, announced: int, triggers: Triggers, evaluations: Iterable[Mapping[str, Any]]
) -> Reason | None:
    """Return why to train on the rows that there are now; None if it is not worth it yet.

    Parameters
    ----------
    rows, announced : int
        Rows now, and at the last announcement (0 before the first).
    triggers : Triggers
    evaluations : iterable of mapping
        What monitoring found on batches that the rows of the last announcement lack, as its
        documents hold it.
    """
    if rows <= announced:
        return None
    if rows >= announced * (1 + triggers.growth):
        return Reason.GROWTH
    for found in evaluations:
        accuracy = found.get("metrics", {}).get("accuracy", 1.0)
        if accuracy < triggers.next_accuracy:
            return Reason.NEXT_BATCH
        if triggers.psi and any(
            shift["measure"] == Measure.PSI and shift["finding"] and shift["value"] > triggers.psi
            for shift in found["shifts"]
        ):
            return Reason.DRIFT
    return None
