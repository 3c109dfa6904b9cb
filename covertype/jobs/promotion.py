"""Jobs of registration and promotion."""

import logging

from covertype.jobs.connection import connect
from covertype.registry import promotion, tracking
from covertype.training.fitting import TrainingSet

log = logging.getLogger(__name__)


def register(run_id: str) -> str:
    """Register a run's model as a version of the served model; return the version."""
    connect()
    return promotion.register(run_id)


def promote(version: str) -> bool:
    """Promote a version if it is better than the one in Production; return whether it was.

    Both are scored on the test part of the data that the version was trained on.
    """
    settings = connect()
    snapshot = tracking.snapshot_of(promotion.run_of(version))
    test = TrainingSet.from_rows(settings.datasets.read_snapshot(snapshot)).test
    verdict = promotion.promote_if_better(version, test)
    log.info("Version %s %s: %s", version, verdict.outcome, verdict.reason)
    return verdict.promoted
