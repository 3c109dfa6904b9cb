"""The client of the inference service, and the ways in which a request can fail."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import msgspec
import requests

from covertype.answers import (
    BatchAnswer,
    ExplainedAnswer,
    FeedbackAnswer,
    InvalidAnswer,
    ModelAnswer,
    PredictionAnswer,
)
from covertype.contract import CLASSES, FEATURE_NAMES
from covertype.rows.observations import Observation

_INVALID_INPUT = 422
_NO_REPLICA = (502, 504)
"""The statuses of a gateway behind which no replica of the service answers."""

Answer = TypeVar("Answer", bound=msgspec.Struct)


# Pages cache these exceptions pickled, so that `args` must hold all that an exception is made from.


class ServiceAway(Exception):
    """No service answers at its address."""


class ServiceSlow(Exception):
    """The service did not answer in `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(seconds)


class ServiceWithoutModel(Exception):
    """The service runs but has not loaded a model."""


class ServiceBusy(Exception):
    """The service already handles as many requests as it accepts."""


class ServiceFailed(Exception):
    """The service answered with an internal error, or with something unknown."""


class InvalidInput(Exception):
    """The service does not accept the values.

    `features` names the invalid features; it is empty if something else is invalid.
    """

    def __init__(self, features: tuple[str, ...]) -> None:
        self.features = features
        super().__init__(features)


class NoExplanation(Exception):
    """The service answers but can't explain: it is older, or its model is not a forest."""


ServiceProblem = (
    ServiceAway | ServiceSlow | ServiceWithoutModel | ServiceBusy | ServiceFailed | InvalidInput
)
PROBLEMS = (
    ServiceAway,
    ServiceSlow,
    ServiceWithoutModel,
    ServiceBusy,
    ServiceFailed,
    InvalidInput,
)


class RowPrediction(NamedTuple):
    """The prediction of one row of a batch: the class, its probability, the model's version."""

    number: int
    probability: float
    version: str


@dataclass(frozen=True)
class InferenceClient:
    """Sends requests to the inference service at `url`, with a timeout in seconds.

    A gateway may ask for the `key`; the service does not.

    Every method raises one of `PROBLEMS` if the service does not answer.
    """

    url: str
    timeout: float
    key: str = field(default="", repr=False)

    def predict(self, observation: Observation) -> PredictionAnswer:
        """Return the prediction for one observation."""
        return self._ask("POST", "/predict", PredictionAnswer, json={"features": observation})

    def explain(self, observation: Observation) -> ExplainedAnswer:
        """Return the prediction for one observation, and why its class is probable.

        Raises
        ------
        NoExplanation
            If the service can't explain.
        """
        body = {"features": observation}
        try:
            answer = self._ask("POST", "/predict?explain=true", ExplainedAnswer, json=body)
        except InvalidInput as invalid:
            # The values are right, so it is the question that is not.
            raise invalid if invalid.features else NoExplanation from invalid
        if answer.explanation is None:
            raise NoExplanation
        return answer

    def predict_many(self, observations: Sequence[Observation]) -> list[RowPrediction]:
        """Return the predictions for many observations, in their order."""
        body = {"features": observations}
        answers = _row_predictions(self._ask("POST", "/predict/batch", BatchAnswer, json=body))
        if len(answers) != len(observations):
            raise ServiceFailed(f"sent {len(observations)} rows, got {len(answers)} predictions")
        return answers

    def give_feedback(self, prediction_id: str, truth: str) -> FeedbackAnswer:
        """Send the true class, by name, of an earlier prediction."""
        body = {"prediction_id": prediction_id, "cover_type": truth}
        return self._ask("POST", "/feedback", FeedbackAnswer, json=body)

    def model(self) -> ModelAnswer:
        """Return the description of the model in Production."""
        return self._ask("GET", "/model", ModelAnswer)

    def _is_ready(self) -> bool:
        try:
            return self._send("GET", "/ready").ok
        except requests.RequestException:
            return False

    def _send(self, method: str, path: str, **content: Any) -> requests.Response:
        headers = {"X-API-Key": self.key} if self.key else {}
        return requests.request(
            method, self.url + path, headers=headers, timeout=self.timeout, **content
        )

    def _ask(self, method: str, path: str, answer: type[Answer], **content: Any) -> Answer:
        try:
            response = self._send(method, path, **content)
        except requests.Timeout as error:
            raise ServiceSlow(self.timeout) from error
        except requests.RequestException as error:
            raise ServiceAway from error
        if response.status_code == requests.codes.too_many_requests:
            raise ServiceBusy
        if response.status_code == requests.codes.service_unavailable:
            raise ServiceBusy if self._is_ready() else ServiceWithoutModel
        if response.status_code in _NO_REPLICA:
            raise ServiceAway
        if response.status_code == _INVALID_INPUT:
            raise InvalidInput(_invalid_features(response.content))
        if not response.ok:
            raise ServiceFailed(f"{path} answered {response.status_code}")
        try:
            return msgspec.json.decode(response.content, type=answer)
        except (ValueError, RecursionError) as error:
            raise ServiceFailed(f"{path} answered something unknown: {error}") from error


def _row_predictions(answer: BatchAnswer) -> list[RowPrediction]:
    try:
        return [
            RowPrediction(number, answer.probabilities[CLASSES[number]][row], answer.model_version)
            for row, number in enumerate(answer.prediction)
        ]
    except LookupError as error:
        raise ServiceFailed(f"the answer lacks a probability: {error!r}") from error


def _invalid_features(content: bytes) -> tuple[str, ...]:
    try:
        faults = msgspec.json.decode(content, type=InvalidAnswer).detail
    except (ValueError, RecursionError):
        return ()
    named = {part for fault in faults for part in fault.loc}
    return tuple(name for name in FEATURE_NAMES if name in named)
