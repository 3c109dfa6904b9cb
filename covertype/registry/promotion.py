"""Registers a run as a version, and promotes a version that beats the one in Production."""

import logging

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.metrics import accuracy_score

from covertype.registry import former_verdicts, verdicts
from covertype.registry.logged import model_uri
from covertype.registry.names import MODEL_NAME, REASON, REFUSED, RULE, VERDICT
from covertype.registry.production import point_alias, production_version, to_production
from covertype.registry.ranking import floor_accuracy, is_better
from covertype.registry.tracking import Unusable, fetch_answers
from covertype.registry.verdicts import Rule, Verdict
from covertype.training.fitting import Part

log = logging.getLogger(__name__)

_JUDGEMENT_LIMIT = 3
_FAULT_LENGTH_LIMIT = 300


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


def accuracy_of(version: str, part: Part) -> float:
    """Return a registered version's accuracy on observations with known classes.

    Raises
    ------
    Unusable
        If the version can't answer.
    """
    answers = fetch_answers(f"models:/{MODEL_NAME}/{version}", part.observations)
    return float(accuracy_score(part.classes, answers.argmax(axis=1)))


def promote_if_better(version: str, test: Part) -> Verdict:
    """Move a version to Production if it beats the present one on the same test rows.

    If Production is empty or can't answer, the version must beat the floor: always answering the
    most frequent class. If a person changes Production meanwhile, the version is judged again.
    The tags with figures, rule and reason are written before the promotion, the outcome after it.
    """
    for _ in range(_JUDGEMENT_LIMIT):
        present = _in_production()
        if present == version:
            verdict = _verdict_in_production(version)
            _tag(version, verdict)
            return _record(version, verdict)
        verdict = _judge(version, present, test)
        _tag(version, verdict)
        if _in_production() == present:
            if verdict.promoted:
                to_production(version)
            return _record(version, verdict)
        log.warning("Production changed while version %s was judged", version)
    verdict = Verdict(rule=Rule.PRODUCTION_CHANGED, changes=_JUDGEMENT_LIMIT)
    _tag(version, verdict)
    return _record(version, verdict)


def _in_production() -> str | None:
    """Return the version in Production; the alias follows a stage that a person changed."""
    found = production_version()
    version = None if found is None else str(found.version)
    point_alias(version)
    return version


def _verdict_in_production(version: str) -> Verdict:
    """Return the verdict that explains why a version is in Production."""
    tags = MlflowClient().get_model_version(MODEL_NAME, version).tags
    if tags.get(VERDICT) != REFUSED:
        # An earlier try may have promoted it and ended before it recorded the outcome.
        verdict = verdicts.from_tags(tags) or former_verdicts.from_tags(tags)
        if verdict is not None and verdict.promoted:
            return verdict
    return Verdict(rule=Rule.BY_HAND)


def _judge(version: str, present: str | None, test: Part) -> Verdict:
    """Compare a version with the one in Production, or with the floor."""
    accuracy, fault = accuracy_of(version, test), None
    if present is not None:
        try:
            rival = accuracy_of(present, test)
        except Unusable as error:
            fault = " ".join(str(error).split())[:_FAULT_LENGTH_LIMIT]
            log.error(
                "Version %s in Production can't answer, so version %s is judged as the first: %s",
                *(present, version, fault),
            )
        else:
            return Verdict(
                rule=Rule.BETTER if is_better(accuracy, rival) else Rule.NOT_BETTER,
                accuracy=accuracy,
                test_rows=len(test),
                former_version=present,
                former_accuracy=rival,
            )
    floor = floor_accuracy(test.classes)
    better, not_better = (
        (Rule.FIRST, Rule.FIRST_NOT_BETTER)
        if present is None
        else (Rule.FORMER_FAULT, Rule.FORMER_FAULT_NOT_BETTER)
    )
    return Verdict(
        rule=better if is_better(accuracy, floor) else not_better,
        accuracy=accuracy,
        test_rows=len(test),
        floor_accuracy=floor,
        former_version=present,
        former_fault=fault,
    )


def _tag(version: str, verdict: Verdict) -> None:
    """Replace the tags of any earlier judgement of a version."""
    client, facts = MlflowClient(), {REASON: verdict.reason} | verdict.facts()
    # The rule is removed first and set last, so that it never stands beside another rule's figures.
    for key in (RULE, *(verdicts.TAGS - facts.keys())):
        client.delete_model_version_tag(MODEL_NAME, version, key)
    for key, value in facts.items():
        client.set_model_version_tag(MODEL_NAME, version, key, value)


def _record(version: str, verdict: Verdict) -> Verdict:
    """Tag a version with the outcome of its verdict, after everything else is done."""
    MlflowClient().set_model_version_tag(MODEL_NAME, version, VERDICT, verdict.outcome)
    return verdict
