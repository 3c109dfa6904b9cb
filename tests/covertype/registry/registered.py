"""A registered model of one test, on a real MLflow server."""

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from covertype.gate.rules import Limits
from covertype.registry.logged import log_model
from covertype.registry.names import ALIAS, STAGE
from covertype.training.estimators import build
from covertype.training.fitting import TrainingSet, train
from covertype.training.searches import FOREST, Parameters

LIMITS = Limits(
    minimum_gain=0,
    recall_loss=0.02,
    newest_loss=0.01,
    row_milliseconds=1000,
    loaded_mb=1000,
    artifact_mb=1000,
    changed_share=1,
)


def snapshot_named(parameters: Parameters) -> str:
    """Return the snapshot that `log_forest` says a forest was trained on."""
    return f"training/{parameters['n_estimators']}.parquet"


def log_forest(parameters: Parameters, data: TrainingSet) -> str:
    tags = {"covertype.snapshot": snapshot_named(parameters)}
    with mlflow.start_run(tags=tags) as run:
        log_model(train(build(FOREST, parameters), data).model, FOREST.model_name, data)
    return str(run.info.run_id)


class Registry:
    """A registered model of one test."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.client = MlflowClient()

    def move_by_hand(self, version: str, stage: str = STAGE) -> None:
        """Do what a person does in MLflow's interface."""
        self.client.transition_model_version_stage(
            self.name, version, stage, archive_existing_versions=stage == STAGE
        )

    def version(self, number: str) -> ModelVersion:
        return self.client.get_model_version(self.name, number)

    def tags(self, number: str) -> dict[str, str]:
        tags: dict[str, str] = self.version(number).tags
        return tags

    def in_stage(self, stage: str) -> list[str]:
        found = self.client.search_model_versions(f"name = '{self.name}'")
        return [str(one.version) for one in found if one.current_stage == stage]

    @property
    def production(self) -> list[str]:
        return self.in_stage(STAGE)

    @property
    def alias(self) -> str | None:
        named = self.client.get_registered_model(self.name).aliases.get(ALIAS)
        return None if named is None else str(named)
