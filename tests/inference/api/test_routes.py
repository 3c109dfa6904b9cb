"""The routes over one kept forest."""

import io
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from sklearn.pipeline import Pipeline

from covertype.answers import ANSWERED, FAILED, REQUESTS_BY_VERSION, LiveAccuracy, NextBatch
from covertype.contract import CLASSES, FEATURE_NAMES, QUANTITY_NAMES, SOIL_TYPE, WILDERNESS_AREA
from covertype.models.forest_walks import ForestPredictor
from inference.api.app import create_app
from inference.api.service import Service
from inference.model.store import ModelStore
from inference.settings import ServingSettings
from tests.inference.conftest import Keep, report_on
from tests.inference.scraping import figure

OLD_CLIENT = {
    "features": [3000.0, 45.0, 10.0, 100.0, 20.0, 200.0, 220.0, 230.0, 180.0, 150.0, 0, 0]
}
VALID: list[Any] = [3000, 45, 10, 100, 20, 200, 220, 230, 180, 150, "Cache", "C2702"]
CSV = {"Content-Type": "text/csv"}

Rows = list[list[Any]]
Probabilities = npt.NDArray[np.float64]


def features(values: Any) -> str:
    return json.dumps({"features": values})


def by_index(row: list[Any]) -> list[Any]:
    return [*row[:-2], WILDERNESS_AREA.values.index(row[-2]), SOIL_TYPE.values.index(row[-1])]


def csv_of(rows: Rows, columns: list[str], header: bool = True) -> str:
    return pd.DataFrame(rows, columns=columns).to_csv(index=False, header=header)


def columns_of(answer: dict[str, Any]) -> Probabilities:
    return np.array([answer["probabilities"][label] for label in CLASSES]).T


def test_root_says_that_it_runs(client: TestClient) -> None:
    assert client.get("/").json() == {"message": "API de inferencia en ejecución"}


def test_each_way_to_send_an_observation_gets_scikit_learns_answer(
    client: TestClient, rows: Rows, expected: Probabilities
) -> None:
    for row, wanted in zip(rows[:100], expected, strict=False):
        named = dict(zip(FEATURE_NAMES, row, strict=True))
        for sent in (row, by_index(row), named):
            answer = client.post("/predict", content=features(sent)).json()
            assert answer["prediction"] == [int(wanted.argmax())]
            assert answer["label"] == CLASSES[wanted.argmax()]
            assert list(answer["probabilities"]) == list(CLASSES)
            assert list(answer["probabilities"].values()) == wanted.tolist()
            assert answer["model_version"] == "3"


def test_an_old_clients_body_works(client: TestClient) -> None:
    response = client.post("/predict", json=OLD_CLIENT)
    assert response.status_code == 200
    (prediction,) = response.json()["prediction"]
    assert prediction in range(7)


def test_a_value_outside_the_training_range_warns(client: TestClient) -> None:
    answer = client.post("/predict", json={"features": [9000, *VALID[1:]]}).json()
    assert any(warning.startswith("Elevation 9000 is outside") for warning in answer["warnings"])
    batch = client.post("/predict/batch", json={"features": [VALID, [9000, *VALID[1:]]]}).json()
    assert any(text.startswith("row 1: Elevation 9000 is outside") for text in batch["warnings"])


@pytest.mark.parametrize("explain", ["true", "True"])
def test_an_explained_answer_says_what_each_feature_contributes(
    client: TestClient, rows: Rows, expected: Probabilities, explain: str
) -> None:
    for row, wanted in zip(rows[:20], expected, strict=False):
        plain = client.post("/predict", content=features(row)).json()
        explained = client.post(f"/predict?explain={explain}", content=features(row)).json()
        explanation = explained.pop("explanation")
        assert explained.pop("prediction_id") != plain.pop("prediction_id")
        assert explained == plain
        assert list(explanation["contributions"]) == list(FEATURE_NAMES)
        total = explanation["bias"] + sum(explanation["contributions"].values())
        assert abs(total - wanted.max()) < 1e-12


