"""Settings of the app: where the services are, for itself and for the links that people follow."""

from functools import cache
from typing import Annotated

from pydantic import Field

from covertype.settings import DatasetsSettings, InferenceSettings, RegistrySettings


class UiSettings(DatasetsSettings, RegistrySettings, InferenceSettings):
    """Read from the environment, by the field's name in capitals.

    The `*_public_url` are addresses that a browser can reach; the app itself uses the others. A
    gateway before the services asks for the key and the login.
    """

    inference_timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10
    inference_api_key: Annotated[str, Field(repr=False)] = ""
    mlflow_tracking_username: str = ""
    mlflow_tracking_password: Annotated[str, Field(repr=False)] = ""
    mlflow_public_url: str = "http://127.0.0.1:5000"
    airflow_public_url: str = "http://127.0.0.1:8080"

    @property
    def mlflow_login(self) -> tuple[str, str] | None:
        name, password = self.mlflow_tracking_username, self.mlflow_tracking_password
        return (name, password) if name else None


@cache
def settings() -> UiSettings:
    """Return the settings, read from the environment once."""
    return UiSettings()
