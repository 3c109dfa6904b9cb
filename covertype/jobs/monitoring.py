"""Jobs of monitoring: how well Production does on what it has never seen, and how far that is."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from covertype.answers import LiveAccuracy
from covertype.jobs.connection import connect
from covertype.monitoring.drift import Limits
from covertype.monitoring.live import live_accuracy
from covertype.registry import cards, monitored
from covertype.registry.changes import settled_production
from covertype.registry.monitored import NothingToMonitor
from covertype.registry.production import production_version
from covertype.settings import Settings

_LIVE_SPAN = timedelta(days=30)
"""Live accuracy is that of the feedback of this time."""


def monitor_new_data() -> list[str]:
    """Score Production on the raw rows that it has never seen; return the evaluations' names.

    The model card then tells the new scores.

    Raises
    ------
    NothingToMonitor
        If Production is empty, or no such rows arrived since the last time.
    Unusable
        If the version in Production can't answer.
    """
    settings = connect()
    datasets = settings.datasets
    # A person may have changed Production in MLflow.
    settled_production(datasets.history)
    evaluations = monitored.monitor_batches(datasets, _limits(settings))
    cards.write_card(datasets, monitored.find_production(datasets).version)
    return evaluations


def monitor_predictions(run_after: datetime, hour: datetime | None = None) -> str:
    """Compare the requests of an hour with Production's training data.

    Parameters
    ----------
    run_after : datetime
        The last whole hour before this moment is compared, by default.
    hour : datetime, optional
        A moment in the hour to compare instead.

    Returns
    -------
    str
        The evaluation's name.

    Raises
    ------
    NothingToMonitor
        If Production is empty, nobody asked, or the hour is not over or was compared already.
    """
    settings = connect()
    start = (hour or monitored.last_written_hour(run_after)).astimezone(UTC)
    start = start.replace(minute=0, second=0, microsecond=0)
    if start > monitored.last_written_hour(run_after):
        raise NothingToMonitor(f"The hour from {start:%Y-%m-%d %H:%M} UTC is not over yet")
    return monitored.monitor_hour(settings.datasets, start, _limits(settings))


def monitor_feedback(run_after: datetime) -> str:
    """Store how often each version was right, by the feedback of the last days.

    The tags of the version in Production then hold its figures, also if the hour was counted
    already: another version may be there by now.

    Parameters
    ----------
    run_after : datetime
        The document is named after the last whole hour before this moment, and written once.

    Returns
    -------
    str
        The document's name.

    Raises
    ------
    NothingToMonitor
        If there is no feedback whose prediction is known, or the hour was counted already.
    """
    datasets = connect().datasets
    hour = monitored.last_written_hour(run_after)
    name, since = monitored.name_of_hour(hour), (hour - _LIVE_SPAN).date()
    if name in datasets.monitored_feedback.names():
        _tag_production(datasets.monitored_feedback.read_one(name)["versions"])
        raise NothingToMonitor(
            f"The feedback of the hour from {hour:%Y-%m-%d %H:%M} UTC was counted already"
        )
    sent = datasets.read_feedback(since)
    accuracy = live_accuracy(sent)
    unknown = f"Nobody sent the true class of a known prediction since {since}"
    if sent.empty and not datasets.monitored_feedback.names():
        raise NothingToMonitor(unknown)
    facts: dict[str, Any] = {
        "hour": hour.isoformat(),
        "since": since.isoformat(),
        "versions": accuracy.to_dict("index"),
    }
    datasets.monitored_feedback.add(name, facts)
    _tag_production(facts["versions"])
    if accuracy.empty:
        raise NothingToMonitor(unknown)
    return name


def _tag_production(versions: Mapping[str, Mapping[str, Any]]) -> None:
    production = production_version()
    if production is None:
        return
    version = str(production.version)
    live = versions.get(version)
    figures = LiveAccuracy(version, live["rows"], live["accuracy"]) if live else None
    monitored.tag_live(figures, version)


def _limits(settings: Settings) -> Limits:
    return Limits(psi=settings.drift_psi_limit, share=settings.drift_share_limit)
