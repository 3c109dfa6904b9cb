"""How a run becomes a version, and a version Production: only by beating the present one."""

import logging
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from sklearn.metrics import accuracy_score

from covertype.contract import CLASSES
from covertype.models import load_model
from covertype.registry import MODEL_NAME, production_version, to_production
from covertype.tracking import model_uri
from covertype.training import Part

log = logging.getLogger(__name__)

# Tags of a version: what was decided of it, and on which figures.
VERDICT = "promotion.verdict"
REASON = "promotion.reason"
ACCURACY = "promotion.accuracy"
FORMER = "promotion.former_version"
FORMER_ACCURACY = "promotion.former_accuracy"
TEST_ROWS = "promotion.test_rows"

PROMOTED = "promoted"
REFUSED = "refused"


@dataclass(frozen=True)
class Verdict:
    """Whether a version became Production, and why, as a sentence with figures."""

    version: str
    promoted: bool
    reason: str


def register(run: Run) -> ModelVersion:
    """Register a run's model as a version of `BestModelRF`, once."""
    client = MlflowClient()
    try:
        client.create_registered_model(MODEL_NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    known = client.search_model_versions(f"name = '{MODEL_NAME}' and run_id = '{run.info.run_id}'")
    if known:
        log.info("Version %s is registered from an earlier try", known[0].version)
        return known[0]
    source = model_uri(run)
    return client.create_model_version(
        MODEL_NAME, source, run.info.run_id, model_id=source.removeprefix("models:/")
    )


def accuracy_of(version: ModelVersion, part: Part) -> float:
    """Score a registered version on observations of known classes."""
    folder = mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version.version}")
    model = load_model(Path(folder))
    return float(accuracy_score(part.classes, model.predict(part.observations)))


def promote_if_better(version: ModelVersion, test: Part) -> Verdict:
    """Make a version Production if it beats the present one on the same test rows.

    The first has to beat an answer that is always the most frequent class.
    The verdict and its figures become tags of the version.
    """
    accuracy = accuracy_of(version, test)
    tags = {ACCURACY: f"{accuracy:.6f}", TEST_ROWS: str(len(test))}
    former = production_version()
    if former is not None and former.version == version.version:
        return Verdict(version.version, True, "is in Production already, from an earlier try")
    if former is None:
        rival = float(np.bincount(test.classes, minlength=len(CLASSES)).max() / len(test))
        against = "always answering the most frequent class"
    else:
        rival = accuracy_of(former, test)
        against = f"version {former.version} in Production"
        tags |= {FORMER: former.version, FORMER_ACCURACY: f"{rival:.6f}"}
    promoted = accuracy > rival
    reason = (
        f"accuracy {accuracy:.4f} is {'higher' if promoted else 'not higher'} than {rival:.4f} "
        f"of {against}, on the same {len(test)} test rows"
    )
    client = MlflowClient()
    for key, value in (tags | {REASON: reason}).items():
        client.set_model_version_tag(MODEL_NAME, version.version, key, value)
    if promoted:
        to_production(version.version)
    client.set_model_version_tag(
        MODEL_NAME, version.version, VERDICT, PROMOTED if promoted else REFUSED
    )
    return Verdict(version.version, promoted, reason)
