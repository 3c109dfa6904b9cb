"""When it is worth training again, and why."""

from typing import Any

import pytest

from covertype.monitoring.drift import Measure
from covertype.monitoring.retraining import Reason, Triggers, reason_to_train

GROWTH_ALONE = Triggers(growth=0.25, psi=0, next_accuracy=0)
ALL = Triggers(growth=0.25, psi=0.5, next_accuracy=0.8)


def found(
    accuracy: float | None = 0.9,
    psi: float = 0.1,
    measure: Measure = Measure.PSI,
    is_finding: bool = True,
) -> dict[str, Any]:
    shifts = [
        {"measure": Measure.PSI, "value": 0.0, "finding": False},
        {"measure": measure, "value": psi, "finding": is_finding},
    ]
    return {"shifts": shifts} | ({"metrics": {"accuracy": accuracy}} if accuracy else {})


@pytest.mark.parametrize(
    ("rows", "announced", "reason"),
    [
        (0, 0, None),
        (1, 0, Reason.GROWTH),
        (100, 100, None),
        (124, 100, None),
        (125, 100, Reason.GROWTH),
        (90, 100, None),
    ],
)
def test_rows_must_have_grown_enough(rows: int, announced: int, reason: Reason | None) -> None:
    assert reason_to_train(rows, announced, GROWTH_ALONE, [found(0.1, 9.0)]) is reason


@pytest.mark.parametrize(
    ("evaluation", "reason"),
    [
        (found(), None),
        (found(accuracy=0.79), Reason.NEXT_BATCH),
        (found(accuracy=0.8), None),
        (found(psi=0.51), Reason.DRIFT),
        (found(psi=0.5), None),
        (found(psi=0.51, is_finding=False), None),
        (found(psi=0.51, measure=Measure.TV), None),
        (found(accuracy=None, psi=0.51), Reason.DRIFT),
        (found(accuracy=0.79, psi=0.51), Reason.NEXT_BATCH),
    ],
)
def test_drift_and_the_next_batch_start_a_training_beyond_their_limits(
    evaluation: dict[str, Any], reason: Reason | None
) -> None:
    assert reason_to_train(110, 100, ALL, [found(), evaluation]) is reason


def test_without_a_new_row_there_is_nothing_to_train_on() -> None:
    assert reason_to_train(100, 100, ALL, [found(accuracy=0.1, psi=9.0)]) is None
