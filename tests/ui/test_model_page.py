"""The model's page: what it shows of Production and of the versions before it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from mlflow import MlflowClient
from streamlit.testing.v1 import AppTest

from covertype.data import Datasets
from covertype.gate.verdicts import REASON, VERDICT, Outcome, Rule, figures_of, tag_of
from covertype.history import GATE, History, Kind, State
from covertype.monitoring.first_hour import Finding, Trouble
from covertype.registry.names import MODEL_NAME
from covertype.registry.production import to_production
from covertype_ui import texts
from covertype_ui.history import HistoryAway, read_history
from covertype_ui.settings import settings
from tests.covertype.gate.test_verdicts import FORMER_SENTENCES, verdict
from tests.ui.fakes import FakeInference

Page = Callable[[str], AppTest]
Caption = Callable[[Mapping[str, str], str], str]
FIRST = (
    "accuracy 0.8123 is higher than 0.4880 of always answering the most frequent class, "
    "on the same 11620 test rows"
)
SECOND = (
    "accuracy 0.8000 is not higher than 0.8123 of version 1 in Production, "
    "on the same 11620 test rows"
)
THIRD = (
    "accuracy 0.8200 is higher than 0.4880 of always answering the most frequent class, "
    "on the same 11620 test rows; version 2 in Production can't answer: ValueError: it is damaged"
)
OTHER = "recall of Aspen fell by 3 points"


@pytest.fixture(scope="module")
def registry(mlflow_server: str) -> Iterator[str]:
    """An MLflow with four versions: two promoted, two refused, each for another reason."""
    client, name = MlflowClient(mlflow_server), "ModelOfThisPage"
    client.create_registered_model(name)
    for accuracy, outcome, reason in (
        ("0.812300", Outcome.PROMOTED, FIRST),
        ("0.800000", Outcome.REFUSED, SECOND),
        ("0.830000", Outcome.REFUSED, OTHER),
        ("0.820000", Outcome.PROMOTED, THIRD),
    ):
        run = client.create_run("0").info
        source = f"{run.artifact_uri}/model"
        version = client.create_model_version(name, source, run.run_id).version
        for key, value in ((tag_of("accuracy"), accuracy), (REASON, reason), (VERDICT, outcome)):
            client.set_model_version_tag(name, version, key, value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
        patch.setattr("covertype.registry.production.MODEL_NAME", name)
        patch.setattr("covertype_ui.history.MODEL_NAME", name)
        to_production("1")
        yield mlflow_server


def shown(app: AppTest) -> str:
    places = (app.markdown, app.caption, app.info, app.error, app.warning)
    return "\n".join(element.value for place in places for element in place)


def test_history_is_read_from_mlflow_itself(registry: str) -> None:
    records = read_history(registry, 10)
    assert [record.version for record in records] == ["4", "3", "2", "1"]
    assert [record.outcome for record in records] == [
        Outcome.PROMOTED,
        Outcome.REFUSED,
        Outcome.REFUSED,
        Outcome.PROMOTED,
    ]
    assert [record.stage for record in records] == ["None", "None", "None", "Production"]
    assert [record.accuracy for record in records] == [0.82, 0.83, 0.8, 0.8123]
    assert abs((datetime.now(UTC) - records[0].registered).total_seconds()) < 600


def test_more_versions_than_one_page_holds_are_all_read(
    registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("covertype_ui.history._PAGE", 1)
    assert len(read_history(registry, 10)) == 4


def test_the_newest_version_is_the_one_of_the_highest_number_whatever_the_clock_said(
    services: FakeInference,
) -> None:
    services.routes["GET /api/2.0/mlflow/model-versions/search"] = (
        200,
        {
            "model_versions": [
                {"version": number, "creation_timestamp": 10**12 - int(number)}
                for number in ("2", "10", "9")
            ]
        },
    )
    records = read_history(services.address, 2)
    assert [record.version for record in records] == ["10", "9", "2"]


def test_another_server_s_answer_is_no_history(services: FakeInference) -> None:
    services.routes["GET /api/2.0/mlflow/model-versions/search"] = (200, {"model_versions": [{}]})
    with pytest.raises(HistoryAway):
        read_history(services.address, 2)


def test_history_says_each_verdict_and_its_reason_in_spanish(
    page: Page, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry)
    text = shown(page("model").run())
    assert "acierta el 81,23\u202f%; responder siempre la cobertura más frecuente" in text
    assert "acierta el 80,00\u202f%; la versión 1, entonces en producción, el 81,23\u202f%" in text
    assert "la versión 2, entonces en producción, no puede responder: ValueError: it is" in text
    assert OTHER in text
    assert text.count(texts.REFUSED_VERSION.es) == 2
    assert text.count(texts.PROMOTED.es) == 2
    assert f"http://127.0.0.1:5000/#/models/{MODEL_NAME}/versions/2" in text


@pytest.fixture
def caption(page: Page, services: FakeInference, monkeypatch: pytest.MonkeyPatch) -> Caption:
    """Return what the page says of a version with these tags, in a language."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", services.address)

    def shown_for(tags: Mapping[str, str], language: str) -> str:
        listed = [{"key": key, "value": value} for key, value in tags.items()]
        version = {"version": "1", "creation_timestamp": 10**12, "tags": listed}
        services.routes["GET /api/2.0/mlflow/model-versions/search"] = (
            200,
            {"model_versions": [version]},
        )
        app = page("model")
        app.session_state["lang"] = language
        return str([caption.value for caption in app.run().caption][-1])

    return shown_for


