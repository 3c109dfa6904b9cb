"""The registered model: which of its versions is in Production, and moving one there."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from covertype.registry.names import ALIAS, ELIGIBLE_STAGE, MODEL_NAME, STAGE

__all__ = [
    "MODEL_NAME",
    "STAGE",
    "point_alias",
    "production_version",
    "to_eligible",
    "to_production",
    "version_uri",
]


@contextmanager
def _stages() -> Iterator[None]:
    # MLflow warns at every use that stages are deprecated; our users know them.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*stages.*", category=FutureWarning)
        yield


def version_uri(version: str) -> str:
    """Return the MLflow URI of a version's model."""
    return f"models:/{MODEL_NAME}/{version}"


def production_version() -> ModelVersion | None:
    """Return the version in stage Production, None if there is none."""
    with _stages():
        try:
            versions = MlflowClient().get_latest_versions(MODEL_NAME, [STAGE])
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
    return versions[0] if versions else None


def point_alias(version: str | None) -> None:
    """Move the alias `production` to the version in stage Production; None removes the alias.

    A person may have changed the stage in MLflow, which leaves the alias behind.
    """
    client = MlflowClient()
    former = client.get_registered_model(MODEL_NAME).aliases.get(ALIAS)
    if former is not None and version is None:
        client.delete_registered_model_alias(MODEL_NAME, ALIAS)
    elif version is not None and str(former) != version:
        client.set_registered_model_alias(MODEL_NAME, ALIAS, version)


def to_production(version: str) -> None:
    """Move a version to stage Production, archive the former one, then move the alias."""
    _to_stage(version, STAGE)
    MlflowClient().set_registered_model_alias(MODEL_NAME, ALIAS, version)


def to_eligible(version: str) -> None:
    """Move a version to stage Staging, where it waits for a person, and archive one that waits."""
    _to_stage(version, ELIGIBLE_STAGE)


def _to_stage(version: str, stage: str) -> None:
    with _stages():
        MlflowClient().transition_model_version_stage(
            MODEL_NAME, version, stage, archive_existing_versions=True
        )
