"""Jobs of collection and preprocessing."""

import logging
from dataclasses import asdict
from datetime import datetime
from typing import Any

from covertype.data import Datasets
from covertype.ingestion.collection import collect
from covertype.ingestion.preprocessing import preprocess
from covertype.monitoring.retraining import Reason, Triggers, reason_to_train
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
    """Return a new snapshot's name, rows and digest, and the reason; None if there is no reason.

    Parameters
    ----------
    rows, announced : int
        Processed rows now, and at the last announcement, as `preprocess_files` returned them.
    anyway : bool
        Take it without any other reason.
    """
    settings = Settings()
    datasets = settings.datasets
    if anyway and rows:
        reason: Reason | None = Reason.REQUEST
    else:
        triggers = Triggers(
            settings.retrain_growth, settings.retrain_psi, settings.retrain_next_accuracy
        )
        reason = reason_to_train(rows, announced, triggers, _evaluations(datasets, announced))
    if reason is None:
        log.info(
            "%d rows, %s when last announced: not worth training on again yet", rows, announced
        )
        return None
    log.info("%d rows, %s when last announced: announced by %s", rows, announced, reason)
    return asdict(datasets.take_snapshot()) | {"reason": reason.value}


def _evaluations(datasets: Datasets, announced: int) -> list[dict[str, Any]]:
    """Return what monitoring found of versions that were trained on the last announcement.

    A version trained on earlier rows does not start a training: one on later rows did not replace
    it, and one more would not either.
    """
    current = {
        name for name in datasets.snapshot_names() if datasets.count_snapshot(name) == announced
    }
    found = datasets.monitored_batches.read().values()
    return [one for one in found if one["snapshot"] in current and one["is_next"]]
