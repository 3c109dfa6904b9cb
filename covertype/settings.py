"""Where things are: the settings that the DAGs and the services share, from the environment.

`.env.example` is the manual of every variable.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

from covertype.data import Datasets


class Settings(BaseSettings):
    """Read from the environment, by the field's name in capitals."""

    data_api_url: str = "http://127.0.0.1:8001/data"
    data_api_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 20
    mlflow_tracking_uri: str = "http://127.0.0.1:5000"
    datasets_url: Path = Path(".local/datasets")
    models_dir: Path = Path(".local/models")
    retrain_growth: Annotated[float, Field(gt=0, le=10)] = 0.25

    @property
    def datasets(self) -> Datasets:
        return Datasets(self.datasets_url)