@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize("rule", FORMER_SENTENCES)
def test_a_verdict_stored_as_facts_is_shown_as_one_stored_as_a_sentence(
    rule: Rule, language: str, caption: Caption
) -> None:
    given = verdict(rule)
    former = {REASON: given.reason, VERDICT: Outcome.REFUSED}
    # What this release writes as a sentence is for people in MLflow: the app does not read it.
    present = given.facts() | {REASON: "not for the app", VERDICT: Outcome.REFUSED}
    assert caption(former, language) == caption(present, language)


@pytest.mark.parametrize("rule", Rule)
def test_the_reason_of_a_verdict_is_shown_in_both_languages(rule: Rule, caption: Caption) -> None:
    given = verdict(rule)
    tags = given.facts() | {REASON: given.reason, VERDICT: Outcome.REFUSED}
    assert caption(tags, "en") == given.reason
    in_spanish = caption(tags, "es")
    assert in_spanish != given.reason
    for name in figures_of(rule) & {
        "former_version",
        "former_fault",
        "fault",
        "production_changes",
    }:
        assert str(given.figures[name]) in in_spanish


def test_a_class_has_its_spanish_name_in_a_verdict(caption: Caption) -> None:
    tags = verdict(Rule.CLASS_LOST).facts() | {REASON: "", VERDICT: Outcome.REFUSED}
    assert "reconoce el 50,00\u202f% de Álamo temblón; la versión 3" in caption(
        tags | {REASON: "lost"}, "es"
    )


def test_a_version_that_waits_for_a_person_is_shown_as_eligible(
    page: Page, services: FakeInference, monkeypatch: pytest.MonkeyPatch, caption: Caption
) -> None:
    tags = verdict(Rule.BETTER).facts() | {REASON: "better", VERDICT: Outcome.ELIGIBLE}
    caption(tags, "es")
    assert texts.ELIGIBLE.es in shown(page("model").run())


def test_every_rule_of_a_verdict_has_its_figures_in_spanish() -> None:
    for rule in Rule:
        named = {name for _, name, _, _ in Formatter().parse(texts.VERDICT_REASONS[rule]) if name}
        assert named == figures_of(rule)


def test_production_is_shown_with_its_metrics_and_links(page: Page) -> None:
    app = page("model").run()
    assert not app.exception
    assert [metric.value for metric in app.metric] == [
        "3",
        "22/11/2026 10:15",
        "87,1\u202f%",
        "75,1\u202f%",
        "0,810",
        "0,390",
    ]
    assert "http://127.0.0.1:5000/#/experiments/2/runs/0123456789abcdef" in [
        link.proto.url for link in app.get("link_button")
    ]


@pytest.mark.parametrize(
    ("language", "label", "value", "rows"),
    [
        ("es", "Exactitud en el lote siguiente", "75,1\u202f%", "las 37\u202f851 observaciones"),
        ("en", "Accuracy on the next batch", "75.1%", "the 37,851 new observations of batch 5"),
    ],
)
def test_the_next_batch_is_shown_beside_the_holdout_and_says_of_what_it_is(
    page: Page, language: str, label: str, value: str, rows: str
) -> None:
    app = page("model")
    app.session_state["lang"] = language
    holdout, figure = app.run().metric[2:4]
    assert holdout.label == getattr(texts.ACCURACY, language)
    assert (figure.label, figure.value) == (label, value)
    assert rows in figure.proto.help


