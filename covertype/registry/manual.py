"""What people decide: an eligible version forward, or Production back to an earlier version."""

import logging
from collections.abc import Mapping

from covertype.history import History, Kind, once_in_production, waiting
from covertype.registry.changes import put_into_production, settled_production
from covertype.registry.production import version_uri
from covertype.registry.promotion import run_of
from covertype.registry.tracking import Unusable, snapshot_of, usable

log = logging.getLogger(__name__)

_TRIES = 3


class NotPossible(ValueError):
    """The version can't be put into Production; the message says why and what is possible."""


class ProductionChanged(NotPossible):
    """Another version is in Production than the one that was to be replaced."""


def promote_by_hand(history: History, version: str, who: str, why: str) -> bool:
    """Put a version that may be promoted into Production; return False if it is there already.

    It passed the gate beside the present version in Production, or was in Production before.

    Raises
    ------
    NotPossible
        If it may not, or does not answer as it did in training.
    """
    return _put(history, version, Kind.PROMOTED, who, why)


def roll_back(
    history: History,
    version: str,
    who: str,
    why: str,
    instead_of: str | None = None,
    facts: Mapping[str, str] | None = None,
) -> bool:
    """Put a version that was in Production before back; return False if it is there already.

    A version trained on the same data as the one that it replaces is not promoted any more.

    Parameters
    ----------
    history : History
    version, who, why : str
    instead_of : str, optional
        The version that has to be in Production; by default any.
    facts : mapping, optional
        Figures for the history.

    Raises
    ------
    NotPossible
        If it was never in Production, or does not answer as it did in training.
    ProductionChanged
        If another version than `instead_of` is in Production.
    """
    return _put(history, version, Kind.ROLLED_BACK, who, why, instead_of, facts)


def _put(
    history: History,
    version: str,
    kind: Kind,
    who: str,
    why: str,
    instead_of: str | None = None,
    facts: Mapping[str, str] | None = None,
) -> bool:
    for _ in range(_TRIES):
        present = settled_production(history)
        if version == present:
            log.info("Version %s is in Production already", version)
            return False
        if instead_of not in (None, present):
            raise ProductionChanged(
                f"Version {instead_of} is not in Production any more, but {present or 'none'}: "
                f"nothing goes back to version {version}"
            )
        possible = _possible(history, kind)
        if version not in possible:
            raise NotPossible(
                f"Version {version!r} can't be put into Production this way; possible are "
                f"{', '.join(sorted(possible, key=int)) or 'none'}"
            )
        _prove(version)
        snapshot = snapshot_of(run_of(present)) if present and kind is Kind.ROLLED_BACK else None
        details = {"who": who, "why": why, "snapshot": snapshot, "facts": facts or {}}
        if put_into_production(history, version, present, kind, **details):
            return True
    raise NotPossible(f"Production changed {_TRIES} times meanwhile; version {version} must wait")


def _possible(history: History, kind: Kind) -> set[str]:
    entries = history.entries()
    possible = once_in_production(entries)
    if kind is Kind.PROMOTED:
        possible += waiting(entries)
    return {entry.version for entry in possible}


def _prove(version: str) -> None:
    """Let a version answer its golden rows in the form in which it will serve."""
    from covertype.models.predictors import prove
    from covertype.models.trials import on_trial

    try:
        with (
            usable(version_uri(version)) as logged,
            on_trial(logged.folder) as contender,
        ):
            prove(contender.predictor, logged.read_proof())
    except Unusable as error:
        raise NotPossible(f"Version {version} is not fit for Production: {error}") from error
