"""Settings from the environment; `.env.example` is the manual of every variable.

A variable is read by the field's name in capitals. A process reads only the variables that it uses,
so that an invalid one of training stops neither the service nor the app.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

from covertype.data import Datasets


class DatasetsSettings(BaseSettings):
    """Where the datasets are."""

    datasets_url: Path = Path(".local/datasets")

    @property
    def datasets(self) -> Datasets:
        return Datasets(self.datasets_url)


class RegistrySettings(BaseSettings):
    """Where MLflow is."""

    mlflow_tracking_uri: str = "http://127.0.0.1:5000"


class Settings(DatasetsSettings, RegistrySettings):
    """The settings of the DAGs: collection, preprocessing and training."""

    data_api_url: str = "http://127.0.0.1:8001/data"
    data_api_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 20
    models_dir: Path = Path(".local/models")
    retrain_growth: Annotated[float, Field(gt=0, le=10)] = 0.25
