"""Settings of the inference service, beside those that it shares with the rest."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from covertype.settings import Settings


class ServingSettings(Settings):
    """Read from the environment, by the field's name in capitals."""

    model_cache_dir: Path = Path(".local/serving")
    """Where the last good model is kept, so that the service starts while MLflow is away."""

    registry_poll_seconds: Annotated[float, Field(gt=0, le=3600)] = 5
    """Pause between two looks at which version is in Production."""

    registry_timeout_seconds: Annotated[int, Field(gt=0, le=300)] = 10
    """How long one request to MLflow may take."""
