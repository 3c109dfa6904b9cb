"""The form: what it holds, what it asks of the service, and what it says in every state."""

import json
import pickle
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from covertype.contract import CLASSES, FEATURE_NAMES
from covertype_ui import texts
from covertype_ui.examples import TYPICAL
from covertype_ui.inference import InvalidInput, ServiceAway, ServiceSlow, ServiceWithoutModel
from tests.ui.fakes import FakeInference, explained_body, prediction_body

EXPLAINED = "POST /predict?explain=true"


def predict(app: AppTest) -> AppTest:
    return app.button[0].click().run()


def asked_features(fake: FakeInference) -> Any:
    bodies = [body for route, body in fake.asked if route == "POST /predict"]
    return json.loads(bodies[-1])["features"]


def test_first_prediction_takes_one_click(app: AppTest, services: FakeInference) -> None:
    predict(app.run())
    assert not app.exception
    assert asked_features(services) == list(TYPICAL[CLASSES[1]])
    assert app.metric[0].value == texts.CLASS_LABELS["Aspen"].es
    assert "70,0" in app.metric[0].delta
    assert any("versión 3" in caption.value for caption in app.caption)


@pytest.mark.parametrize("name", CLASSES)
def test_example_of_a_class_fills_the_form(
    app: AppTest, services: FakeInference, name: str
) -> None:
    app.run()
    app.button_group(key="example").set_value(name).run()
    predict(app)
    assert asked_features(services) == list(TYPICAL[name])


def test_english_keeps_what_was_entered(app: AppTest, services: FakeInference) -> None:
    app.run()
    app.number_input(key=FEATURE_NAMES[0]).set_value(2222).run()
    app.button_group(key="lang").set_value("en").run()
    assert app.title[0].value == texts.PAGE_PREDICTION.en
    assert app.number_input(key=FEATURE_NAMES[0]).value == 2222
    assert predict(app).metric[0].value == "Aspen"
    assert asked_features(services)[0] == 2222


def test_value_outside_training_warns(app: AppTest) -> None:
    app.run()
    app.number_input(key=FEATURE_NAMES[0]).set_value(8000).run()
    warnings = [warning.value for warning in predict(app).warning]
    assert any("8\u202f000" in warning for warning in warnings)


def test_changed_value_marks_the_answer_stale(app: AppTest) -> None:
    predict(app.run())
    assert not app.info
    app.number_input(key=FEATURE_NAMES[0]).set_value(2222).run()
    assert [info.value for info in app.info] == [texts.ANSWER_STALE.es]


def test_missing_value_is_named_and_nothing_is_asked(app: AppTest, services: FakeInference) -> None:
    app.run()
    app.number_input(key="Slope").set_value(None).run()
    predict(app)
    assert "Pendiente" in app.error[0].value
    assert not any(route == "POST /predict" for route, _ in services.asked)


def test_no_model_yet_says_where_to_follow_it(app: AppTest, services: FakeInference) -> None:
    services.routes = {
        "GET /model": (503, {"detail": "no model"}),
        "POST /predict": (503, {"detail": "no model"}),
    }
    assert "8080" in app.run().info[0].value
    assert "8080" in predict(app).info[0].value


