"""Many rows: checked, predicted in parts, resumed after a failure, downloaded."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from covertype.contract import CLASSES, COLUMNS, FEATURE_NAMES
from covertype_ui import batch_run, texts
from covertype_ui.batch_run import ADDED_COLUMNS, BatchRun
from covertype_ui.examples import TYPICAL
from covertype_ui.memory_budget import MemoryBudget
from covertype_ui.pages import batch as batch_page
from tests.ui.fakes import FakeInference, Reply, batch_reply

Page = Callable[[str], AppTest]
LINE = ",".join(str(value) for value in TYPICAL[CLASSES[0]])


@pytest.fixture
def batch(page: Page, services: FakeInference) -> AppTest:
    services.routes["POST /predict/batch"] = batch_reply
    return page("batch").run()


def upload(app: AppTest, content: bytes, name: str = "plots.csv") -> AppTest:
    app.file_uploader[0].set_value((name, content, "text/csv"))
    return app.run()


def press(app: AppTest, phrase: texts.Phrase, **values: object) -> AppTest:
    label = phrase.es.format(**values)
    return next(button for button in app.button if button.label == label).click().run()


def said(app: AppTest) -> str:
    places = (app.success, app.warning, app.error, app.info, app.markdown, app.caption)
    return "\n".join(element.value for place in places for element in place)


def test_example_is_predicted_and_can_be_downloaded(batch: AppTest) -> None:
    press(batch, texts.USE_EXAMPLE)
    assert "7 filas, todas correctas" in said(batch)
    press(batch, texts.PREDICT_ROWS, rows=7)
    assert not batch.exception
    assert "7 filas predichas" in said(batch)
    assert "versión 3" in said(batch)
    assert "acierta en el 100,0" in said(batch)
    run: BatchRun = batch.session_state["batch.run"]
    rows = list(csv.reader(io.StringIO(run.result_csv().decode())))
    assert rows[0] == [*COLUMNS, *ADDED_COLUMNS]
    assert [row[len(COLUMNS) + 1] for row in rows[1:]] == list(CLASSES)


def test_bad_rows_are_listed_and_the_others_can_be_predicted(batch: AppTest) -> None:
    bad = LINE.replace("3134", "alta")
    upload(batch, "\n".join([",".join(FEATURE_NAMES), LINE, bad]).encode())
    assert "1 filas correctas y 1 que no lo son" in said(batch)
    assert batch.dataframe[0].value.to_numpy().tolist() == [
        [3, "Elevación debe ser un número entero de 0 a 9\u202f000; aquí: alta"]
    ]
    press(batch, texts.PREDICT_ROWS, rows=1)
    assert len(batch.session_state["batch.run"].predictions) == 1


def test_english_keeps_the_file_and_its_predictions(batch: AppTest) -> None:
    press(batch, texts.USE_EXAMPLE)
    press(batch, texts.PREDICT_ROWS, rows=7)
    batch.button_group(key="lang").set_value("en").run()
    assert "7 rows predicted" in said(batch)


@pytest.mark.parametrize(
    ("content", "explanation"),
    [
        (b"\0\1", texts.FILE_NOT_TEXT.es.format(name="plots.csv")),
        (b"", texts.FILE_EMPTY.es.format(name="plots.csv")),
        (b"a,b\n1,2\n", texts.FILE_NOT_A_TABLE.es.format(name="plots.csv")),
        (
            f"{','.join(FEATURE_NAMES[:-2])}\n".encode(),
            "A **plots.csv** le faltan columnas: `Wilderness_Area`, `Soil_Type`.",
        ),
        (
            b"1\n" * 250_002,
            "**plots.csv** tiene 250\u202f002 filas y el máximo es 250\u202f000. "
            "Divídalo en varios archivos.",
        ),
    ],
    ids=["binary", "empty", "no table", "columns missing", "too long"],
)
def test_unusable_file_is_explained(batch: AppTest, content: bytes, explanation: str) -> None:
    upload(batch, content)
    assert [error.value for error in batch.error] == [explanation]
    assert "batch.run" not in batch.session_state


def test_file_that_the_files_of_others_leave_no_room_for_is_said_so(
    batch: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_page, "budget", MemoryBudget(20))
    upload(batch, f"{LINE}\n{LINE}\n".encode())
    assert [error.value for error in batch.error] == [
        texts.FILE_NO_ROOM.es.format(name="plots.csv")
    ]
    upload(batch, f"{LINE}\n".encode(), "one.csv")
    assert not batch.error
    assert len(batch.session_state["batch.run"].table) == 1


def test_file_without_a_right_row_can_t_be_predicted(batch: AppTest) -> None:
    upload(batch, LINE.replace("3134", "alta").encode())
    assert "ninguna de sus 1 filas" in batch.error[0].value
    assert [button.label for button in batch.button] == [texts.USE_EXAMPLE.es]


def test_what_was_predicted_before_a_failure_is_kept_and_resumed(
    batch: AppTest, services: FakeInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_run, "PART_ROWS", 3)
    press(batch, texts.USE_EXAMPLE)
    answered = 0

    def once(body: bytes) -> Reply:
        nonlocal answered
        answered += 1
        return batch_reply(body) if answered == 1 else (500, {"detail": "Traceback"})

    services.routes["POST /predict/batch"] = once
    press(batch, texts.PREDICT_ROWS, rows=7)
    assert texts.SERVICE_FAILED.es in said(batch)
    assert "3 de 7 filas" in said(batch)
    services.routes["POST /predict/batch"] = batch_reply
    press(batch, texts.PREDICT_REST, rows=4)
    assert "7 filas predichas" in said(batch)
    run: BatchRun = batch.session_state["batch.run"]
    assert [prediction.number for prediction in run.predictions] == list(range(7))


@pytest.mark.parametrize(
    ("reply", "phrase"),
    [
        ((503, {"detail": "no model"}), texts.NO_MODEL),
        (
            (200, {"prediction": [], "probabilities": {}, "model_version": "3"}),
            texts.SERVICE_FAILED,
        ),
        ((200, b"<html>"), texts.SERVICE_FAILED),
    ],
)
def test_failure_is_said_in_words(
    batch: AppTest, services: FakeInference, reply: Any, phrase: texts.Phrase
) -> None:
    services.routes["POST /predict/batch"] = reply
    press(batch, texts.USE_EXAMPLE)
    press(batch, texts.PREDICT_ROWS, rows=7)
    assert phrase.es[:40] in said(batch)


def test_busy_service_is_told_from_one_without_a_model(
    batch: AppTest, services: FakeInference
) -> None:
    services.routes |= {
        "POST /predict/batch": (503, {"detail": "busy"}),
        "GET /ready": (200, {"ready": True}),
    }
    press(batch, texts.USE_EXAMPLE)
    press(batch, texts.PREDICT_ROWS, rows=7)
    assert texts.SERVICE_BUSY.es in said(batch)


def test_answers_come_back_in_the_order_of_the_rows(
    batch: AppTest, services: FakeInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_run, "PART_ROWS", 2)
    press(batch, texts.USE_EXAMPLE)
    press(batch, texts.PREDICT_ROWS, rows=7)
    asked = [json.loads(body) for route, body in services.asked if route == "POST /predict/batch"]
    assert [row for body in asked for row in body["features"]] == [
        list(row) for row in TYPICAL.values()
    ]
