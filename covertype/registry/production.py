"""The registered model: its name, and which of its versions is in Production."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from covertype.registry.names import ALIAS, MODEL_NAME, STAGE

__all__ = ["MODEL_NAME", "STAGE", "point_alias", "production_version", "to_production"]


@contextmanager
def _stages() -> Iterator[None]:
    # MLflow advises against stages at every use; they are a name that our users know.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*stages.*", category=FutureWarning)
        yield


def production_version() -> ModelVersion | None:
    """Return the version whose stage is Production, if there is one."""
    with _stages():
        try:
            versions = MlflowClient().get_latest_versions(MODEL_NAME, [STAGE])
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
    return versions[0] if versions else None


def point_alias(version: str | None) -> None:
    """Give the alias `production` to the version in that stage, whoever moved it there.

    Without a version in the stage the alias is removed.
    """
    client = MlflowClient()
    former = client.get_registered_model(MODEL_NAME).aliases.get(ALIAS)
    if former is not None and version is None:
        client.delete_registered_model_alias(MODEL_NAME, ALIAS)
    elif version is not None and str(former) != version:
        client.set_registered_model_alias(MODEL_NAME, ALIAS, version)


def to_production(version: str) -> None:
    """Move a version to stage Production with alias `production`; archive the former."""
    client = MlflowClient()
    with _stages():
        client.transition_model_version_stage(
            MODEL_NAME, version, STAGE, archive_existing_versions=True
        )
    client.set_registered_model_alias(MODEL_NAME, ALIAS, version)