def test_service_away_is_said_plainly(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_URL", "http://127.0.0.1:9")
    assert predict(app.run()).error[0].value == texts.SERVICE_AWAY.es


def test_slow_answer_keeps_the_values(
    app: AppTest, services: FakeInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENCE_TIMEOUT_SECONDS", "0.2")
    app.run()
    services.delay = 1
    assert texts.SERVICE_SLOW.es[:40] in predict(app).warning[0].value
    assert app.number_input(key="Elevation").value == 2942


def test_service_that_hangs_when_the_page_opens_is_told(
    app: AppTest, services: FakeInference
) -> None:
    services.delay = 3
    for _ in ("asked", "remembered"):
        assert [warning.value for warning in app.run().warning] == [
            texts.SERVICE_SLOW.es.format(seconds=2)
        ]


@pytest.mark.parametrize(
    "problem",
    [ServiceAway(), ServiceSlow(2.5), ServiceWithoutModel(), InvalidInput(("Slope",))],
    ids=repr,
)
def test_problems_can_be_remembered(problem: Exception) -> None:
    assert vars(pickle.loads(pickle.dumps(problem))) == vars(problem)


def test_unforeseen_fault_is_said_without_its_details(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.run()
    monkeypatch.setattr("covertype_ui.pages.prediction.model_in_production", lambda: 1 / 0)
    app.run()
    assert not app.exception
    assert [error.value for error in app.error] == [texts.UNEXPECTED.es]


def test_invalid_value_is_named_with_its_rule(app: AppTest, services: FakeInference) -> None:
    fault = {"loc": ["features", "Aspect"], "msg": "Aspect must be …"}
    services.routes["POST /predict"] = (422, {"detail": [fault]})
    assert "Orientación debe ser un número entero de 0 a 360" in predict(app.run()).error[0].value


@pytest.mark.parametrize("reply", [(500, {"detail": "KeyError"}), (200, {"other": 1}), (200, b"<")])
def test_fault_of_the_service_shows_nothing_technical(
    app: AppTest, services: FakeInference, reply: Any
) -> None:
    services.routes["POST /predict"] = reply
    assert predict(app.run()).error[0].value == texts.SERVICE_FAILED.es


def ask_why(app: AppTest) -> AppTest:
    return app.button(key="why").click().run()


def drawn(app: AppTest) -> list[str]:
    """Return the charts in words, in their order."""
    return [chart.proto.alt for chart in app.get("vega_lite_chart")]


def test_why_draws_what_each_input_contributes(app: AppTest, services: FakeInference) -> None:
    services.routes[EXPLAINED] = (200, explained_body())
    assert len(drawn(predict(app.run()))) == 1
    ask_why(app)
    assert not app.exception
    words = drawn(app)[1]
    assert "Elevación +70,0 p. p., Pendiente −10,0 p. p., Orientación 0,0 p. p." in words
    assert all(texts.FEATURE_LABELS[name].es in words for name in FEATURE_NAMES)
    assert any("10,0" in caption.value and "70,0" in caption.value for caption in app.caption)
    assert not [button for button in app.run().button if button.key == "why"]


def test_why_is_asked_of_the_answered_values_and_in_english(
    app: AppTest, services: FakeInference
) -> None:
    services.routes[EXPLAINED] = (200, explained_body())
    app.run()
    app.button_group(key="lang").set_value("en").run()
    predict(app)
    app.number_input(key=FEATURE_NAMES[0]).set_value(2222).run()
    ask_why(app)
    (body,) = (body for route, body in services.asked if route == EXPLAINED)
    assert json.loads(body)["features"] == list(TYPICAL[CLASSES[1]])
    assert "Elevation +70.0 pp, Slope −10.0 pp" in drawn(app)[1]
    assert [info.value for info in app.info] == [texts.ANSWER_STALE.en]


def test_an_explanation_by_a_newer_version_brings_its_answer(
    app: AppTest, services: FakeInference
) -> None:
    services.routes[EXPLAINED] = (200, explained_body(number=2, version="4"))
    assert predict(app.run()).metric[0].value == texts.CLASS_LABELS["Aspen"].es
    assert ask_why(app).metric[0].value == texts.CLASS_LABELS[CLASSES[2]].es
    assert any("versión 4" in caption.value for caption in app.caption)


def test_a_new_prediction_drops_the_explanation(app: AppTest, services: FakeInference) -> None:
    services.routes[EXPLAINED] = (200, explained_body())
    ask_why(predict(app.run()))
    assert len(drawn(predict(app))) == 1
    assert app.button(key="why")


@pytest.mark.parametrize(
    "reply",
    [
        (200, prediction_body()),
        (422, {"detail": [{"loc": ["query", "explain"], "msg": "version 3 is not a forest"}]}),
    ],
    ids=["an older service", "no forest"],
)
def test_a_service_that_can_not_explain_leaves_the_answer(
    app: AppTest, services: FakeInference, reply: Any
) -> None:
    services.routes[EXPLAINED] = reply
    ask_why(predict(app.run()))
    assert [info.value for info in app.info] == [texts.WHY_NOT.es]
    assert app.metric[0].value == texts.CLASS_LABELS["Aspen"].es
    assert len(drawn(app)) == 1
    assert app.button(key="why")


def test_a_service_that_goes_away_before_why_leaves_the_answer(
    app: AppTest, services: FakeInference
) -> None:
    services.routes[EXPLAINED] = (500, {"detail": "KeyError"})
    ask_why(predict(app.run()))
    assert app.error[0].value == texts.SERVICE_FAILED.es
    assert app.metric[0].value == texts.CLASS_LABELS["Aspen"].es