@pytest.mark.parametrize("answer", [{"next_batch": None}, {}])
def test_a_version_without_next_batch_shows_that_the_figure_is_not_known_yet(
    page: Page, services: FakeInference, answer: dict[str, None]
) -> None:
    status, body = services.routes["GET /model"]  # type: ignore[misc]
    del body["next_batch"]
    services.routes["GET /model"] = (status, body | answer)
    figure = page("model").run().metric[3]
    assert (figure.label, figure.value) == (texts.NEXT_BATCH.es, "—")
    assert figure.proto.help == texts.NEXT_BATCH_UNKNOWN.es


def test_mlflow_away_leaves_the_model_in_sight(page: Page) -> None:
    app = page("model").run()
    assert [error.value for error in app.error] == [texts.MLFLOW_AWAY.es]
    assert app.metric[0].value == "3"


def test_no_version_yet_says_where_the_first_comes_from(
    page: Page, services: FakeInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.routes["GET /model"] = (503, {"detail": "no model"})
    services.routes["GET /api/2.0/mlflow/model-versions/search"] = (200, {})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", services.address)
    app = page("model").run()
    assert [info.value for info in app.info] == [
        texts.NO_MODEL.es.format(airflow="http://127.0.0.1:8080"),
        texts.HISTORY_EMPTY.es.format(airflow="http://127.0.0.1:8080"),
    ]


def test_model_without_pictures_is_shown_without_them(page: Page, services: FakeInference) -> None:
    body = services.routes["GET /model"]
    assert isinstance(body, tuple)
    body[1].update(confusion_matrix=None, importances=None, since=None)
    app = page("model").run()
    assert not app.exception
    assert [header.value for header in app.subheader] == [texts.HISTORY.es]


def change(history: History, kind: Kind, version: str, former: str | None, **more: Any) -> None:
    number = history.add(kind, version, former, **more)
    if kind is not Kind.REFUSED:
        history.end(number, State.DONE)


@pytest.mark.parametrize("language", ["es", "en"])
def test_the_changes_of_production_say_who_and_why_the_newest_first(
    page: Page, language: str
) -> None:
    history = Datasets(settings().datasets_url).history
    judged = verdict(Rule.FIRST)
    trouble = {"trouble": "live_accuracy", "share": "0.4125", "of": "1200", "limit": "0.6"}
    change(history, Kind.PROMOTED, "1", None, who=GATE, why=judged.reason, facts=judged.facts())
    change(history, Kind.REFUSED, "2", "1", who=GATE, why="no")
    change(history, Kind.PROMOTED, "3", "1", who="ana", why="por los [álamos](http://x)")
    change(history, Kind.ROLLED_BACK, "1", "3", who="watch_new_version", why="…", facts=trouble)
    change(history, Kind.FOUND, "2", "1")
    app = page("model")
    app.session_state["lang"] = language
    app.run()
    assert not app.exception
    headed = [one.value for one in app.markdown if " → " in one.value]
    expected = [("1 → 2", "CHANGE_IN_MLFLOW"), ("3 → 1", "ROLLBACK")]
    expected += [("1 → 3", "PROMOTION"), ("— → 1", "PROMOTION")]
    for line, (versions, name) in zip(headed, expected, strict=True):
        assert line.startswith(f"**{versions}**")
        assert getattr(getattr(texts, name), language) in line
    rolled_back, by_hand, by_the_gate = (one.value for one in app.text)
    assert by_hand == "ana: por los [álamos](http://x)"
    gate = getattr(texts.THE_GATE, language)
    if language == "en":
        assert rolled_back == (
            "watch_new_version: version 3, just promoted, was right in 41.2% of the 1,200 answers "
            "that were checked; the minimum is 60.0%"
        )
        assert by_the_gate == f"{gate}: {judged.reason}"
    else:
        assert "la versión 3, recién promovida, acertaba el 41,2\u202f% de las" in rolled_back
        assert by_the_gate.startswith(f"{gate}: acierta")


def test_a_damaged_history_is_said_and_the_rest_is_shown(page: Page) -> None:
    folder = Path(settings().datasets_url) / "promotions"
    folder.mkdir(parents=True)
    (folder / "000001.json").write_text("{")
    app = page("model").run()
    assert not app.exception
    assert texts.CHANGES_UNREADABLE.es in [error.value for error in app.error]
    assert app.metric[0].value == "3"


@pytest.mark.parametrize("trouble", Trouble)
def test_every_trouble_is_said_with_its_figures(page: Page, trouble: Trouble) -> None:
    facts = Finding(trouble, 0.4125, 1200, 0.6).facts
    change(Datasets(settings().datasets_url).history, Kind.ROLLED_BACK, "1", "3", facts=facts)
    (told,) = page("model").run().text
    assert "versión 3" in told.value
    assert "41,2\u202f%" in told.value
