"""Scores the version in Production on what it has never seen, and logs how far that has drifted.

An evaluation is a run of MLflow and a document beside the datasets, by the same name. The accuracy
on the newest batch is also a tag of the version. The document is written last, so an evaluation
that has one is complete.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import DatasetInput, RunInfo

from covertype.answers import LiveAccuracy, NextBatch
from covertype.data import Datasets, UnseenBatch
from covertype.monitoring.drift import Comparison, Limits, Reference, add
from covertype.registry import monitoring_tags
from covertype.registry.names import MODEL_NAME
from covertype.registry.production import production_version, version_uri
from covertype.registry.tracking import (
    SNAPSHOT_TAG,
    SOURCE,
    describe,
    fetch_answers,
    snapshot_of,
    without_advice,
)
from covertype.reports.drift import drift_page
from covertype.reports.page import Page, render
from covertype.rows.arrow import NO_ROWS
from covertype.rows.codes import Codes, to_frame
from covertype.training.evaluation import score
from covertype.training.fitting import Part

log = logging.getLogger(__name__)

EXPERIMENT = "covertype_monitoring"
REPORT = "report.html"
CONTEXT = "monitoring"

_EVALUATION_TAG = "covertype.evaluation"
_VERSION_TAG = "covertype.version"
_BATCH_TAG = "covertype.batch"
_HOUR_TAG = "covertype.hour"
_FINDINGS_TAG = "covertype.findings"
_FEWEST_ROWS = 100
"""On fewer rows the accuracy on a next batch is mostly chance."""

_HOUR = timedelta(hours=1)
_WRITTEN_AFTER = timedelta(minutes=5)
"""The service writes its predictions some seconds after it answered."""


class NothingToMonitor(Exception):
    """There is nothing to compare, or nothing to compare it with; the message says why."""


@dataclass(frozen=True)
class Monitored:
    """The version in Production, its training data by name, and its metrics on the holdout."""

    version: str
    snapshot: str
    holdout: Mapping[str, float]


def find_production(datasets: Datasets) -> Monitored:
    """Return what is in Production.

    Raises
    ------
    NothingToMonitor
        If Production is empty, or its training data is not among the datasets.
    """
    found = production_version()
    if found is None:
        raise NothingToMonitor("No version is in Production yet")
    snapshot = snapshot_of(found.run_id)
    if snapshot not in datasets.snapshot_names():
        raise NothingToMonitor(
            f"Version {found.version} in Production was trained on {snapshot or 'other data'}, "
            "which is not among the datasets"
        )
    holdout = MlflowClient().get_run(found.run_id).data.metrics
    return Monitored(str(found.version), snapshot, holdout)


def monitor_batches(datasets: Datasets, limits: Limits) -> list[str]:
    """Score Production on the rows of each batch that arrived after its training data.

    A batch is evaluated again when more of its files have arrived. The version's tags hold its
    figures on the newest batch.

    Returns
    -------
    list of str
        The names of the new evaluations.

    Raises
    ------
    NothingToMonitor
        If Production is empty, or nothing arrived since the last evaluation.
    Unusable
        If the version in Production can't answer.
    """
    production = find_production(datasets)
    known = set(datasets.monitored_batches.names())
    news = {
        name: batch
        for batch in datasets.unseen_batches(production.snapshot)
        if (name := _name_of(production.version, batch)) not in known
    }
    if not news:
        raise NothingToMonitor(
            f"No raw rows arrived that version {production.version} was not scored on already"
        )
    reference = _read_reference(datasets, production)
    for name, batch in news.items():
        facts = _evaluate_batch(datasets, production, reference, name, batch, limits)
        if facts["is_next"] and facts["rows"] >= _FEWEST_ROWS:
            scored = (facts["batch"], facts["rows"], facts["metrics"]["accuracy"])
            _tag_next_batch(NextBatch(production.version, *scored))
        datasets.monitored_batches.add(name, facts)
    return list(news)


def _name_of(version: str, batch: UnseenBatch) -> str:
    return f"version_{version:0>6}_batch_{batch.number:06d}_files_{len(batch.sources):06d}"


def _evaluate_batch(
    datasets: Datasets,
    production: Monitored,
    reference: Reference,
    name: str,
    batch: UnseenBatch,
    limits: Limits,
) -> dict[str, Any]:
    unseen = datasets.read_unseen(production.snapshot, batch)
    window = reference.count(unseen.rows)
    comparison = reference.compare(window, unseen.rejected_share, limits)
    facts = {
        "version": production.version,
        "snapshot": production.snapshot,
        "batch": batch.number,
        "is_next": batch.is_next,
        "files": len(batch.sources),
        "last_file": batch.sources[-1],
        "read": unseen.read,
        "rejected": unseen.rejected,
        "rows": len(unseen.rows),
        **comparison.facts(),
    }
    if not len(unseen.rows):
        return facts
    version, part = production.version, _part(unseen.rows)
    answers = fetch_answers(version_uri(version), part.observations)
    scores = score(answers, part.classes).metrics
    holdout = {one: production.holdout[one] for one in scores if one in production.holdout}
    log.info(
        "Batch %d: version %s has accuracy %.4f on %d rows that it has never seen, %.4f on the "
        "holdout; beyond the limits: %s",
        *(batch.number, version, scores["accuracy"], len(part)),
        *(holdout.get("accuracy", float("nan")), _findings(comparison)),
    )
    page = drift_page(
        f"Batch {batch.number} and version {version}",
        f"{len(part):,} rows that version {version} has never seen are compared with the "
        f"{reference.rows:,} of its training data {production.snapshot}.",
        comparison,
        scores,
        holdout,
    )
    with without_advice():
        described = describe(part, batch.sources[-1], _digest(unseen.rows), CONTEXT)
    run = _log_once(
        name,
        {_VERSION_TAG: version, SNAPSHOT_TAG: production.snapshot, _BATCH_TAG: str(batch.number)},
        comparison,
        scores | {f"holdout_{one}": value for one, value in holdout.items()},
        [described],
        page,
    )
    return facts | {"metrics": scores, "holdout": holdout, **run}


def tag_live(figures: LiveAccuracy | None, version: str) -> None:
    """Put the live accuracy into a version's tags; None removes that of an earlier time."""
    present = _tags_of(version)
    if figures is not None:
        _set_tags(figures, present)
    else:
        _remove_accuracy(LiveAccuracy, version, present)


