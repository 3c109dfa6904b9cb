"""The job that watches a version that is new in Production, and puts Production back."""

import logging
from datetime import UTC, datetime

from mlflow import MlflowClient

from covertype.answers import LiveAccuracy
from covertype.data import Datasets
from covertype.history import Entry, Kind, last_change
from covertype.jobs import services
from covertype.jobs.connection import connect
from covertype.monitoring.first_hour import SPAN, Limits, Seen, Trouble, find_trouble
from covertype.monitoring.live import live_accuracy
from covertype.registry import manual, monitoring_tags
from covertype.registry.changes import settled_production
from covertype.registry.manual import ProductionChanged
from covertype.registry.names import MODEL_NAME
from covertype.settings import RollbackSettings

log = logging.getLogger(__name__)

_NOTHING = Seen(0, 0)


class NothingToWatch(Exception):
    """No version has to go; the message says why."""


def watch_new_version(who: str, since: datetime) -> str:
    """Put Production back if its new version is surely beyond a limit; return where to.

    Parameters
    ----------
    who : str
        For the history.
    since : datetime
        When the run began. A rollback by `who` since then is one of an earlier try of the run.

    Raises
    ------
    NothingToWatch
        If no version is new in Production, there is none to go back to, or it does well.
    NoMetrics
        If the error rate has a limit and no replica says how many requests failed.
    NotPossible
        If the former version is not fit for Production any more.
    """
    chosen = RollbackSettings()
    limits = Limits(chosen.rollback_accuracy, chosen.rollback_error_rate)
    if not (limits.accuracy or limits.error_rate):
        raise NothingToWatch("Neither ROLLBACK_ACCURACY nor ROLLBACK_ERROR_RATE is set")
    settings = connect()
    datasets = settings.datasets
    # A person may have changed Production in MLflow.
    settled_production(datasets.history)
    entries = datasets.history.entries()
    done = last_change(entries)
    if done and (done.kind, done.who) == (Kind.ROLLED_BACK, who) and done.at >= since:
        return done.version
    change, former = _new_version(entries)
    version = change.version
    right = _right(datasets, change) if limits.accuracy else _NOTHING
    url = settings.inference_url
    failed = Seen(*services.failed_requests(url, version)) if limits.error_rate else _NOTHING
    found = find_trouble(right, failed, limits)
    if found is None:
        raise NothingToWatch(
            f"Version {version} is within the limits: {right.count} of {right.of} true classes "
            f"agree, {failed.count} of {failed.of} requests failed"
        )
    if found.trouble is Trouble.LIVE_ACCURACY and _was_no_better(former, found.share):
        raise NothingToWatch(f"Version {version} stays, as version {former} was no better: {found}")
    why = f"version {version} was new: {found}"
    log.warning("Production goes back to version %s: %s", former, why)
    try:
        manual.roll_back(datasets.history, former, who, why, version, found.facts)
    except ProductionChanged as reason:
        raise NothingToWatch(str(reason)) from reason
    return former


def _new_version(entries: list[Entry]) -> tuple[Entry, str]:
    """Return the last change of Production if it is a new version, and the version before it."""
    change = last_change(entries)
    if change is None or change.kind is not Kind.PROMOTED or change.former is None:
        raise NothingToWatch("No version in Production is new and has a former one to go back to")
    earlier = {one.version for one in entries if one.changed_production and one is not change}
    if change.version in earlier:
        raise NothingToWatch(f"Version {change.version} is not new: it was in Production before")
    if datetime.now(UTC) - change.at > SPAN:
        raise NothingToWatch(
            f"Version {change.version} has been in Production for more than an hour"
        )
    return change, change.former


def _right(datasets: Datasets, change: Entry) -> Seen:
    feedback = datasets.read_feedback(change.at.date())
    accuracy = live_accuracy(feedback[feedback["time"] >= change.at])
    live = accuracy.to_dict("index").get(change.version, {"correct": 0, "rows": 0})
    return Seen(live["correct"], live["rows"])


def _was_no_better(former: str, accuracy: float) -> bool:
    tags = MlflowClient().get_model_version(MODEL_NAME, former).tags
    live = monitoring_tags.from_tags(LiveAccuracy, former, tags)
    return live is not None and live.accuracy <= accuracy