def test_an_explained_answer_warns_and_is_counted_and_logged_as_any_other(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded: list[tuple[Any, ...]] = []
    monkeypatch.setattr(Service, "record", lambda _, *answer: recorded.append(answer))
    body = {"features": [9000, *VALID[1:]]}
    answer = client.post("/predict?explain=true", json=body).json()
    assert any(warning.startswith("Elevation 9000 is outside") for warning in answer["warnings"])
    (record,) = recorded
    named, version, row, prediction, _ = record
    assert (named.text, version, row[0]) == (answer["prediction_id"], "3", 9000)
    assert prediction == answer["prediction"][0]


@pytest.mark.parametrize("query", ["?", "?explain=false", "?explain=FALSE", "?other=true"])
def test_an_answer_that_is_not_to_be_explained_has_the_same_fields(
    client: TestClient, query: str
) -> None:
    plain = client.post("/predict", json=OLD_CLIENT).json()
    assert "explanation" not in plain
    answer = client.post(f"/predict{query}", json=OLD_CLIENT).json()
    assert answer | {"prediction_id": ""} == plain | {"prediction_id": ""}


@pytest.mark.parametrize(
    ("query", "got"),
    [
        ("explain=yes", "'yes'"),
        ("explain=1", "'1'"),
        ("explain", "''"),
        ("explain=true&explain=false", "'true', 'false'"),
        ("explain=%ff%00", "'\ufffd\\x00'"),
    ],
)
def test_explain_that_is_neither_true_nor_false_is_422_and_says_what_is_allowed(
    client: TestClient, query: str, got: str
) -> None:
    response = client.post(f"/predict?{query}", json=OLD_CLIENT)
    assert response.status_code == 422
    (fault,) = response.json()["detail"]
    assert fault["loc"] == ["query", "explain"]
    assert fault["msg"] == f"explain must be true or false, once; got {got}"


def test_a_model_that_is_no_forest_answers_but_is_not_explained(
    tmp_path: Path, without_follower: None, logistic_regression: Pipeline, keep: Keep
) -> None:
    keep(ModelStore(tmp_path), "4", logistic_regression)
    settings = ServingSettings(model_cache_dir=tmp_path, datasets_url=tmp_path)
    with TestClient(create_app(settings)) as client:
        assert client.post("/predict", json=OLD_CLIENT).status_code == 200
        response = client.post("/predict?explain=true", json=OLD_CLIENT)
    assert response.status_code == 422
    (fault,) = response.json()["detail"]
    assert fault["loc"] == ["query", "explain"]
    assert fault["msg"].startswith("version 4 is not a forest, so it has no decision paths")


@pytest.mark.parametrize(
    ("body", "location"),
    [
        (features(VALID[:11]), ["features"]),
        (features([*VALID, 1]), ["features"]),
        ('{"features": []}', ["features"]),
        ('{"features": "3000"}', ["features"]),
        ('{"features": null}', ["features"]),
        ('{"feature": []}', ["features"]),
        ("[]", ["features"]),
        ("", ["body"]),
        ("hello", ["body"]),
        ("[" * 5000, ["body"]),
        (features(["high", *VALID[1:]]), ["features", "Elevation"]),
        (features([True, *VALID[1:]]), ["features", "Elevation"]),
        (features([float("nan"), *VALID[1:]]), ["features", "Elevation"]),
        (features([float("inf"), *VALID[1:]]), ["features", "Elevation"]),
        ('{"features": [1e999, 45, 10]}', ["features"]),
        (features([*VALID[:-1], "\ud800"]), ["features", "Soil_Type"]),
        (features([*VALID[:-1], -1]), ["features", "Soil_Type"]),
        (features([*VALID[:-1], 40]), ["features", "Soil_Type"]),
        (
            features([*VALID[:-2], "Narnia", "C2702"]),
            ["features", "Wilderness_Area"],
        ),
    ],
)
def test_a_bad_body_is_422_and_says_where(
    client: TestClient, body: str, location: list[str]
) -> None:
    response = client.post("/predict", content=body)
    assert response.status_code == 422
    (fault,) = response.json()["detail"]
    assert fault["loc"] == location


def test_a_body_without_end_is_413(client: TestClient) -> None:
    assert client.post("/predict", content=b"1" * 100_000).status_code == 413
    assert client.post("/predict/batch", content=b"1" * 2_000_000).status_code == 413


def test_a_batch_gets_scikit_learns_answers(
    client: TestClient, rows: Rows, expected: Probabilities
) -> None:
    answer = client.post("/predict/batch", json={"features": rows}).json()
    assert answer["prediction"] == expected.argmax(axis=1).tolist()
    assert answer["label"] == [CLASSES[best] for best in expected.argmax(axis=1)]
    assert np.array_equal(columns_of(answer), expected)


def test_a_csv_is_answered_as_csv_line_by_line(
    client: TestClient, rows: Rows, expected: Probabilities
) -> None:
    turned = [row[::-1] for row in rows]
    bodies = [
        csv_of(rows, list(FEATURE_NAMES)),
        csv_of(rows, list(FEATURE_NAMES), header=False),
        csv_of(turned, list(FEATURE_NAMES[::-1])),
        csv_of([[*row, 1] for row in rows], [*FEATURE_NAMES, "Cover_Type"]),
        csv_of(rows, list(FEATURE_NAMES)).replace(",", ";"),
        "\ufeff" + csv_of(rows, list(FEATURE_NAMES)).replace("\n", "\r\n"),
        csv_of([by_index(row) for row in rows], list(FEATURE_NAMES)),
        csv_of(rows, list(FEATURE_NAMES)).replace("Rawah", " Rawah "),
    ]
    for body in bodies:
        response = client.post("/predict/batch", content=body.encode(), headers=CSV)
        assert response.headers["content-type"].startswith("text/csv")
        table = pd.read_csv(io.StringIO(response.text))
        assert np.array_equal(table[list(CLASSES)].to_numpy(), expected)
        assert (table["prediction"] == expected.argmax(axis=1)).all()
        assert (table["model_version"] == 3).all()


def test_the_answers_format_can_be_chosen(client: TestClient, rows: Rows) -> None:
    body = csv_of(rows, list(FEATURE_NAMES)).encode()
    as_json = {**CSV, "Accept": "application/json"}
    answer = client.post("/predict/batch", content=body, headers=as_json).json()
    assert len(answer["prediction"]) == len(rows)
    response = client.post(
        "/predict/batch", json={"features": rows}, headers={"Accept": "text/csv"}
    )
    assert len(response.text.splitlines()) == len(rows) + 1


@pytest.mark.parametrize(
    ("old", "new", "location"),
    [
        ("Rawah", "Narnia", "Wilderness_Area"),
        (",C7745", ",", "Soil_Type"),
        (",180,", ",nan,", "Hillshade_3pm"),
        (",180,", ",180.5,", "Hillshade_3pm"),
        (",180,", ",1_80,", "Hillshade_3pm"),
        (",180,", ",inf,", "Hillshade_3pm"),
        (",180,", ",1e999,", "Hillshade_3pm"),
        (",180,", ",0xB4,", "Hillshade_3pm"),
        (",180,", ",,", "Hillshade_3pm"),
        (",180,", f",{'9' * 5000},", "Hillshade_3pm"),
    ],
)
def test_a_wrong_cell_of_a_csv_is_named_with_its_row(
    client: TestClient, old: str, new: str, location: str
) -> None:
    good = [3000, 45, 10, 100, 20, 200, 220, 230, 180, 150, "Rawah", "C7745"]
    lines = csv_of([good, good], list(FEATURE_NAMES)).splitlines()
    lines[2] = lines[2].replace(old, new)
    response = client.post("/predict/batch", content="\n".join(lines), headers=CSV)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", 1, location]


@pytest.mark.parametrize("body", ["", "\n", "1,2,3", "Elevation,Aspect\n1,2", "\x00\xff", '"'])
def test_a_csv_of_another_shape_is_422(client: TestClient, body: str) -> None:
    response = client.post("/predict/batch", content=body.encode("latin1"), headers=CSV)
    assert response.status_code == 422


def test_more_rows_than_allowed_are_422(client: TestClient, rows: Rows) -> None:
    many = (rows * (5001 // len(rows) + 1))[:5001]
    response = client.post("/predict/batch", json={"features": many})
    assert response.status_code == 422
    assert "1 to 5000" in response.json()["detail"][0]["msg"]
    body = csv_of(many, list(FEATURE_NAMES)).encode()
    assert client.post("/predict/batch", content=body, headers=CSV).status_code == 422


def test_mlflows_four_formats_and_csv_are_scored(
    client: TestClient, rows: Rows, expected: Probabilities
) -> None:
    names = list(FEATURE_NAMES)
    records = [dict(zip(names, row, strict=True)) for row in rows]
    bodies: list[dict[str, Any]] = [
        {"dataframe_split": {"columns": names, "data": rows}},
        {"dataframe_split": {"columns": names[::-1], "data": [row[::-1] for row in rows]}},
        {"dataframe_split": {"data": rows}},
        {"dataframe_records": records},
        {"instances": rows},
        {"instances": records},
        {"inputs": rows},
        {"inputs": {name: [row[n] for row in rows] for n, name in enumerate(names)}},
    ]
    predictions = {"predictions": expected.argmax(axis=1).tolist()}
    for body in bodies:
        assert client.post("/invocations", json=body).json() == predictions
    response = client.post("/invocations", content=csv_of(rows, names), headers=CSV)
    assert response.json() == predictions


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"instances": []},
        {"instances": [1]},
        {"inputs": {"Elevation": [1]}},
        {"inputs": {name: [1] * (name == "Aspect") for name in FEATURE_NAMES}},
        {"dataframe_split": []},
        {"dataframe_split": {"columns": ["Elevation"], "data": [[1]]}},
        {"dataframe_split": {"columns": {}, "data": [[1]]}},
        {"dataframe_split": {"columns": [[]], "data": [[1]]}},
        {"dataframe_split": {"columns": list(FEATURE_NAMES[::-1]), "data": [[1], 2]}},
        {"instances": [VALID], "inputs": [VALID]},
    ],
)
def test_what_mlflow_could_not_score_is_422(client: TestClient, body: Any) -> None:
    assert client.post("/invocations", json=body).status_code == 422


