"""How a run becomes a version, and a version Production: only by beating the present one."""

import logging
from dataclasses import dataclass

import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.metrics import accuracy_score

from covertype.contract import CLASSES
from covertype.registry import production_version, to_production
from covertype.tracking import fetch_answers, model_uri
from covertype.training import Part
from covertype.versions import (
    ACCURACY,
    FORMER,
    FORMER_ACCURACY,
    MODEL_NAME,
    PROMOTED,
    REASON,
    REFUSED,
    TEST_ROWS,
    VERDICT,
)

log = logging.getLogger(__name__)


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
    """Score a registered version on observations of known classes."""
    answers = fetch_answers(f"models:/{MODEL_NAME}/{version}", part.observations)
    return float(accuracy_score(part.classes, answers.argmax(axis=1)))


def promote_if_better(version: str, test: Part) -> Verdict:
    """Make a version Production if it beats the present one on the same test rows.

    The first has to beat an answer that is always the most frequent class.
    The verdict and its figures become tags of the version.
    """
    former = production_version()
    if former is not None and former.version == version:
        to_production(version)
        return Verdict(True, "is in Production already, from an earlier try")
    accuracy = accuracy_of(version, test)
    tags = {ACCURACY: f"{accuracy:.6f}", TEST_ROWS: str(len(test))}
    if former is None:
        rival = float(np.bincount(test.classes, minlength=len(CLASSES)).max() / len(test))
        against = "always answering the most frequent class"
    else:
        rival = accuracy_of(former.version, test)
        against = f"version {former.version} in Production"
        tags |= {FORMER: former.version, FORMER_ACCURACY: f"{rival:.6f}"}
    promoted = accuracy > rival
    verdict = Verdict(
        promoted,
        f"accuracy {accuracy:.4f} is {'higher' if promoted else 'not higher'} than {rival:.4f} "
        f"of {against}, on the same {len(test)} test rows",
    )
    tags |= {REASON: verdict.reason, VERDICT: verdict.outcome}
    for key, value in tags.items():
        MlflowClient().set_model_version_tag(MODEL_NAME, version, key, value)
    if promoted:
        to_production(version)
    return verdict