def _tag_next_batch(figures: NextBatch) -> None:
    """Put figures into a version's tags, unless those of a newer batch stand there."""
    present = _tags_of(figures.version)
    former = monitoring_tags.from_tags(NextBatch, figures.version, present)
    if former is None or former.batch <= figures.batch:
        _set_tags(figures, present)


def _tags_of(version: str) -> dict[str, str]:
    tags: dict[str, str] = MlflowClient().get_model_version(MODEL_NAME, version).tags
    return tags


def _set_tags(figures: NextBatch | LiveAccuracy, present: Mapping[str, str]) -> None:
    """Set the tags of figures; their accuracy never stands beside former figures."""
    tags = monitoring_tags.to_tags(figures)
    if tags.items() <= present.items():
        return
    _remove_accuracy(type(figures), figures.version, present)
    for tag, value in tags.items():
        MlflowClient().set_model_version_tag(MODEL_NAME, figures.version, tag, value)


def _remove_accuracy(
    kind: type[NextBatch | LiveAccuracy], version: str, present: Mapping[str, str]
) -> None:
    tag = monitoring_tags.tag_of(kind, monitoring_tags.ACCURACY)
    if tag in present:
        MlflowClient().delete_model_version_tag(MODEL_NAME, version, tag)


def last_written_hour(moment: datetime) -> datetime:
    """Return the beginning, in UTC, of the last hour whose predictions are all written."""
    written = (moment - _WRITTEN_AFTER).astimezone(UTC)
    return written.replace(minute=0, second=0, microsecond=0) - _HOUR