def test_mlflows_clients_can_ask_for_life_and_version(client: TestClient) -> None:
    assert client.get("/ping").text == "\n"
    assert client.get("/version").text == version("mlflow-skinny")


def test_the_model_is_described(client: TestClient) -> None:
    model = client.get("/model").json()
    assert (model["name"], model["version"], model["stage"]) == ("BestModelRF", "3", "Production")
    assert set(model["training_ranges"]) == set(QUANTITY_NAMES)
    assert {"since", "run_id", "experiment_id", "metrics", "parameters", "loaded_at"} <= set(model)
    assert "golden_rows" not in model
    assert model["next_batch"] is None


def test_what_monitoring_found_of_the_version_that_answers_is_in_its_answer_and_in_the_metrics(
    tmp_path: Path, without_follower: None, forest: Pipeline, keep: Keep
) -> None:
    store = ModelStore(tmp_path)
    keep(store, "3", forest)
    store.write_report(report_on(NextBatch("3", 5, 37851, 0.75), LiveAccuracy("3", 40, 0.8)))
    with TestClient(create_app(ServingSettings(model_cache_dir=tmp_path))) as client:
        answer, metrics = client.get("/model").json(), client.get("/metrics").text
    figures = {"version": "3", "batch": 5, "rows": 37851, "accuracy": 0.75}
    assert answer["live"] == {"version": "3", "rows": 40, "accuracy": 0.8}
    assert figure(metrics, "covertype_live_accuracy") == 0.8
    assert answer["next_batch"] == figures
    assert figure(metrics, "covertype_next_batch_accuracy") == 0.75
    assert figure(metrics, "covertype_next_batch") == 5
    assert figure(metrics, "covertype_holdout_accuracy") == answer["metrics"]["accuracy"]


