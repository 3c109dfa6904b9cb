"""The history of Production: every change, refusal and rollback, with who, when and why.

Each entry is a document that is never changed. A change of Production has two: one before the first
call to MLflow, and one when it has ended. The history outlives MLflow's tags and database.

This module is quick to import, as Airflow reads the history whenever it parses the DAGs.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from covertype.documents import Documents
from covertype.storage import Store

FOLDER = "promotions"
"""Where the history is, under the datasets root."""

GATE = "the promotion gate"
"""Who promotes and refuses, if no person does."""

_ENDED = "_ended"


class Kind(StrEnum):
    """What happened to a version. The values are stored, so they must not change."""

    PROMOTED = "promoted"
    ELIGIBLE = "eligible"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    """Production went back to the version."""
    FOUND = "found"
    """It was found in Production, put there by other means."""


class State(StrEnum):
    """How far a change of Production is."""

    BEGUN = "begun"
    DONE = "done"
    ABANDONED = "abandoned"


_CHANGES = {Kind.PROMOTED, Kind.ROLLED_BACK, Kind.FOUND}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry: `former` was in Production before, `facts` hold the rule and its figures.

    `snapshot` names the training data of the version that a rollback took out of Production.
    """

    kind: Kind
    version: str
    former: str | None
    who: str
    why: str
    facts: Mapping[str, str]
    snapshot: str | None = None
    at: datetime
    number: int = 0
    state: State = State.DONE

    @property
    def changed_production(self) -> bool:
        return self.kind in _CHANGES and self.state is State.DONE


@dataclass(frozen=True)
class History:
    """The history of Production, in a folder under the datasets root."""

    folder: Store

    def locked(self) -> AbstractContextManager[None]:
        """Let no other process change Production meanwhile; raises `Busy` after five minutes."""
        return self.folder.locked(".production.lock")

    def entries(self) -> list[Entry]:
        """Return all entries, the newest last."""
        documents = self._documents.read()
        return [
            _entry(int(name), content, documents.get(name + _ENDED))
            for name, content in documents.items()
            if not name.endswith(_ENDED)
        ]

    def add(self, kind: Kind, version: str, former: str | None, **details: Any) -> int:
        """Add an entry and return its number; the caller holds the lock.

        A change of Production is begun by this, and ended by `end`.

        Parameters
        ----------
        details
            `who`, `why`, `facts` and `snapshot` of the `Entry`, each optional.
        """
        number = max((entry.number for entry in self.entries()), default=0) + 1
        content = {"who": "", "why": "", "facts": {}, **details}
        content |= {"kind": kind, "version": version, "former": former, "at": _now()}
        # A process that lost its lock without noticing keeps its entry, after that of the other.
        while not self._documents.add(f"{number:06d}", content):
            number += 1
        return number

    def end(self, number: int, state: State) -> None:
        """Say how a change of Production has ended; the first call counts."""
        self._documents.add(f"{number:06d}{_ENDED}", {"state": state, "at": _now()})

    @property
    def _documents(self) -> Documents:
        return Documents(self.folder)


def last_change(entries: list[Entry]) -> Entry | None:
    """Return the last change of Production."""
    return next((one for one in reversed(entries) if one.changed_production), None)


def production_of(entries: list[Entry]) -> str | None:
    """Return the version that was last put into Production."""
    change = last_change(entries)
    return change.version if change else None


def once_in_production(entries: list[Entry]) -> list[Entry]:
    """Return the last entry of each version that was in Production before, the newest first."""
    last = {entry.version: entry for entry in entries if entry.changed_production}
    last.pop(production_of(entries) or "", None)
    return sorted(last.values(), key=lambda entry: -entry.number)


def waiting(entries: list[Entry]) -> list[Entry]:
    """Return the versions that wait for a person, the newest first.

    They passed the gate beside the present version in Production; beside another one they would
    have to be judged again.
    """
    present = production_of(entries)
    last = {entry.version: entry for entry in entries if entry.state is State.DONE}
    return [
        entry
        for entry in reversed(last.values())
        if entry.kind is Kind.ELIGIBLE and entry.former == present
    ]


def _entry(number: int, content: Mapping[str, Any], ended: Mapping[str, Any] | None) -> Entry:
    entry = Entry(
        **{
            **content,
            "kind": Kind(content["kind"]),
            "at": datetime.fromisoformat(content["at"]),
            "number": number,
        }
    )
    if entry.kind not in _CHANGES:
        return entry
    return replace(entry, state=State(ended["state"]) if ended else State.BEGUN)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
