"""The job that watches a version that is new in Production, and puts Production back."""

import logging
from datetime import UTC, datetime

from covertype.data import Datasets
from covertype.history import Entry, Kind, last_change
from covertype.jobs import services
from covertype.jobs.connection import connect
from covertype.monitoring.first_hour import SPAN, Limits, Seen, find_trouble
from covertype.monitoring.live import live_accuracy
from covertype.registry import manual
from covertype.settings import RollbackSettings

log = logging.getLogger(__name__)


class NothingToWatch(Exception):
    """No version has to go; the message says why."""


def watch_new_version(who: str) -> str:
    """Put Production back if its new version is surely beyond a limit; return where to.

    Parameters
    ----------
    who : str
        For the history.

    Raises
    ------
    NothingToWatch
        If no version is new in Production, there is none to go back to, or it does well.
    NotPossible
        If the former version is not fit for Production any more.
    """
    chosen = RollbackSettings()
    limits = Limits(chosen.rollback_accuracy, chosen.rollback_error_rate)
    if not limits.are_set:
        raise NothingToWatch("Neither ROLLBACK_ACCURACY nor ROLLBACK_ERROR_RATE is set")
    settings = connect()
    datasets = settings.datasets
    change, former = _new_version(datasets)
    seen = _seen(datasets, change, settings.inference_url)
    log.info("Version %s, promoted at %s: %s", change.version, change.at, seen)
    found = find_trouble(seen, limits)
    if found is None:
        raise NothingToWatch(f"Version {change.version} is within the limits: {seen}")
    why = f"version {change.version} was new: {found}"
    log.warning("Production goes back to version %s: %s", former, why)
    manual.roll_back(datasets.history, former, who, why, change.version, found.facts)
    return former


def _new_version(datasets: Datasets) -> tuple[Entry, str]:
    """Return the last change of Production if it is a new version, and the version before it."""
    change = last_change(datasets.history.entries())
    if change is None or change.kind is not Kind.PROMOTED or change.former is None:
        raise NothingToWatch("No version in Production is new and has a former one to go back to")
    if datetime.now(UTC) - change.at > SPAN:
        raise NothingToWatch(f"Version {change.version} is in Production for more than an hour")
    return change, change.former


def _seen(datasets: Datasets, change: Entry, url: str) -> Seen:
    feedback = datasets.read_feedback(change.at.date())
    accuracy = live_accuracy(feedback[feedback["time"] >= change.at])
    failed, asked = services.predictions_of(url, change.version)
    live = accuracy.to_dict("index").get(change.version, {"correct": 0, "rows": 0})
    return Seen(live["correct"], live["rows"], failed, asked)