def name_of_hour(hour: datetime) -> str:
    """Return the name of an hour's document from its beginning, in UTC."""
    return f"{hour:%Y%m%dT%H}"


def monitor_hour(datasets: Datasets, hour: datetime, limits: Limits) -> str:
    """Compare what was asked of the service in an hour with what Production was trained on.

    Parameters
    ----------
    datasets : Datasets
    hour : datetime
        The beginning of the hour, in UTC.
    limits : Limits

    Returns
    -------
    str
        The name of the evaluation.

    Raises
    ------
    NothingToMonitor
        If Production is empty, nobody asked, or the hour was compared already.
    """
    production = find_production(datasets)
    name, span = name_of_hour(hour), f"from {hour:%Y-%m-%d %H:%M} to {hour + _HOUR:%H:%M} UTC"
    if name in datasets.monitored_hours.names():
        raise NothingToMonitor(f"The predictions {span} were compared already")
    reference = _read_reference(datasets, production)
    parts = datasets.read_answered(hour, hour + _HOUR)
    window = reduce(add, map(reference.count, parts), reference.count(NO_ROWS))
    comparison = reference.compare(window, 0.0, limits)
    if not comparison.rows:
        raise NothingToMonitor(f"Nobody asked for a prediction {span}")
    log.info(
        "%d predictions %s; beyond the limits: %s", comparison.rows, span, _findings(comparison)
    )
    page = drift_page(
        f"Predictions {span}",
        f"{comparison.rows:,} observations that were asked about are compared with the "
        f"{reference.rows:,} of the training data {production.snapshot} of version "
        f"{production.version}. Their classes are those that the service answered.",
        comparison,
    )
    tags = {_VERSION_TAG: production.version, SNAPSHOT_TAG: production.snapshot, _HOUR_TAG: name}
    run = _log_once(f"predictions_{name}", tags, comparison, {}, [], page)
    facts = {
        "version": production.version,
        "snapshot": production.snapshot,
        "hour": hour.isoformat(),
        "rows": comparison.rows,
        **comparison.facts(),
        **run,
    }
    datasets.monitored_hours.add(name, facts)
    return name


def _read_reference(datasets: Datasets, production: Monitored) -> Reference:
    return Reference.of(np.concatenate(list(datasets.read_snapshot_parts(production.snapshot))))


def _part(rows: Codes) -> Part:
    return Part(to_frame(rows), rows[:, -1].astype(np.int64))


def _digest(rows: Codes) -> str:
    return hashlib.sha256(rows.tobytes()).hexdigest()[:12]


def _findings(comparison: Comparison) -> str:
    return ", ".join(shift.name for shift in comparison.findings) or "nothing"


def _log_once(
    name: str,
    tags: Mapping[str, str],
    comparison: Comparison,
    metrics: Mapping[str, float],
    inputs: Sequence[DatasetInput],
    page: Page,
) -> dict[str, str]:
    """Log an evaluation as a run and return its ids; a finished run of an earlier try is kept."""
    client = MlflowClient()
    experiment = mlflow.set_experiment(EXPERIMENT)
    query = f"tags.`{_EVALUATION_TAG}` = '{name}'"
    for run in client.search_runs([experiment.experiment_id], query):
        if run.info.status == "FINISHED":
            return _ids(run.info)
        log.warning("%s: an earlier try left run %s unfinished, deleted", name, run.info.run_id)
        client.delete_run(run.info.run_id)
    of_run = {_EVALUATION_TAG: name, _FINDINGS_TAG: _findings(comparison), **tags, **SOURCE}
    with mlflow.start_run(run_name=name, tags=of_run) as started:
        if inputs:
            client.log_inputs(started.info.run_id, inputs)
        shifts = {shift.name: shift.value for shift in comparison.shifts}
        mlflow.log_metrics({"rows": comparison.rows, **shifts, **metrics})
        mlflow.log_text(render(page), REPORT)
    return _ids(started.info)


def _ids(info: RunInfo) -> dict[str, str]:
    return {"experiment_id": str(info.experiment_id), "run_id": str(info.run_id)}
