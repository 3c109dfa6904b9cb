"""Settings of the inference service and its follower."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from covertype.settings import DatasetsSettings, RegistrySettings


class ServingSettings(DatasetsSettings, RegistrySettings):
    """Read from the environment, by the field's name in capitals."""

    model_cache_dir: Path = Path(".local/serving")
    """Where the last good model is kept, so that the service starts while MLflow is away."""

    registry_poll_seconds: Annotated[float, Field(gt=0, le=3600)] = 5
    """Pause between two looks at which version is in Production."""

    registry_timeout_seconds: Annotated[int, Field(gt=0, le=300)] = 10
    """How long one request to MLflow may take."""

    prediction_log: bool = True
    """Whether answered predictions are written to `predictions/` under the datasets root."""

    prediction_log_seconds: Annotated[float, Field(gt=0, le=3600)] = 10
    """Pause between two writes of answered predictions: what a kill may lose at most."""

    prediction_log_max_mb_per_day: Annotated[int, Field(ge=1)] = 500
    """Megabytes that the files of a day, UTC, may hold, of all workers; the rest is lost."""

    max_body_bytes: Annotated[int, Field(ge=1_000)] = 32_000_000
    """The longest body of a batch; that of one prediction may have 64 kB."""

    max_batch_rows: Annotated[int, Field(ge=1)] = 250_000
    """How many observations one request may hold."""

    max_batches: Annotated[int, Field(ge=1)] = 4
    """How many batches a worker may have between their bodies and the end of their answers.

    The next is told to return. As many of the longest bodies may arrive at once.
    """

    request_timeout_seconds: Annotated[float, Field(gt=0)] = 60
    """How long a body may take to arrive."""

    answer_timeout_seconds: Annotated[float, Field(gt=0)] = 60
    """How long a client may take to read an answer; then its connection is cut off."""

    idle_timeout_seconds: Annotated[float, Field(gt=0)] = 10
    """How long a connection may be open without the head of a request."""

    max_connections: Annotated[int, Field(ge=1)] = 12_000
    """How many connections a worker may have; the next is told to return."""
