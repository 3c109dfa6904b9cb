"""The client of the inference service: what can be asked of it, and how it can fail to answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import msgspec
import requests

from covertype.answers import BatchAnswer, InvalidAnswer, ModelAnswer, PredictionAnswer
from covertype.contract import CLASSES, FEATURE_NAMES
from covertype.rows.observations import Observation

_REFUSED = 422

Answer = TypeVar("Answer", bound=msgspec.Struct)


# Pages remember these for seconds, pickled: what an exception is made from is its `args`.


class ServiceAway(Exception):
    """Nothing answers at the service's address."""


class ServiceSlow(Exception):
    """The service did not answer in `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(seconds)


class NoModel(Exception):
    """The service is up and has no model to answer with."""


class ServiceBusy(Exception):
    """The service has as much to do as it takes on at once."""


class ServiceFailed(Exception):
    """The service answered, with an error of its own or something unknown."""


class Refused(Exception):
    """The service does not accept what was asked.

    `features` are the contract's names of what is wrong; none if it is something else.
    """

    def __init__(self, features: tuple[str, ...]) -> None:
        self.features = features
        super().__init__(features)


ServiceProblem = ServiceAway | ServiceSlow | NoModel | ServiceBusy | ServiceFailed | Refused
PROBLEMS = (ServiceAway, ServiceSlow, NoModel, ServiceBusy, ServiceFailed, Refused)


class RowPrediction(NamedTuple):
    """The answer to one row of many: the class, its probability, the version that answered."""

    number: int
    probability: float
    version: str


@dataclass(frozen=True)
class InferenceClient:
    """Asks the inference service at `url`; waits `timeout` seconds for an answer.

    Every method raises one of `PROBLEMS` when there is none.
    """

    url: str
    timeout: float

    def predict(self, observation: Observation) -> PredictionAnswer:
        """Ask for the class of one observation."""
        return self._ask("POST", "/predict", PredictionAnswer, json={"features": observation})

    def predict_many(self, observations: Sequence[Observation]) -> list[RowPrediction]:
        """Ask for the classes of many observations; the answers are in their order."""
        body = {"features": observations}
        answers = _row_predictions(self._ask("POST", "/predict/batch", BatchAnswer, json=body))
        if len(answers) != len(observations):
            raise ServiceFailed(f"{len(observations)} rows were asked, {len(answers)} answered")
        return answers

    def model(self) -> ModelAnswer:
        """Ask which model answers."""
        return self._ask("GET", "/model", ModelAnswer)

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/ready", timeout=self.timeout).ok
        except requests.RequestException:
            return False

    def _ask(self, method: str, path: str, answer: type[Answer], **content: Any) -> Answer:
        try:
            response = requests.request(method, self.url + path, timeout=self.timeout, **content)
        except requests.Timeout as error:
            raise ServiceSlow(self.timeout) from error
        except requests.RequestException as error:
            raise ServiceAway from error
        if response.status_code == requests.codes.service_unavailable:
            raise ServiceBusy if self._is_ready() else NoModel
        if response.status_code == _REFUSED:
            raise Refused(_refused_features(response.content))
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


def _refused_features(content: bytes) -> tuple[str, ...]:
    try:
        faults = msgspec.json.decode(content, type=InvalidAnswer).detail
    except (ValueError, RecursionError):
        return ()
    named = {part for fault in faults for part in fault.loc}
    return tuple(name for name in FEATURE_NAMES if name in named)
