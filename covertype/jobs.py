"""The use cases that DAG tasks call: each connects settings, datasets and MLflow to the domain.

Jobs are idempotent: a retry with the same arguments gives the same result.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import mlflow

from covertype.ingestion.collection import collect
from covertype.ingestion.preprocessing import grown_enough, preprocess
from covertype.registry import promotion, tracking
from covertype.registry.tracking import Batch, Candidate
from covertype.settings import Settings
from covertype.training.estimators import build
from covertype.training.fitting import TrainingSet
from covertype.training.searches import Parameters, Search

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


def plan_search(
    search: Search, candidates: Sequence[Parameters], search_id: str, snapshot: str | None
) -> list[dict[str, Any]]:
    """Return the batches of a search, as arguments of `batch_of`.

    Parameters
    ----------
    snapshot : str, optional
        The training data by name; by default the newest snapshot.

    Raises
    ------
    ValueError
        If there is no such snapshot, or a candidate has invalid parameters.
    """
    known = Settings().datasets.snapshot_names()
    if not known:
        raise ValueError("There is no training data yet; run descargar_datos_api first")
    if snapshot is not None and snapshot not in known:
        raise ValueError(f"There is no training data {snapshot!r}; there is {', '.join(known)}")
    for parameters in candidates:
        build(search, parameters)
    return [
        {
            "search_id": search_id,
            "snapshot": snapshot or known[-1],
            "candidates": [
                {"number": number, "parameters": dict(candidates[number])} for number in numbers
            ],
        }
        for numbers in search.batches(candidates)
    ]


def batch_of(
    search: Search, search_id: str, snapshot: str, candidates: Sequence[Mapping[str, Any]]
) -> Batch:
    """Return a batch of a search from its arguments, as returned by `plan_search`."""
    return Batch(search, search_id, snapshot, [Candidate(**one) for one in candidates])


def train_batch(batch: Batch) -> list[str]:
    """Train, evaluate and log the candidates of a batch; return their runs' ids."""
    settings = _connect()
    return tracking.train_batch(batch, settings.datasets)


def untrained(
    search: Search, batches: Sequence[Mapping[str, Any]], trained: Sequence[Sequence[str] | None]
) -> list[str]:
    """Return the names of a plan's batches that were not trained.

    Parameters
    ----------
    trained : sequence of (list of str, or None)
        The result of `train_batch` for each of `batches`, None if it failed.
    """
    return [
        batch_of(search, **batch).name
        for batch, runs in zip(batches, trained, strict=True)
        if runs is None
    ]


def choose_best(run_ids: Sequence[str]) -> str:
    """Return the most accurate of some runs."""
    _connect()
    best = tracking.best_run(run_ids)
    log.info("%s is the best, accuracy %.4f", best.info.run_name, best.data.metrics["accuracy"])
    return str(best.info.run_id)


def keep_best(search: Search, run_id: str) -> None:
    """Write a run's model to the search's `.pkl` file."""
    settings = _connect()
    path = tracking.save_model(run_id, settings.models_dir / search.best_file)
    log.info("Kept as %s", path)


def register(run_id: str) -> str:
    """Register a run's model as a version of the served model; return the version."""
    _connect()
    return promotion.register(run_id)


def promote(version: str) -> bool:
    """Promote a version if it is better than the one in Production; return whether it was.

    Both are scored on the test part of the data that the version was trained on.
    """
    settings = _connect()
    snapshot = tracking.snapshot_of(promotion.run_of(version))
    test = TrainingSet.from_rows(settings.datasets.read_snapshot(snapshot)).test
    verdict = promotion.promote_if_better(version, test)
    log.info("Version %s %s: %s", version, verdict.outcome, verdict.reason)
    return verdict.promoted


def _connect() -> Settings:
    settings = Settings()
    mlflow.set_tracking_uri(settings.mlflow_tracking_uri)
    return settings
