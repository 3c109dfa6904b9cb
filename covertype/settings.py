"""Settings from the environment; `.env.example` is the manual of every variable.

A variable is read by the field's name in capitals. A process reads only the variables that it uses,
so that an invalid one of training stops neither the service nor the app.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from covertype.data import Datasets
from covertype.storage import open_store


def _place(url: Path | str) -> Path | str:
    open_store(url)
    return url if "://" in str(url) else Path(url)


class DatasetsSettings(BaseSettings):
    """Where the datasets are."""

    datasets_url: Annotated[Path | str, AfterValidator(_place)] = Path(".local/datasets")

    @property
    def datasets(self) -> Datasets:
        return Datasets(self.datasets_url)


class RegistrySettings(BaseSettings):
    """Where MLflow is."""

    mlflow_tracking_uri: str = "http://127.0.0.1:5000"


class InferenceSettings(BaseSettings):
    """Where the inference service is; a name of several addresses means several replicas."""

    inference_url: str = "http://127.0.0.1:8000"


class PromotionSettings(BaseSettings):
    """What the promotion gate asks of a version, and whether a person decides."""

    promotion: Literal["automatic", "manual"] = "automatic"
    promotion_min_gain: Annotated[float, Field(ge=0, le=1)] = 0.0
    promotion_max_recall_loss: Annotated[float, Field(ge=0, le=1)] = 0.02
    promotion_max_newest_loss: Annotated[float, Field(ge=0, le=1)] = 0.01
    promotion_max_row_ms: Annotated[float, Field(gt=0)] = 5.0
    promotion_max_loaded_mb: Annotated[float, Field(gt=0)] = 300.0
    promotion_max_artifact_mb: Annotated[float, Field(gt=0)] = 200.0
    promotion_replay_rows: Annotated[int, Field(ge=0, le=100_000)] = 1_000
    promotion_max_changed_share: Annotated[float, Field(ge=0, le=1)] = 1.0


class RollbackSettings(BaseSettings):
    """When a version goes out of Production in its first hour; 0 is never."""

    rollback_accuracy: Annotated[float, Field(ge=0, le=1)] = 0.0
    rollback_error_rate: Annotated[float, Field(ge=0, le=1)] = 0.0


class Settings(DatasetsSettings, RegistrySettings, InferenceSettings):
    """The settings of the DAGs: collection, preprocessing, training and monitoring."""

    data_api_url: str = "http://127.0.0.1:8001/data"
    data_api_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 20
    models_dir: Path = Path(".local/models")
    retrain_growth: Annotated[float, Field(gt=0, le=10)] = 0.25
    retrain_psi: Annotated[float, Field(ge=0)] = 0.0
    retrain_next_accuracy: Annotated[float, Field(ge=0, le=1)] = 0.0
    drift_psi_limit: Annotated[float, Field(gt=0, le=10)] = 0.25
    drift_share_limit: Annotated[float, Field(gt=0, le=1)] = 0.1
