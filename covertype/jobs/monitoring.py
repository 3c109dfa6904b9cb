"""Jobs of monitoring: how well Production does on what it has never seen, and how far that is."""

from datetime import UTC, datetime

from covertype.jobs.connection import connect
from covertype.monitoring.drift import Limits
from covertype.registry import monitored
from covertype.registry.monitored import NothingToMonitor
from covertype.settings import Settings


def monitor_new_data() -> list[str]:
    """Score Production on the raw rows that it has never seen; return the evaluations' names.

    Raises
    ------
    NothingToMonitor
        If Production is empty, or no such rows arrived since the last time.
    Unusable
        If the version in Production can't answer.
    """
    settings = connect()
    return monitored.monitor_batches(settings.datasets, _limits(settings))


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


def _limits(settings: Settings) -> Limits:
    return Limits(psi=settings.drift_psi_limit, share=settings.drift_share_limit)
