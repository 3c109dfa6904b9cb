"""Settings of the inference service and its follower."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from covertype.settings import DatasetsSettings, RegistrySettings


class ServingSettings(DatasetsSettings, RegistrySettings):
    """Read from the environment, by the field's name in capitals."""

    model_cache_dir: Path = Path(".local/serving")
    """Folder of the last good model, so that the service can start while MLflow is down."""

    registry_poll_seconds: Annotated[float, Field(gt=0, le=3600)] = 5
    """Pause between two checks of which version is in Production."""

    registry_timeout_seconds: Annotated[int, Field(gt=0, le=300)] = 10
    """Timeout of one request to MLflow."""

    prediction_log: bool = True
    """Whether predictions are logged to `predictions/` under the datasets root."""

    prediction_log_seconds: Annotated[float, Field(gt=0, le=240)] = 10
    """Pause between two writes of the logs of predictions and of feedback.

    A kill loses at most that much.
    """

    prediction_log_max_mb_per_day: Annotated[int, Field(ge=1)] = 500
    """Size limit of the prediction log of a day (UTC) and all workers, in MB; the rest is lost."""

    feedback_max_mb_per_day: Annotated[int, Field(ge=1)] = 100
    """Size limit of the feedback of a day (UTC) and all workers, in MB; the rest is lost."""

    max_body_bytes: Annotated[int, Field(ge=1_000)] = 32_000_000
    """Size limit of the body of a batch; the body of one prediction may have 64 kB."""

    max_batch_rows: Annotated[int, Field(ge=1)] = 250_000
    """How many observations a batch may have."""

    max_batches: Annotated[int, Field(ge=1)] = 4
    """How many batches a worker handles at once, from the body to the end of the answer.

    Further ones get 503. The same number of the longest bodies may arrive at once.
    """

    request_timeout_seconds: Annotated[float, Field(gt=0)] = 60
    """How long a body may take to arrive."""

    answer_timeout_seconds: Annotated[float, Field(gt=0)] = 60
    """How long a client may take to read an answer before its connection is closed."""

    idle_timeout_seconds: Annotated[float, Field(gt=0)] = 10
    """How long a connection may wait for the head of a request."""

    max_connections: Annotated[int, Field(ge=1)] = 12_000
    """How many connections a worker accepts; further ones get 503."""
