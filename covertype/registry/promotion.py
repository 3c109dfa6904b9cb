"""How a run becomes a version, and a version Production: only by beating the present one."""

import logging
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.metrics import accuracy_score

from covertype.registry.names import (
    ACCURACY,
    FORMER,
    FORMER_ACCURACY,
    FORMER_FAULT,
    MODEL_NAME,
    PROMOTED,
    REASON,
    REFUSED,
    TEST_ROWS,
    VERDICT,
)
from covertype.registry.production import point_alias, production_version, to_production
from covertype.registry.ranking import floor_accuracy, is_better
from covertype.registry.tracking import Unusable, fetch_answers, model_uri
from covertype.training.fitting import Part

log = logging.getLogger(__name__)

_MOST_JUDGEMENTS = 3
_OF_A_JUDGEMENT = {FORMER, FORMER_ACCURACY, FORMER_FAULT, VERDICT}
_FAULT_LENGTH = 300


@dataclass(frozen=True)
class Verdict:
    """Whether a version became Production, and why, as a sentence with figures."""

    promoted: bool
    reason: str

    @property
    def outcome(self) -> str:
        return PROMOTED if self.promoted else REFUSED


def register(run_id: str) -> str:
    """Register a run's model, once; return its version."""
    client = MlflowClient()
    try:
        client.create_registered_model(MODEL_NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    known = client.search_model_versions(f"name = '{MODEL_NAME}' and run_id = '{run_id}'")
    if known:
        log.info("Version %s is registered from an earlier try", known[0].version)
        return str(known[0].version)
    source = model_uri(client.get_run(run_id))
    registered = client.create_model_version(
        MODEL_NAME, source, run_id, model_id=source.removeprefix("models:/")
    )
    return str(registered.version)


def run_of(version: str) -> str:
    """Return the id of the run that made a version."""
    return str(MlflowClient().get_model_version(MODEL_NAME, version).run_id)


def accuracy_of(version: str, part: Part) -> float:
    """Score a registered version on observations of known classes.

    Raises
    ------
    Unusable
        If it can't answer.
    """
    answers = fetch_answers(f"models:/{MODEL_NAME}/{version}", part.observations)
    return float(accuracy_score(part.classes, answers.argmax(axis=1)))


def promote_if_better(version: str, test: Part) -> Verdict:
    """Make a version Production if it beats the present one on the same test rows.

    Without one, or if that one can't answer, it has to beat an answer that is always the most
    frequent class. If a person changes Production meanwhile, the version is judged again. Figures
    and reason become tags of the version before it is promoted, the verdict afterwards.
    """
    for _ in range(_MOST_JUDGEMENTS):
        present = _in_production()
        if present == version:
            return _record(version, Verdict(True, _reason_of(version)))
        verdict = _judge(version, present, test)
        if _in_production() == present:
            if verdict.promoted:
                to_production(version)
            return _record(version, verdict)
        log.warning("Production changed while version %s was judged", version)
    reason = f"Production changed {_MOST_JUDGEMENTS} times while the version was judged"
    return _record(version, Verdict(False, reason))


def _in_production() -> str | None:
    """Return the version in Production, and let the alias follow it if a person moved it there."""
    found = production_version()
    version = None if found is None else str(found.version)
    point_alias(version)
    return version


def _reason_of(version: str) -> str:
    """Return the reason for which a version is in Production."""
    tags = MlflowClient().get_model_version(MODEL_NAME, version).tags
    if tags.get(VERDICT) == REFUSED or REASON not in tags:
        return "is in Production already, put there by hand"
    # An earlier try promoted it, and may have ended before it could record the verdict.
    return str(tags[REASON])


def _judge(version: str, present: str | None, test: Part) -> Verdict:
    """Compare a version with the one in Production, and tag it with the figures and the reason."""
    accuracy = accuracy_of(version, test)
    rival = floor_accuracy(test.classes)
    against, aside = "always answering the most frequent class", ""
    tags = {ACCURACY: f"{accuracy:.6f}", TEST_ROWS: str(len(test))}
    if present is not None:
        tags[FORMER] = present
        try:
            rival = accuracy_of(present, test)
        except Unusable as error:
            tags[FORMER_FAULT] = fault = " ".join(str(error).split())[:_FAULT_LENGTH]
            aside = f"; version {present} in Production can't answer: {fault}"
            log.error(
                "Version %s in Production can't answer, so version %s is judged as the first: %s",
                *(present, version, fault),
            )
        else:
            tags[FORMER_ACCURACY] = f"{rival:.6f}"
            against = f"version {present} in Production"
    promoted = is_better(accuracy, rival)
    reason = (
        f"accuracy {accuracy:.4f} is {'higher' if promoted else 'not higher'} than {rival:.4f} "
        f"of {against}, on the same {len(test)} test rows{aside}"
    )
    client = MlflowClient()
    for key in _OF_A_JUDGEMENT - tags.keys():
        client.delete_model_version_tag(MODEL_NAME, version, key)
    for key, value in (tags | {REASON: reason}).items():
        client.set_model_version_tag(MODEL_NAME, version, key, value)
    return Verdict(promoted, reason)


def _record(version: str, verdict: Verdict) -> Verdict:
    for key, value in ((REASON, verdict.reason), (VERDICT, verdict.outcome)):
        MlflowClient().set_model_version_tag(MODEL_NAME, version, key, value)
    return verdict
