"""Feedback: the true class of a prediction by its id, or of an observation."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from covertype.contract import CLASSES, FEATURE_NAMES
from covertype.monitoring.live import live_accuracy
from inference.api.app import create_app
from inference.api.feedback import MOST
from inference.settings import ServingSettings
from tests.inference.scraping import figure

VALID: list[Any] = [3000, 45, 10, 100, 20, 200, 220, 230, 180, 150, "Cache", "C2702"]
OF_ID = {"prediction_id": "3f0c9a5e77d1b284-1795683566-41", "cover_type": 4}
OF_ROW = {"features": VALID, "cover_type": 4}

Rows = list[list[Any]]


@contextmanager
def stopped_after(settings: ServingSettings) -> Iterator[TestClient]:
    """A service that has written its logs at the end of the block."""
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def settings(client: TestClient, serving_settings: ServingSettings, tmp_path: Any) -> Any:
    """The settings of a service over the same model, with datasets of its own."""
    return serving_settings.model_copy(update={"datasets_url": tmp_path / "datasets"})


def give(client: TestClient, body: Any) -> Any:
    response = client.post("/feedback", json=body)
    assert response.status_code == 202, response.text
    return response.json()


def test_ids_of_a_prediction_and_of_a_batch_s_rows_bring_feedback_to_their_answers(
    settings: ServingSettings, rows: Rows, expected: npt.NDArray[np.float64]
) -> None:
    with stopped_after(settings) as client:
        one = client.post("/predict", json={"features": rows[0]}).json()
        many = client.post("/predict/batch", json={"features": rows[1:4]}).json()
        ids = [one["prediction_id"], *(f"{many['prediction_id']}-{row}" for row in range(3))]
        truths = [CLASSES[0], 1, "Ponderosa Pine", 3.0]
        given = [
            {"prediction_id": named, "cover_type": truth}
            for named, truth in zip(ids, truths, strict=True)
        ]
        assert give(client, given) == {"accepted": 4, "correct": 0, "wrong": 0, "pending": 4}
    feedback = settings.datasets.read_feedback().set_index("prediction_id").loc[ids]
    assert feedback["truth"].tolist() == [0, 1, 2, 3]
    assert feedback["prediction"].tolist() == expected[:4].argmax(axis=1).tolist()
    assert feedback["model_version"].tolist() == ["3"] * 4
    assert feedback[list(FEATURE_NAMES)].to_numpy(object).tolist() == rows[:4]


def test_an_observation_is_predicted_at_once_and_is_no_request_of_the_prediction_log(
    settings: ServingSettings, rows: Rows, expected: npt.NDArray[np.float64]
) -> None:
    predicted = expected[:2].argmax(axis=1).tolist()
    named = dict(zip(FEATURE_NAMES, rows[1], strict=True))
    with stopped_after(settings) as client:
        right = {"features": rows[0], "cover_type": predicted[0]}
        wrong = {"features": named, "cover_type": CLASSES[(predicted[1] + 1) % len(CLASSES)]}
        assert give(client, right) == {"accepted": 1, "correct": 1, "wrong": 0, "pending": 0}
        assert give(client, [right, wrong, OF_ID]) == {
            "accepted": 3,
            "correct": 1,
            "wrong": 1,
            "pending": 1,
        }
        metrics = client.get("/metrics").text
    taken = 'covertype_feedback_total{{result="{}",version="{}"}}'
    assert figure(metrics, taken.format("correct", "3")) == 2
    assert figure(metrics, taken.format("wrong", "3")) == 1
    assert figure(metrics, taken.format("pending", "")) == 1
    feedback = settings.datasets.read_feedback()
    assert feedback["prediction"].dropna().tolist() == [predicted[0], *predicted]
    assert live_accuracy(feedback)["correct"].to_dict() == {"3": 2}
    assert settings.datasets.read_predictions().empty


def test_the_same_feedback_twice_counts_once(settings: ServingSettings, rows: Rows) -> None:
    with stopped_after(settings) as client:
        answer = client.post("/predict", json={"features": rows[0]}).json()
        given = {"prediction_id": answer["prediction_id"], "cover_type": answer["label"]}
        for _ in range(2):
            give(client, given)
    assert live_accuracy(settings.datasets.read_feedback())["rows"].to_dict() == {"3": 1}


def test_no_two_predictions_of_two_runs_have_the_same_id(
    settings: ServingSettings, rows: Rows
) -> None:
    ids = set()
    for _ in range(2):
        with stopped_after(settings) as client:
            for _ in range(20):
                ids.add(client.post("/predict", json={"features": rows[0]}).json()["prediction_id"])
            ids.add(client.post("/predict/batch", json={"features": rows}).json()["prediction_id"])
    assert len(ids) == 42
    logged = settings.datasets.read_predictions()["id"]
    assert len(logged) == 2 * (20 + len(rows))
    assert logged.is_unique


@pytest.mark.parametrize(
    ("body", "location", "allowed"),
    [
        ({}, ["body"], "cover_type"),
        ("Aspen", ["body"], "cover_type"),
        ([], ["body"], f"1 to {MOST}"),
        ([OF_ID] * (MOST + 1), ["body"], f"1 to {MOST}"),
        ({"cover_type": 4}, ["body"], "either"),
        ({**OF_ID, **OF_ROW}, ["body"], "either"),
        ({**OF_ID, "label": 4}, ["body"], "either"),
        ([OF_ID, 3], [1], "either"),
        ({**OF_ID, "cover_type": 7}, ["cover_type"], "0 to 6"),
        ({**OF_ID, "cover_type": "aspen"}, ["cover_type"], "Aspen"),
        ({**OF_ID, "cover_type": True}, ["cover_type"], "got true"),
        ({**OF_ID, "cover_type": 1.5}, ["cover_type"], "got 1.5"),
        ({**OF_ID, "cover_type": None}, ["cover_type"], "0 to 6"),
        ([OF_ID, {**OF_ID, "cover_type": []}], [1, "cover_type"], "0 to 6"),
        ({**OF_ID, "prediction_id": ""}, ["prediction_id"], "the id"),
        ({**OF_ID, "prediction_id": 5}, ["prediction_id"], "the id"),
        ({**OF_ID, "prediction_id": "a" * 65}, ["prediction_id"], "the id"),
        ({**OF_ID, "prediction_id": "../a"}, ["prediction_id"], "the id"),
        ({**OF_ID, "prediction_id": "a\n"}, ["prediction_id"], "the id"),
        ({**OF_ID, "prediction_id": "\u0661"}, ["prediction_id"], "the id"),
        ({**OF_ROW, "features": VALID[:11]}, ["features"], "12 values"),
        ({**OF_ROW, "features": "3000"}, ["features"], "12 values"),
        ({**OF_ROW, "features": [*VALID[:-1], "C1"]}, ["features", "Soil_Type"], "names"),
        ([{**OF_ROW, "features": [-1, *VALID[1:]]}], [0, "features", "Elevation"], "0 to 9000"),
    ],
)
def test_invalid_feedback_is_422_and_says_where_and_what_is_allowed(
    client: TestClient, body: Any, location: list[str | int], allowed: str
) -> None:
    response = client.post("/feedback", json=body)
    assert response.status_code == 422
    (fault,) = response.json()["detail"]
    assert fault["loc"] == location
    assert allowed in fault["msg"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[" * 60_000,
        b'{"cover_type":' * 4_000,
        b"[" + b"{}," * 20_000 + b"{}]",
        b'{"prediction_id": "a", "cover_type": NaN}',
        b'{"prediction_id": "a", "cover_type": ' + b"9" * 50_000 + b"}",
        b'{"prediction_id": "\\ud800", "cover_type": 4}',
    ],
)
def test_a_hostile_body_is_422(client: TestClient, content: bytes) -> None:
    assert client.post("/feedback", content=content).status_code == 422


def test_a_long_body_is_413(client: TestClient) -> None:
    assert client.post("/feedback", content=b" " * 64_001).status_code == 413


def test_invalid_feedback_of_many_takes_none_and_lists_the_first_faults(
    settings: ServingSettings,
) -> None:
    with stopped_after(settings) as client:
        bad = [OF_ID, *([{**OF_ID, "cover_type": 9}] * 50)]
        assert len(client.post("/feedback", json=bad).json()["detail"]) == 20
    assert settings.datasets.read_feedback().empty


def test_without_a_model_an_id_is_taken_and_an_observation_is_503(
    client_without_model: TestClient,
) -> None:
    assert give(client_without_model, OF_ID)["pending"] == 1
    response = client_without_model.post("/feedback", json=[OF_ID, OF_ROW])
    assert response.status_code == 503
    assert "No model is in Production yet" in response.json()["detail"]


def test_without_a_prediction_log_only_an_observation_is_taken(settings: ServingSettings) -> None:
    without = settings.model_copy(update={"prediction_log": False})
    with stopped_after(without) as client:
        response = client.post("/feedback", json=OF_ID)
        assert response.status_code == 422
        assert "send the observation" in response.json()["detail"][0]["msg"]
        assert give(client, OF_ROW)["accepted"] == 1
    assert len(settings.datasets.read_feedback()) == 1


def test_the_documented_examples_are_taken(client: TestClient) -> None:
    document = client.get("/openapi.json").json()["paths"]["/feedback"]["post"]
    for example in document["requestBody"]["content"]["application/json"]["examples"].values():
        give(client, json.loads(json.dumps(example["value"])))


def test_feedback_beyond_the_limit_of_a_day_is_lost_and_counted(
    settings: ServingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.telemetry.log_files._MB", 1)
    with stopped_after(settings) as client:
        service = client.app.state.service  # type: ignore[attr-defined]
        give(client, OF_ID)
    assert settings.datasets.read_feedback().empty
    assert service.metrics.feedback_logged.labels("lost")._value.get() == 1


def test_feedback_times_are_when_it_arrived(settings: ServingSettings) -> None:
    before = pd.Timestamp.now("UTC")
    with stopped_after(settings) as client:
        give(client, [OF_ID, OF_ROW])
    assert settings.datasets.read_feedback()["time"].between(before, pd.Timestamp.now("UTC")).all()
