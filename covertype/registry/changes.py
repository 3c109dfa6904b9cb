"""Changes of Production: one at a time, and the history is told before and after each.

An interrupted change leaves an entry of the history that was begun and not ended. The next change
of any kind finds it, looks into MLflow for what became of it, and ends it.
"""

import logging
from typing import Any

from mlflow import MlflowClient

from covertype.gate.verdicts import VERDICT, Outcome
from covertype.history import History, Kind, State, production_of
from covertype.registry.names import MODEL_NAME
from covertype.registry.production import point_alias, production_version, to_production

log = logging.getLogger(__name__)


def settled_production(history: History) -> str | None:
    """Return the version in Production, after the history and the alias agree with it."""
    with history.locked():
        return settle(history)


def put_into_production(
    history: History, version: str, expected: str | None, kind: Kind, **details: Any
) -> bool:
    """Put a version into Production if `expected` is still there; return whether it was.

    Parameters
    ----------
    history : History
    version : str
    expected : str, optional
        The version in Production that the decision was made on; None if there was none.
    kind : Kind
        `PROMOTED` or `ROLLED_BACK`.
    details
        `who`, `why`, `facts` and `snapshot` of the history's `Entry`.

    Raises
    ------
    Busy
        If another change does not end within five minutes.
    """
    with history.locked():
        if settle(history) != expected:
            log.warning("Production changed while version %s was judged", version)
            return False
        number = history.add(kind, version, expected, **details)
        to_production(version)
        _end(history, number, kind, version)
    return True


def settle(history: History) -> str | None:
    """Let history and alias agree with what is in Production, and return it.

    The caller holds the history's lock.
    """
    found = production_version()
    present = None if found is None else str(found.version)
    if MlflowClient().search_registered_models(f"name = '{MODEL_NAME}'"):
        point_alias(present)
    for entry in history.entries():
        if entry.state is not State.BEGUN:
            continue
        if entry.version == present:
            _end(history, entry.number, entry.kind, entry.version)
        else:
            log.warning("The change to version %s was interrupted", entry.version)
            history.end(entry.number, State.ABANDONED)
    recorded = production_of(history.entries())
    if recorded is None and present is not None:
        recorded = _tell_former_release(history, present)
    if present is not None and present != recorded:
        _tell_found(history, present, recorded)
    return present


def _tell_former_release(history: History, present: str) -> str | None:
    """Begin the history with the versions that a release without one promoted; return the last."""
    versions = MlflowClient().search_model_versions(f"name = '{MODEL_NAME}'")
    promoted = sorted(
        int(one.version) for one in versions if one.tags.get(VERDICT) == Outcome.PROMOTED
    )
    former = None
    for version in map(str, promoted):
        if version != present:
            _tell_found(history, version, former)
            former = version
    return former


def _tell_found(history: History, version: str, former: str | None) -> None:
    history.end(history.add(Kind.FOUND, version, former), State.DONE)


def _end(history: History, number: int, kind: Kind, version: str) -> None:
    if kind is Kind.PROMOTED:
        MlflowClient().set_model_version_tag(MODEL_NAME, version, VERDICT, Outcome.PROMOTED)
    history.end(number, State.DONE)
