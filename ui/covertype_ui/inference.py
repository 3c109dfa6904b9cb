"""The client of the inference service: what can be asked of it, and how it can fail to answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import requests

from covertype.contract import CLASSES, FEATURE_NAMES
from covertype.rows.observations import Observation

_REFUSED = 422

Answer = TypeVar("Answer")


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


@dataclass(frozen=True)
class Prediction:
    """An answer: the class, the probability of every class by name, the version that answered."""

    label: str
    probabilities: dict[str, float]
    version: str


class RowPrediction(NamedTuple):
    """The answer to one row of many: the class, its probability, the version that answered."""

    number: int
    probability: float
    version: str


@dataclass(frozen=True)
class Model:
    """The model in Production, as the service describes it.

    `ranges` are the lowest and the highest value in training, by quantity; `confusion` counts
    true classes down and predicted across; `importances` weigh the encoded columns.
    """

    name: str
    version: str
    since: datetime | None
    run_id: str | None
    experiment_id: str | None
    metrics: dict[str, float]
    parameters: dict[str, str]
    ranges: dict[str, tuple[float, float]]
    confusion: list[list[int]] | None
    importances: dict[str, float]


@dataclass(frozen=True)
class InferenceClient:
    """Asks the inference service at `url`; waits `timeout` seconds for an answer.

    Every method raises one of `PROBLEMS` when there is none.
    """

    url: str
    timeout: float

    def predict(self, observation: Observation) -> Prediction:
        """Ask for the class of one observation."""
        body = self._ask("POST", "/predict", json={"features": observation})
        return _read(
            lambda: Prediction(body["label"], body["probabilities"], str(body["model_version"]))
        )

    def predict_many(self, observations: Sequence[Observation]) -> list[RowPrediction]:
        """Ask for the classes of many observations; the answers are in their order."""
        body = self._ask("POST", "/predict/batch", json={"features": observations})
        answers = _read(lambda: _row_predictions(body))
        if len(answers) != len(observations):
            raise ServiceFailed(f"{len(observations)} rows were asked, {len(answers)} answered")
        return answers

    def model(self) -> Model:
        """Ask which model answers."""
        body = self._ask("GET", "/model")
        return _read(
            lambda: Model(
                name=body["name"],
                version=str(body["version"]),
                since=datetime.fromisoformat(body["since"]) if body.get("since") else None,
                run_id=body.get("run_id"),
                experiment_id=body.get("experiment_id"),
                metrics=body.get("metrics") or {},
                parameters=body.get("parameters") or {},
                ranges={
                    name: (low, high)
                    for name, (low, high) in (body.get("training_ranges") or {}).items()
                },
                confusion=body.get("confusion_matrix"),
                importances=body.get("importances") or {},
            )
        )

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/ready", timeout=self.timeout).ok
        except requests.RequestException:
            return False

    def _ask(self, method: str, path: str, **content: Any) -> Any:
        try:
            answer = requests.request(method, self.url + path, timeout=self.timeout, **content)
        except requests.Timeout as error:
            raise ServiceSlow(self.timeout) from error
        except requests.RequestException as error:
            raise ServiceAway from error
        if answer.status_code == requests.codes.service_unavailable:
            raise ServiceBusy if self._is_ready() else NoModel
        if answer.status_code == _REFUSED:
            raise Refused(_refused_features(answer))
        if not answer.ok:
            raise ServiceFailed(f"{path} answered {answer.status_code}")
        try:
            return answer.json()
        except ValueError as error:
            raise ServiceFailed(f"{path} answered with no JSON") from error


def _row_predictions(body: Any) -> list[RowPrediction]:
    version, probabilities = str(body["model_version"]), body["probabilities"]
    return [
        RowPrediction(number, probabilities[CLASSES[number]][row], version)
        for row, number in enumerate(body["prediction"])
    ]


def _read(build: Callable[[], Answer]) -> Answer:
    try:
        return build()
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ServiceFailed(f"the answer is not the service's: {error!r}") from error


def _refused_features(answer: requests.Response) -> tuple[str, ...]:
    try:
        named = [part for fault in answer.json()["detail"] for part in fault["loc"]]
    except (ValueError, KeyError, TypeError):
        return ()
    return tuple(name for name in FEATURE_NAMES if name in named)
