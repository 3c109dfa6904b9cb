"""The true class below an answer: what it sends, and what it says of the outcome."""

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from covertype_ui import texts
from tests.ui.fakes import FakeInference, prediction_body

TAKEN = {"accepted": 1, "correct": 0, "wrong": 0, "pending": 1}


def answered(app: AppTest) -> AppTest:
    return app.run().button[0].click().run()


def sender(app: AppTest) -> Button:
    (button,) = (one for one in app.button if one.label == texts.FEEDBACK_SEND.es)
    return button


def send(app: AppTest, truth: str = "Douglas-fir") -> AppTest:
    (question,) = (box for box in app.selectbox if box.label == texts.FEEDBACK_QUESTION.es)
    question.set_value(truth).run()
    return sender(app).click().run()


def given(fake: FakeInference) -> list[Any]:
    return [json.loads(body) for route, body in fake.asked if route == "POST /feedback"]


def test_the_chosen_class_is_sent_with_the_id_of_the_answer_and_thanked_for(
    app: AppTest, services: FakeInference
) -> None:
    services.routes["POST /feedback"] = (202, TAKEN)
    send(answered(app))
    assert not app.exception
    named = prediction_body()["prediction_id"]
    assert given(services) == [{"prediction_id": named, "cover_type": "Douglas-fir"}]
    assert [success.value for success in app.success] == [texts.FEEDBACK_THANKS.es]


def test_nothing_can_be_sent_before_a_class_is_chosen(
    app: AppTest, services: FakeInference
) -> None:
    assert sender(answered(app)).disabled
    assert given(services) == []


def test_the_next_answer_has_a_question_of_its_own(app: AppTest, services: FakeInference) -> None:
    services.routes["POST /feedback"] = (202, TAKEN)
    send(answered(app))
    services.routes["POST /predict"] = (200, prediction_body() | {"prediction_id": "a-2"})
    app.button[0].click().run()
    assert not app.success
    assert sender(app).disabled


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ((500, {"detail": "KeyError"}), texts.SERVICE_FAILED.es),
        ((404, {"detail": "Not Found"}), texts.SERVICE_FAILED.es),
        ((200, b"<"), texts.SERVICE_FAILED.es),
        ((422, {"detail": []}), texts.FEEDBACK_REFUSED.es),
    ],
)
def test_a_failure_is_said(app: AppTest, services: FakeInference, reply: Any, said: str) -> None:
    services.routes["POST /feedback"] = reply
    assert [error.value for error in send(answered(app)).error] == [said]


def test_an_answer_of_an_older_service_has_no_question(
    app: AppTest, services: FakeInference
) -> None:
    services.routes["POST /predict"] = (200, prediction_body() | {"prediction_id": ""})
    assert texts.FEEDBACK_SEND.es not in [button.label for button in answered(app).button]
