"""The client reads answers of older and newer services, and knows what is none of theirs."""

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from covertype.contract import CLASSES
from covertype_ui.examples import TYPICAL
from covertype_ui.inference import InferenceClient, ServiceAway, ServiceFailed
from tests.ui.fakes import FakeInference, batch_reply, model_body, prediction_body

ROW = TYPICAL["Aspen"]


@pytest.fixture
def client(fake_inference: FakeInference) -> InferenceClient:
    return InferenceClient(fake_inference.address, 5)


def test_a_field_that_a_newer_service_adds_is_left_out(
    fake_inference: FakeInference, client: InferenceClient
) -> None:
    fake_inference.routes["POST /predict"] = (200, prediction_body() | {"explanation": {"a": 1}})
    fake_inference.routes["GET /model"] = (200, model_body() | {"owner": "forests"})
    fake_inference.routes["POST /predict/batch"] = lambda body: (
        200,
        batch_reply(body)[1] | {"seconds": 0.1},
    )
    assert client.predict(ROW).label == "Aspen"
    assert client.model().version == "3"
    assert client.predict_many([ROW])[0].number == CLASSES.index("Aspen")


def test_a_field_that_an_older_service_does_not_send_has_its_default(
    fake_inference: FakeInference, client: InferenceClient
) -> None:
    prediction = prediction_body()
    del prediction["warnings"], prediction["prediction_id"]
    fake_inference.routes["POST /predict"] = (200, prediction)
    fake_inference.routes["GET /model"] = (200, {"name": "BestModelRF", "version": "3"})
    answer = client.predict(ROW)
    assert (answer.warnings, answer.prediction_id) == ([], "")
    model = client.model()
    assert (model.metrics, model.parameters, model.training_ranges) == ({}, {}, {})
    assert (model.since, model.run_id, model.confusion_matrix) == (None, None, None)


@pytest.mark.parametrize(
    ("route", "ask", "body"),
    [
        ("POST /predict", lambda c: c.predict(ROW), b"no JSON"),
        ("POST /predict", lambda c: c.predict(ROW), b"\xff\xfe"),
        ("POST /predict", lambda c: c.predict(ROW), b"[" * 100_000),
        ("POST /predict", lambda c: c.predict(ROW), []),
        ("POST /predict", lambda c: c.predict(ROW), prediction_body() | {"probabilities": [1]}),
        ("POST /predict/batch", lambda c: c.predict_many([ROW]), {"prediction": [4]}),
        ("POST /predict/batch", lambda c: c.predict_many([ROW] * 2), batch_reply),
        ("GET /model", lambda c: c.model(), {"version": "3"}),
        ("GET /model", lambda c: c.model(), model_body() | {"since": "yesterday"}),
        ("GET /model", lambda c: c.model(), model_body() | {"training_ranges": {"Slope": [1]}}),
    ],
)
def test_an_answer_that_is_not_the_services_is_a_failure_of_it(
    fake_inference: FakeInference,
    client: InferenceClient,
    route: str,
    ask: Callable[[InferenceClient], Any],
    body: Any,
) -> None:
    one_row = b'{"features": [%s]}' % str(list(ROW)).replace("'", '"').encode()
    fake_inference.routes[route] = batch_reply(one_row) if callable(body) else (200, body)
    with pytest.raises(ServiceFailed):
        ask(client)


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_without_a_replica_means_that_the_service_is_away(
    fake_inference: FakeInference, client: InferenceClient, status: int
) -> None:
    fake_inference.routes["POST /predict"] = (status, {"detail": "No replica answers"})
    with pytest.raises(ServiceAway):
        client.predict(ROW)


def test_a_model_can_be_remembered_with_its_moment(
    fake_inference: FakeInference, client: InferenceClient
) -> None:
    model = pickle.loads(pickle.dumps(client.model()))
    assert model == client.model()
    assert model.in_production_since == datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
