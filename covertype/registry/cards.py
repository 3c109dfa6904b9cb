"""Writes the model card of a version as an artifact of its run."""

import logging

import mlflow
from mlflow import MlflowClient

from covertype.data import Datasets
from covertype.gate.verdicts import REASON
from covertype.registry.logged import fetch_figures, model_uri
from covertype.registry.names import MODEL_NAME
from covertype.registry.tracking import SNAPSHOT_TAG, TRAINED_BY
from covertype.reports.card import CardFacts, NextBatchScore, card_page
from covertype.reports.page import render

log = logging.getLogger(__name__)

CARD = "model_card.html"
"""The artifact of the version's run."""

_SHOWN = 50


def write_card(datasets: Datasets, version: str) -> None:
    """Write the card of a version from what is known now; a later card replaces it.

    A card that can't be written is logged: what it tells of is done already.
    """
    try:
        _write(datasets, version)
    except Exception:
        log.exception("The model card of version %s can't be written", version)


def _write(datasets: Datasets, version: str) -> None:
    registered = MlflowClient().get_model_version(MODEL_NAME, version)
    run = MlflowClient().get_run(registered.run_id)
    snapshot = run.data.tags.get(SNAPSHOT_TAG, "")
    is_known = snapshot in datasets.snapshot_names()
    logged = mlflow.models.get_model_info(model_uri(run))
    facts = CardFacts(
        version=version,
        snapshot=snapshot or "unknown",
        rows=datasets.count_snapshot(snapshot) if is_known else 0,
        period=datasets.collected_period(snapshot) if is_known else None,
        parameters={
            name: value for name, value in sorted(run.data.params.items()) if name != TRAINED_BY
        },
        libraries={
            "scikit-learn": logged.flavors["sklearn"]["sklearn_version"],
            "trained by": run.data.params.get(TRAINED_BY, "unknown"),
            "MLflow": logged.mlflow_version,
        },
        metrics=run.data.metrics,
        confusion=fetch_figures(run.info.run_id).confusion_matrix,
        reason=registered.tags.get(REASON, "unknown"),
        next_batches=_next_batches(datasets),
    )
    MlflowClient().log_text(run.info.run_id, render(card_page(facts)), CARD)


def _next_batches(datasets: Datasets) -> list[NextBatchScore]:
    """Return the last scores of each version on each batch, those of the newest versions."""
    last = {
        (one["version"], one["batch"]): NextBatchScore(
            one["version"],
            one["batch"],
            one["rows"],
            one["metrics"]["accuracy"],
            one["metrics"]["f1_macro"],
            sum(shift["finding"] for shift in one["shifts"]),
        )
        for one in datasets.monitored_batches.read().values()
        if "metrics" in one and one["is_next"]
    }
    return list(last.values())[-_SHOWN:]
