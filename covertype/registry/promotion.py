"""Registers a run as a version, judges it, and promotes it if it has earned it.

Every task of Airflow loads this module, and few judge: what compiles code is imported where it is
needed.
"""

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from covertype.gate import former_verdicts, verdicts
from covertype.gate.rules import (
    Cost,
    Incumbent,
    Limits,
    Probabilities,
    Replay,
    Rows,
    judge,
)
from covertype.gate.verdicts import REASON, RULE, VERDICT, Outcome, Rule, Verdict
from covertype.history import GATE, History, Kind
from covertype.registry.changes import put_into_production, settle, settled_production
from covertype.registry.logged import model_uri
from covertype.registry.names import MODEL_NAME
from covertype.registry.production import to_eligible, version_uri
from covertype.registry.tracking import (
    Unusable,
    answers_of,
    fetch_answers,
    snapshot_of,
    usable,
)
from covertype.reports.page import Page, render
from covertype.reports.verdict import Answered, verdict_page
from covertype.rows.codes import WIDTH, Codes, to_frame

log = logging.getLogger(__name__)

_JUDGEMENT_LIMIT = 3
_FAULT_LENGTH_LIMIT = 300
_MEASURED_ROWS = 500

REPORT = "promotion.html"
"""The artifact of the version's run that tells people how it was judged."""