@pytest.mark.parametrize("lines", [5001, 5003])
def test_a_csv_with_too_many_lines_is_told_the_limit(client: TestClient, lines: int) -> None:
    line = ",".join(map(str, VALID))
    response = client.post("/predict/batch", content="\n".join([line] * lines), headers=CSV)
    assert response.status_code == 422
    assert response.json()["detail"][0]["msg"] == (f"must hold 1 to 5000 observations, got {lines}")


def test_without_a_model_each_answer_is_503_with_a_sentence(
    client_without_model: TestClient,
) -> None:
    client = client_without_model
    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 503
    for response in (
        client.post("/predict", json=OLD_CLIENT),
        client.post("/predict/batch", json={"features": [VALID]}),
        client.post("/invocations", json={"instances": [VALID]}),
        client.get("/model"),
        client.get("/ping"),
    ):
        assert response.status_code == 503
        assert "No model is in Production yet" in response.json()["detail"]


def test_while_a_kept_forest_is_flattened_anew_each_answer_is_503_and_says_so(
    tmp_path: Path, without_follower: None, forest: Pipeline, keep: Keep
) -> None:
    store = ModelStore(tmp_path)
    keep(store, "3", forest)
    (store.folder(str(store.current)) / "forest-3").rename(tmp_path / "elsewhere")
    sentence = "No model answers yet: version 3, which a former release kept, is being flattened"
    settings = ServingSettings(model_cache_dir=tmp_path, datasets_url=tmp_path)
    with TestClient(create_app(settings)) as client:
        for response in (client.get("/ready"), client.post("/predict", json=OLD_CLIENT)):
            assert response.status_code == 503
            assert response.json()["detail"] == sentence


