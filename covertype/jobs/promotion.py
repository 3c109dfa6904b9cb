"""Jobs of registration, promotion and the way back."""

import logging

import numpy as np

from covertype.gate.rules import Limits
from covertype.jobs import services
from covertype.jobs.connection import connect
from covertype.registry import cards, manual, promotion, reproduction, tracking
from covertype.registry.promotion import Gate
from covertype.registry.reproduction import Reproduction
from covertype.rows.codes import find
from covertype.settings import PromotionSettings, Settings
from covertype.training.fitting import judgement_rows

log = logging.getLogger(__name__)


def register(run_id: str) -> str:
    """Register a run's model as a version of the served model; return the version."""
    connect()
    return promotion.register(run_id)


def promote(version: str) -> bool:
    """Judge a version, and promote it if it passes; return whether it was promoted.

    It is judged beside the version in Production on the judgement part of the data that it was
    trained on.

    Raises
    ------
    ValueError
        If the data that it was trained on is not known.
    """
    settings, chosen = connect(), PromotionSettings()
    snapshot = tracking.snapshot_of(promotion.run_of(version))
    if snapshot is None:
        raise ValueError(f"Version {version} does not say what it was trained on")
    datasets = settings.datasets
    judged = judgement_rows(datasets.read_snapshot(snapshot))
    newest = np.zeros(len(judged), np.bool_)
    newest[find(datasets.read_newest_batch(snapshot), judged)] = True
    gate = Gate(
        datasets.history,
        _limits(chosen),
        judged,
        newest,
        datasets.read_newest_predictions(chosen.promotion_replay_rows),
        chosen.promotion == "manual",
    )
    decision = gate.promote(version)
    log.info("Version %s %s: %s", version, decision.outcome, decision.verdict.reason)
    if decision.promoted:
        cards.write_card(datasets, version)
    return decision.promoted


def promote_by_hand(version: str, who: str, why: str) -> None:
    """Put a version that passed the gate into Production.

    Raises
    ------
    NotPossible
        If the version may not become Production.
    """
    datasets = connect().datasets
    manual.promote_by_hand(datasets.history, version, who, why)
    cards.write_card(datasets, version)


def roll_back(version: str, who: str, why: str) -> None:
    """Put Production back to an earlier version.

    Raises
    ------
    NotPossible
        If the version may not become Production.
    """
    manual.roll_back(connect().datasets.history, version, who, why)


def reproduce(version: str) -> Reproduction:
    """Train a version again from its snapshot and compare the answers.

    Raises
    ------
    NotReproducible
        If its snapshot or its parameters are not known any more.
    """
    return reproduction.reproduce(version, connect().datasets)


def wait_until_served(version: str) -> list[str]:
    """Wait until every replica of the inference service answers with a version; return them.

    Raises
    ------
    NotFollowed
        If one does not in time.
    """
    replicas = services.wait_until_served(Settings().inference_url, version)
    log.info("Version %s answers at %s", version, ", ".join(replicas))
    return replicas


def _limits(settings: PromotionSettings) -> Limits:
    return Limits(
        minimum_gain=settings.promotion_min_gain,
        recall_loss=settings.promotion_max_recall_loss,
        newest_loss=settings.promotion_max_newest_loss,
        row_milliseconds=settings.promotion_max_row_ms,
        loaded_mb=settings.promotion_max_loaded_mb,
        artifact_mb=settings.promotion_max_artifact_mb,
        changed_share=settings.promotion_max_changed_share,
    )
