"""Where the services are, for the app and for the people who follow its links."""

from functools import cache
from typing import Annotated

from pydantic import Field

from covertype.settings import Settings


class UiSettings(Settings):
    """The shared settings and the app's own.

    `*_public_url` are the addresses that a person's browser reaches; the others are the app's.
    """

    inference_url: str = "http://127.0.0.1:8000"
    inference_timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10
    mlflow_public_url: str = "http://127.0.0.1:5000"
    airflow_public_url: str = "http://127.0.0.1:8080"


@cache
def settings() -> UiSettings:
    """Return the settings, read from the environment once."""
    return UiSettings()
