"""What every job that talks to MLflow does first."""

import mlflow

from covertype.settings import Settings


def connect() -> Settings:
    """Return the settings, with MLflow's client pointed at the server that they name."""
    settings = Settings()
    mlflow.set_tracking_uri(settings.mlflow_tracking_uri)
    return settings
