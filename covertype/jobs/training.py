"""Jobs of the searches: plan, train, choose, keep."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from covertype.jobs.connection import connect
from covertype.monitoring.retraining import Reason
from covertype.registry import tracking
from covertype.registry.tracking import Batch, Candidate
from covertype.settings import Settings
from covertype.training.estimators import build
from covertype.training.searches import Parameters, Search

log = logging.getLogger(__name__)


def plan_search(
    search: Search,
    candidates: Sequence[Parameters],
    search_id: str,
    snapshot: str | None,
    reason: str | None = None,
) -> list[dict[str, Any]]:
    """Return the batches of a search, as arguments of `batch_of`.

    Parameters
    ----------
    snapshot : str, optional
        The training data by name; by default the newest snapshot.
    reason : str, optional
        Why the search was started; by default a person asked.

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
            "reason": reason or Reason.REQUEST.value,
            "candidates": [
                {"number": number, "parameters": dict(candidates[number])} for number in numbers
            ],
        }
        for numbers in search.batches(candidates)
    ]


def batch_of(
    search: Search,
    search_id: str,
    snapshot: str,
    candidates: Sequence[Mapping[str, Any]],
    reason: str,
) -> Batch:
    """Return a batch of a search from its arguments, as returned by `plan_search`."""
    return Batch(search, search_id, snapshot, [Candidate(**one) for one in candidates], reason)


def train_batch(batch: Batch) -> list[str]:
    """Train, evaluate and log the candidates of a batch; return their runs' ids."""
    settings = connect()
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
    connect()
    best = tracking.best_run(run_ids)
    log.info("%s is the best, accuracy %.4f", best.info.run_name, best.data.metrics["accuracy"])
    return str(best.info.run_id)


def keep_best(search: Search, run_id: str) -> None:
    """Write a run's model to the search's `.pkl` file."""
    settings = connect()
    path = tracking.save_model(run_id, settings.models_dir / search.best_file)
    log.info("Kept as %s", path)
