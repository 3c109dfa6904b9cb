"""Jobs of collection and preprocessing."""

import logging
from dataclasses import asdict
from datetime import datetime
from typing import Any

from covertype.ingestion.collection import collect
from covertype.ingestion.preprocessing import grown_enough, preprocess
from covertype.settings import Settings

log = logging.getLogger(__name__)


def collect_group(group: int, collected: datetime) -> tuple[str, int]:
    """Fetch one group's rows for a collection; return the file and the number of rows.

    Raises what `covertype.ingestion.collection.collect` raises.
    """
    settings = Settings()
    return collect(
        settings.datasets,
        group,
        collected,
        settings.data_api_url,
        settings.data_api_timeout_seconds,
    )


def preprocess_files() -> dict[str, int]:
    """Merge the unread raw files.

    Returns
    -------
    dict
        `rows`, the number of processed rows, and `announced`, that of the newest snapshot. They
        are the arguments of `take_snapshot`, so that every retry of it decides the same.
    """
    datasets = Settings().datasets
    done = preprocess(datasets)
    log.info("%s", done)
    return {"rows": done.total, "announced": datasets.newest_snapshot_rows()}


def has_unannounced_rows() -> bool:
    """Return whether there are processed rows that the newest snapshot does not hold."""
    datasets = Settings().datasets
    return datasets.processed.count() > datasets.newest_snapshot_rows()


def take_snapshot(rows: int, announced: int, anyway: bool) -> dict[str, Any] | None:
    """Return a new snapshot's name, rows and digest; None if the rows have not grown enough.

    Parameters
    ----------
    rows, announced : int
        Processed rows now, and at the last announcement, as `preprocess_files` returned them.
    anyway : bool
        Take it even if the rows have not grown enough.
    """
    settings = Settings()
    if not (anyway and rows) and not grown_enough(rows, announced, settings.retrain_growth):
        log.info(
            "%d rows, %s when last announced: not grown by %.0f %% yet",
            *(rows, announced, settings.retrain_growth * 100),
        )
        return None
    return asdict(settings.datasets.take_snapshot())