def register(run_id: str) -> str:
    """Register a run's model and return its version; a second call returns the same version."""
    client = MlflowClient()
    try:
        client.create_registered_model(MODEL_NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    known = client.search_model_versions(f"name = '{MODEL_NAME}' and run_id = '{run_id}'")
    if known:
        log.info("An earlier try registered version %s", known[0].version)
        return str(known[0].version)
    source = model_uri(client.get_run(run_id))
    registered = client.create_model_version(
        MODEL_NAME, source, run_id, model_id=source.removeprefix("models:/")
    )
    return str(registered.version)


def run_of(version: str) -> str:
    """Return the id of the run that produced a version."""
    return str(MlflowClient().get_model_version(MODEL_NAME, version).run_id)


class Decision(NamedTuple):
    """A verdict, and what came of it."""

    verdict: Verdict
    outcome: Outcome

    @property
    def promoted(self) -> bool:
        return self.outcome is Outcome.PROMOTED


@dataclass(frozen=True)
class Gate:
    """Judges versions and promotes those that pass.

    `judged`, of shape (n, 13), are the rows that it judges on, `newest`, of shape (n,), says which
    of them are of the newest batch. `requests`, of shape (m, 13), are the latest requests with the
    classes that were answered. `is_manual` leaves a version that passes to a person.
    """

    history: History
    limits: Limits
    judged: Codes
    newest: npt.NDArray[np.bool_]
    requests: Codes
    is_manual: bool = False

    @cached_property
    def observations(self) -> pd.DataFrame:
        """What it judges on as a model takes it, shape (n, 12)."""
        return to_frame(self.judged)

    @cached_property
    def rows(self) -> Rows:
        """The classes of what it judges on."""
        return Rows(self.judged[:, WIDTH].astype(np.int64), self.newest)

    def promote(self, version: str) -> Decision:
        """Judge a version beside the one in Production, and act on the verdict.

        If a person changes Production meanwhile, the version is judged again. The tags with
        figures, rule and reason are written before the promotion, the outcome after it.
        """
        for _ in range(_JUDGEMENT_LIMIT):
            present = settled_production(self.history)
            if present == version:
                verdict = _verdict_in_production(version)
                _tag(version, verdict)
                return _record(version, verdict, Outcome.PROMOTED)
            verdict, page = self._judge(version, present)
            self._report(version, verdict, page)
            decision = self._act(version, present, verdict)
            if decision is not None:
                return decision
        changes = {"production_changes": _JUDGEMENT_LIMIT}
        verdict = Verdict(Rule.PRODUCTION_CHANGED, changes)
        self._report(version, verdict, verdict_page(version, verdict))
        with self.history.locked():
            self._tell(version, settle(self.history), Kind.REFUSED, verdict)
        return _record(version, verdict, Outcome.REFUSED)

    def _judge(self, version: str, present: str | None) -> tuple[Verdict, Page]:
        """Compare a version with the one in Production, or with the floor; report on it."""
        former = _rolled_back_from(self.history, version)
        if former is not None:
            verdict = Verdict(Rule.ROLLED_BACK, {"rolled_back_version": former})
            return verdict, verdict_page(version, verdict)
        try:
            answers, cost, replay = self._try(version)
        except Unusable as error:
            fault = _shortened(error)
            log.error("Version %s can't answer: %s", version, fault)
            verdict = Verdict(Rule.CANNOT_ANSWER, {"fault": fault})
            return verdict, verdict_page(version, verdict)
        incumbent = self._incumbent(present)
        verdict = judge(self.rows, answers, incumbent, self.limits, cost, replay)
        answered = Answered(self.rows.classes, answers, incumbent, replay)
        return verdict, verdict_page(version, verdict, answered)

    def _try(self, version: str) -> tuple[Probabilities, Cost, Replay]:
        """Let a version answer, also in the form that serves, and measure it there."""
        from covertype.models.trials import on_trial

        with usable(version_uri(version)) as model, on_trial(model.folder) as contender:
            answers = answers_of(model, self.observations)
            figures = contender.measure(np.ascontiguousarray(self.judged[:_MEASURED_ROWS, :WIDTH]))
            asked = contender.replay(self.requests)
        return (
            answers,
            Cost(
                figures.rows,
                figures.errors + figures.unsound + figures.unequal,
                figures.seconds_per_row,
                figures.loaded_bytes,
                figures.artifact_bytes,
            ),
            Replay(
                asked.rows,
                asked.errors + asked.unsound,
                asked.asked,
                asked.changed,
                asked.seconds_per_row,
            ),
        )

    def _incumbent(self, present: str | None) -> Incumbent | None:
        if present is None:
            return None
        try:
            return Incumbent(present, fetch_answers(version_uri(present), self.observations))
        except Unusable as error:
            fault = _shortened(error)
            log.error(
                "Version %s in Production can't answer, so the new one is judged as the first: %s",
                *(present, fault),
            )
            return Incumbent(present, None, fault)

    def _act(self, version: str, present: str | None, verdict: Verdict) -> Decision | None:
        """Do what follows from a verdict; None if Production is no longer what it was."""
        if verdict.passed and not self.is_manual:
            details = _details(verdict)
            done = put_into_production(self.history, version, present, Kind.PROMOTED, **details)
            return Decision(verdict, Outcome.PROMOTED) if done else None
        kind, outcome = (
            (Kind.ELIGIBLE, Outcome.ELIGIBLE) if verdict.passed else (Kind.REFUSED, Outcome.REFUSED)
        )
        with self.history.locked():
            if settle(self.history) != present:
                return None
            self._tell(version, present, kind, verdict)
            if verdict.passed:
                to_eligible(version)
        return _record(version, verdict, outcome)

    def _tell(self, version: str, present: str | None, kind: Kind, verdict: Verdict) -> None:
        """Add a verdict to the history, once; the caller holds the lock."""
        if not _is_told(self.history, version, kind, present, verdict):
            self.history.add(kind, version, present, **_details(verdict))

    def _report(self, version: str, verdict: Verdict, page: Page) -> None:
        MlflowClient().log_text(run_of(version), render(page), REPORT)
        _tag(version, verdict)


def _details(verdict: Verdict) -> dict[str, Any]:
    return {"who": GATE, "why": verdict.reason, "facts": verdict.facts()}


def _is_told(
    history: History, version: str, kind: Kind, former: str | None, verdict: Verdict
) -> bool:
    """Tell whether the history's last entry on a version says this already, as after a retry."""
    told = [entry for entry in history.entries() if entry.version == version]
    return bool(told) and (told[-1].kind, told[-1].former, told[-1].facts.get(RULE)) == (
        kind,
        former,
        verdict.rule,
    )


def _rolled_back_from(history: History, version: str) -> str | None:
    """Return the version with the same training data from which Production was rolled back."""
    snapshot = snapshot_of(run_of(version))
    changes = [entry for entry in history.entries() if entry.changed_production]
    for number, entry in enumerate(changes):
        if entry.kind is not Kind.ROLLED_BACK or snapshot is None or entry.snapshot != snapshot:
            continue
        if all(later.version != entry.former for later in changes[number:]):
            return entry.former
    return None


def _shortened(error: Exception) -> str:
    return " ".join(str(error).split())[:_FAULT_LENGTH_LIMIT]


def _verdict_in_production(version: str) -> Verdict:
    tags = MlflowClient().get_model_version(MODEL_NAME, version).tags
    if tags.get(VERDICT) != Outcome.REFUSED:
        # An earlier try may have promoted it and ended before it recorded the outcome.
        verdict = verdicts.from_tags(tags) or former_verdicts.from_tags(tags)
        if verdict is not None and verdict.passed:
            return verdict
    return Verdict(Rule.BY_HAND)


def _tag(version: str, verdict: Verdict) -> None:
    """Replace the tags of any earlier judgement of a version."""
    client, facts = MlflowClient(), {REASON: verdict.reason} | verdict.facts()
    # The rule is removed first and set last, so that it never stands beside another rule's figures.
    kept = client.get_model_version(MODEL_NAME, version).tags.keys()
    for key in (RULE, *(verdicts.TAGS - facts.keys() - {RULE})):
        if key in kept:
            client.delete_model_version_tag(MODEL_NAME, version, key)
    for key, value in facts.items():
        client.set_model_version_tag(MODEL_NAME, version, key, value)


def _record(version: str, verdict: Verdict, outcome: Outcome) -> Decision:
    """Tag a version with the outcome of its verdict, after everything else is done."""
    MlflowClient().set_model_version_tag(MODEL_NAME, version, VERDICT, outcome)
    return Decision(verdict, outcome)
