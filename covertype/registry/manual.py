"""What people decide: an eligible version forward, or Production back to an earlier version."""

import logging

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from covertype.gate.verdicts import VERDICT, Outcome
from covertype.history import History, Kind
from covertype.models.predictors import prove
from covertype.models.trials import on_trial
from covertype.registry.changes import put_into_production, settled_production
from covertype.registry.names import MODEL_NAME
from covertype.registry.promotion import run_of
from covertype.registry.tracking import Unusable, snapshot_of, usable

log = logging.getLogger(__name__)

_TRIES = 3


class NotPossible(ValueError):
    """The version can't be put into Production; the message says why and what is possible."""


def promote_by_hand(history: History, version: str, who: str, why: str) -> bool:
    """Put a version that passed the gate into Production; return False if it is there already.

    Raises
    ------
    NotPossible
        If it has not passed the gate, or does not answer as it did in training.
    """
    allowed = {Outcome.ELIGIBLE.value, Outcome.PROMOTED.value}
    return _put(history, version, Kind.PROMOTED, allowed, who, why)


def roll_back(history: History, version: str, who: str, why: str) -> bool:
    """Put a version that was in Production before back; return False if it is there already.

    A version trained on the same data as the one that it replaces is not promoted any more.

    Raises
    ------
    NotPossible
        If it was never in Production, or does not answer as it did in training.
    """
    return _put(history, version, Kind.ROLLED_BACK, {Outcome.PROMOTED.value}, who, why)


def _put(history: History, version: str, kind: Kind, allowed: set[str], who: str, why: str) -> bool:
    for _ in range(_TRIES):
        present = settled_production(history)
        if version == present:
            log.info("Version %s is in Production already", version)
            return False
        possible = _with_outcome(history, allowed) - {present}
        if version not in possible:
            raise NotPossible(
                f"Version {version!r} can't be put into Production this way; possible are "
                f"{', '.join(sorted(possible, key=int)) or 'none'}"
            )
        _prove(version)
        snapshot = snapshot_of(run_of(present)) if present and kind is Kind.ROLLED_BACK else None
        details = {"who": who, "why": why, "snapshot": snapshot}
        if put_into_production(history, version, present, kind, **details):
            return True
    raise NotPossible(f"Production changed {_TRIES} times meanwhile; version {version} must wait")


def _with_outcome(history: History, outcomes: set[str]) -> set[str]:
    """Return the versions with one of these outcomes; once in Production counts as promoted."""
    try:
        versions = MlflowClient().search_model_versions(f"name = '{MODEL_NAME}'")
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return set()
    was_there = {entry.version for entry in history.entries() if entry.changed_production}
    return {
        str(one.version)
        for one in versions
        if one.tags.get(VERDICT) in outcomes or str(one.version) in was_there
    }


def _prove(version: str) -> None:
    """Let a version answer its golden rows in the form in which it will serve."""
    try:
        with (
            usable(f"models:/{MODEL_NAME}/{version}") as logged,
            on_trial(logged.folder) as contender,
        ):
            prove(contender.predictor, logged.read_proof())
    except Unusable as error:
        raise NotPossible(f"Version {version} is not fit for Production: {error}") from error
