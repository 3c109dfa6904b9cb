"""The answers of the inference service, as structs that the service encodes and clients decode.

The OpenAPI schemas are generated from them. A client ignores fields that it does not know. A field
with a default may be missing in an answer of an older service; this service always sends it.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from covertype.contract import CLASSES, FEATURE_NAMES


def _by_class(schema: dict[str, Any]) -> Meta:
    properties = dict.fromkeys(CLASSES, schema)
    return Meta(extra_json_schema={"properties": properties, "required": list(CLASSES)})


# The schema names the classes. A client still reads a class that it does not know.
_Label = Annotated[str, Meta(extra_json_schema={"enum": list(CLASSES)})]
_Class = Annotated[int, Meta(ge=0, extra_json_schema={"maximum": len(CLASSES) - 1})]
_NUMBER: dict[str, Any] = {"type": "number"}


class PredictionAnswer(Struct, frozen=True):
    """The class of one observation; `prediction` is a list of one, as earlier clients read it."""

    prediction: Annotated[list[_Class], Meta(min_length=1, max_length=1)]
    label: _Label
    probabilities: Annotated[dict[str, float], _by_class(_NUMBER)]
    model_version: str
    warnings: list[str] = []
    prediction_id: str = ""


_CONTRIBUTIONS: dict[str, Any] = {
    "properties": dict.fromkeys(FEATURE_NAMES, _NUMBER),
    "required": list(FEATURE_NAMES),
}


class Explanation(Struct, frozen=True):
    """Why the class is probable: `bias` and `contributions` add up to its probability.

    `bias` is the share of the class in training. A contribution above 0 speaks for the class.
    `covertype.models.explanations` has the method.
    """

    bias: float
    contributions: Annotated[dict[str, float], Meta(extra_json_schema=_CONTRIBUTIONS)]


class ExplainedAnswer(PredictionAnswer, frozen=True, kw_only=True):
    """The class of one observation, and why it is probable."""

    explanation: Explanation | None = None


class BatchAnswer(Struct, frozen=True):
    """The classes of many observations: every list has one value for each, in their order.

    The id of the prediction of row n, counted from 0, is `<prediction_id>-<n>`.
    """

    prediction: list[_Class]
    label: list[_Label]
    probabilities: Annotated[dict[str, list[float]], _by_class({"type": "array", "items": _NUMBER})]
    model_version: str
    warnings: list[str] = []
    prediction_id: str = ""


class ScoringAnswer(Struct, frozen=True):
    """The classes of many observations, as MLflow's scoring protocol returns them."""

    predictions: list[_Class]


class FeedbackAnswer(Struct, frozen=True):
    """How many true classes were taken, and how many predictions were right or wrong.

    A prediction that was named by its id is `pending`: it is looked up in the prediction log when
    the feedback is read.
    """

    accepted: int
    correct: int
    wrong: int
    pending: int


class RootAnswer(Struct, frozen=True):
    """The service runs."""

    message: str


class RefusedVersion(Struct, frozen=True):
    """A version in Production that the service does not serve, and why."""

    version: str
    reason: str
    at: str


class NextBatch(Struct, frozen=True):
    """The accuracy of a version on the rows of the newest batch that it was not trained on."""

    version: str
    batch: int
    rows: int
    accuracy: float


class LiveAccuracy(Struct, frozen=True):
    """The accuracy of a version by the true classes that clients sent, and of how many."""

    version: str
    rows: int
    accuracy: float


class RegistryState(Struct, frozen=True, kw_only=True):
    """The result of the last check of the registry; it expires `good_for` seconds later.

    `checked_at` is a date and time in UTC, `looked_at` the machine's monotonic clock in seconds.
    `next_batch` and `live` are those of the last version that was seen in Production.
    """

    reachable: bool
    message: str
    checked_at: str
    looked_at: float
    good_for: float
    production: str | None = None
    refused: RefusedVersion | None = None
    next_batch: NextBatch | None = None
    live: LiveAccuracy | None = None


class HealthAnswer(Struct, frozen=True):
    """The process is alive; `degraded` if it does not serve the version in Production."""

    status: Literal["ok", "degraded"]
    model_version: str | None
    failure: str | None
    registry: RegistryState | None


class ReadyAnswer(Struct, frozen=True):
    """A model is loaded; `registry` is the result of the last check of the registry."""

    ready: Literal[True]
    model_version: str
    registry: str


class NotReadyAnswer(Struct, frozen=True):
    """No model is loaded, and why."""

    ready: Literal[False]
    detail: str
    registry: str


class ModelAnswer(Struct, frozen=True, kw_only=True):
    """The version that answers: its scores, and what it was trained on.

    `metrics` are those on the holdout; `next_batch` is None until a later batch was scored, `live`
    until monitoring has read true classes.
    `training_ranges` holds the lowest and highest value of each quantity, `confusion_matrix` the
    counts by true class (rows) and predicted class (columns), `importances` the weights of the
    encoded columns.
    """

    name: str
    version: str
    stage: str = "Production"
    since: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None = None
    run_id: str | None = None
    experiment_id: str | None = None
    metrics: dict[str, float] = {}
    parameters: dict[str, str] = {}
    training_ranges: dict[str, Annotated[list[int], Meta(min_length=2, max_length=2)]] = {}
    confusion_matrix: list[list[int]] | None = None
    importances: dict[str, float] | None = None
    next_batch: NextBatch | None = None
    live: LiveAccuracy | None = None
    loaded_at: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None = None

    def __post_init__(self) -> None:
        # A decoder reports a ValueError as an invalid answer.
        _ = self.in_production_since

    @property
    def in_production_since(self) -> datetime | None:
        """The time when the version became Production."""
        return datetime.fromisoformat(self.since) if self.since else None


class ErrorAnswer(Struct, frozen=True):
    """Why the request has no answer."""

    detail: str


class InvalidValue(Struct, frozen=True):
    """One invalid value: where it is in the body, and what is allowed."""

    loc: list[str | int]
    msg: str
    type: str = "value_error"


class InvalidAnswer(Struct, frozen=True):
    """The invalid values of a request."""

    detail: list[InvalidValue]


REQUESTS_BY_VERSION = "covertype_version_requests"
"""The metric of requests for predictions, with the labels `version` and `result`."""

ANSWERED, FAILED = "answered", "failed"
"""Its results. Invalid requests count as neither."""