def test_metrics_count_requests_and_predictions(client: TestClient) -> None:
    def figure(line: str) -> float:
        text = client.get("/metrics").text
        found = [row for row in text.splitlines() if row.startswith(line + " ")]
        return float(found[0].split()[-1]) if found else 0.0

    label = client.post("/predict", json=OLD_CLIENT).json()["label"]
    predictions = f'covertype_predictions_total{{label="{label}",version="3"}}'
    answered = 'covertype_requests_total{route="/predict",status="200"}'
    refused = 'covertype_requests_total{route="/predict",status="422"}'
    before = [figure(line) for line in (predictions, answered, refused)]
    client.post("/predict", json=OLD_CLIENT)
    client.post("/predict", content="no")
    client.get("/predict/nowhere")
    after = [figure(line) for line in (predictions, answered, refused)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1]
    assert figure('covertype_requests_total{route="other",status="404"}') >= 1


def test_the_documentation_shows_examples_that_are_answered(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for path in ("/predict", "/predict/batch", "/invocations"):
        content = paths[path]["post"]["requestBody"]["content"]
        for example in content["application/json"]["examples"].values():
            assert client.post(path, json=example["value"]).status_code == 200
        if "text/csv" in content:
            body = content["text/csv"]["example"]
            assert client.post(path, content=body, headers=CSV).status_code == 200


def test_requests_that_a_version_answers_or_fails_to_are_counted(
    tmp_path: Path,
    without_follower: None,
    forest: Pipeline,
    keep: Keep,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    keep(ModelStore(tmp_path), "3", forest)
    app = create_app(ServingSettings(model_cache_dir=tmp_path))
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.post("/predict", json={"features": rows[0]}).status_code == 200
        assert client.post("/predict/batch", json={"features": rows[:5]}).status_code == 200
        for name in ("answer", "probabilities"):
            monkeypatch.setattr(ForestPredictor, name, fail)
        assert client.post("/predict", json={"features": rows[0]}).status_code == 500
        assert client.post("/predict/batch", json={"features": rows[:5]}).status_code == 500
        assert client.post("/predict", json={"features": rows[0][:3]}).status_code == 422
        metrics = client.get("/metrics").text
    assert figure(metrics, f'{REQUESTS_BY_VERSION}_total{{result="{FAILED}",version="3"}}') == 2
    assert figure(metrics, f'{REQUESTS_BY_VERSION}_total{{result="{ANSWERED}",version="3"}}') == 2
