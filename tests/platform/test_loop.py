"""The whole platform as `make run` starts it, under the faults that a group's API really has."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import psutil
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Run
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from streamlit.testing.v1 import AppTest

from covertype.contract import CLASSES, FEATURE_NAMES, FEATURES, Category
from covertype.models.artifact import class_probabilities, load_model
from covertype.registry.logged import model_uri
from covertype.registry.names import ALIAS, MODEL_NAME
from covertype.rows.arrow import from_frame
from covertype.rows.violations import Violation, describe
from covertype.training.encoding import one_hot_encoder
from covertype.training.fitting import TrainingSet
from covertype.training.searches import FOREST, LOGREG, LOGREG_GRID
from tests.conftest import ROOT, free_port
from tests.platform.running import Platform, start
from tools.local.processes import DEFAULT_PORTS

FAULTS = {"error": 2, "timeout": 3, "malformed": 4, "columns": 5, "soil": 6, "empty": 7}
EXHAUSTED = 8
GOOD = {1, 9, 10}

OLD_CLIENT = [3000.0, 45.0, 10.0, 100.0, 20.0, 200.0, 220.0, 230.0, 180.0, 150.0, 0, 0]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform after its searches, with an old file there before and faults at the API."""
    state = tmp_path_factory.mktemp("platform") / "state"
    old = state / "datasets" / "group_1" / "batch_1_20250101_000000.csv"
    old.parent.mkdir(parents=True)
    rows = pd.read_parquet(ROOT / "data-api" / "covertype.parquet").tail(100).astype(str)
    old.write_text(",".join(map(str, range(13))) + "\n" + rows.to_csv(index=False, header=False))
    positions = state / "data-api" / "state.json"
    positions.parent.mkdir()
    positions.write_text(json.dumps({EXHAUSTED: {"batch": 10, "since": 0}}))
    running = start(
        state,
        {service: free_port() for service in DEFAULT_PORTS},
        FAULTS=",".join(f"{kind}@{group}:1" for kind, group in FAULTS.items()),
        DATA_API_TIMEOUT_SECONDS="3",
        # More data comes every five minutes; these tests are of the first model.
        RETRAIN_GROWTH="10",
    )
    try:
        running.wait_until_printed("A real prediction", 600)
        deadline = time.monotonic() + 300
        models = [state / "models" / s.best_file for s in (FOREST, LOGREG, LOGREG_GRID)]
        while not all(model.exists() for model in models):
            assert time.monotonic() < deadline, running.printed.read_text()
            time.sleep(1)
        mlflow.set_tracking_uri(running.address("mlflow"))
        yield running
    finally:
        running.end()


@pytest.fixture(scope="module")
def production(platform: Platform) -> Pipeline:
    version = MlflowClient().get_model_version_by_alias(MODEL_NAME, ALIAS)
    return load_model(Path(mlflow.artifacts.download_artifacts(version.source)))


@pytest.fixture(scope="module")
def data(platform: Platform) -> TrainingSet:
    return TrainingSet.from_rows(
        platform.datasets.read_snapshot(platform.datasets.snapshot_names()[0])
    )


def first_collection(platform: Platform) -> dict[int, str]:
    """The file of each group of the first collection."""
    names = [name for name in platform.datasets.raw_names() if "20250101" not in name]
    earliest = min(name.split("_", 3)[-1] for name in names)
    return {
        int(name.split("/")[0].removeprefix("group_")): name
        for name in names
        if name.endswith(earliest)
    }


def test_the_files_of_good_groups_arrive_in_spite_of_the_others(platform: Platform) -> None:
    files = first_collection(platform)
    assert set(files) == GOOD | {FAULTS["columns"], FAULTS["soil"]}
    for name in files.values():
        assert len((Path(platform.datasets.root) / name).read_text().splitlines()) == 5810


def test_each_group_ends_as_its_answers_deserve(platform: Platform) -> None:
    states = {}
    for task in task_instances(platform, "descargar_datos_api", "fetch"):
        if task["dag_run_id"] == min(
            t["dag_run_id"] for t in task_instances(platform, "descargar_datos_api", "fetch")
        ):
            states[task["map_index"] + 1] = task["state"]
    assert {group for group, state in states.items() if state == "failed"} == {
        FAULTS[kind] for kind in ("error", "timeout", "malformed")
    }
    assert {group for group, state in states.items() if state == "skipped"} == {
        FAULTS["empty"],
        EXHAUSTED,
    }


def test_the_log_says_what_happened_to_a_group(platform: Platform) -> None:
    logs = "\n".join(
        path.read_text()
        for path in (platform.state / "airflow" / "logs").rglob("*.log")
        if "task_id=fetch" in str(path)
    )
    assert re.search(r"Group 2: http://\S+ answered 500", logs)
    assert re.search(r"Group 3: no answer from http://\S+", logs)
    assert re.search(r"Group 4: http://\S+ sent something else than", logs)
    assert re.search(r"Group 5: 581 of 5810 rows don't have 13 columns", logs)
    assert "Group 8: Ya se recolectó toda la información minima necesaria" in json_unescaped(logs)


def json_unescaped(text: str) -> str:
    return re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)


def described(violations: list[Violation]) -> str:
    return "; ".join(map(describe, violations))


def test_every_bad_row_is_set_aside_with_its_reason_and_none_is_processed(
    platform: Platform,
) -> None:
    rejected = platform.datasets.read_rejected()
    files = first_collection(platform)
    for kind, reason in (("columns", "got 12"), ("soil", "C0000")):
        mine = rejected[rejected["source"] == files[FAULTS[kind]]]
        assert len(mine) == 581
        assert all(reason in described(broken) for broken in mine["violations"])
    processed = platform.datasets.read_processed()
    assert len(from_frame(processed)) == len(processed)
    assert not processed.duplicated().any()


def test_the_rows_of_an_old_file_are_read_without_its_first_line(platform: Platform) -> None:
    old = pd.read_parquet(ROOT / "data-api" / "covertype.parquet").tail(100)
    merged = old.merge(platform.datasets.read_processed())
    assert len(merged) == 100
    sources = platform.datasets.read_rejected()["source"]
    assert not sources.str.contains("20250101").any()


def test_nothing_partial_is_left(platform: Platform) -> None:
    written = [path for path in Path(platform.datasets.root).rglob("*") if path.is_file()]
    hidden = {path.name for path in written if path.name.startswith(".")}
    assert {name for name in hidden if not name.endswith(".lock")} == set()


def runs(experiment: str) -> dict[str, Run]:
    found = MlflowClient().get_experiment_by_name(experiment)
    assert found is not None
    listed = MlflowClient().search_runs([found.experiment_id])
    assert len({run.info.run_name for run in listed}) == len(listed)
    return {run.info.run_name: run for run in listed}


def test_every_candidate_is_a_finished_run_of_airflow(platform: Platform) -> None:
    logreg, forests = runs(LOGREG.experiment), runs(FOREST.experiment)
    expected = [s.run_name(n) for s in (LOGREG, LOGREG_GRID) for n in range(len(s.candidates))]
    assert set(logreg) == set(expected)
    assert set(forests) == {f"rf_run_{number}" for number in range(7)}
    for run in (*logreg.values(), *forests.values()):
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.source.name"] == "airflow"


def test_the_best_forest_is_in_production_with_its_alias_and_signature(platform: Platform) -> None:
    version = MlflowClient().get_model_version_by_alias(MODEL_NAME, ALIAS)
    assert version.current_stage == "Production"
    best = max(runs(FOREST.experiment).values(), key=lambda run: run.data.metrics["accuracy"])
    accuracy = MlflowClient().get_run(version.run_id).data.metrics["accuracy"]
    assert accuracy == best.data.metrics["accuracy"]
    info = mlflow.models.get_model_info(model_uri(MlflowClient().get_run(version.run_id)))
    assert info.signature.inputs.input_names() == list(FEATURE_NAMES)


def test_it_is_at_least_as_accurate_as_the_default_forest_on_unseen_rows(
    production: Pipeline, data: TrainingSet
) -> None:
    default = Pipeline(
        [
            ("encoder", one_hot_encoder()),
            ("classifier", RandomForestClassifier(n_jobs=-1, random_state=0)),
        ]
    ).fit(data.train.observations, data.train.classes)
    ours, theirs = (
        model.score(data.selection.observations, data.selection.classes)
        for model in (production, default)
    )
    assert ours >= theirs


def test_pipeline_indexes_names_and_form_give_the_same_answer(
    platform: Platform, production: Pipeline, data: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    observation = data.selection.observations.iloc[[0]]
    expected = class_probabilities(production, observation)[0]
    row = observation.astype(object).iloc[0].tolist()
    indexes = [
        feature.values.index(value) if isinstance(feature, Category) else float(value)
        for feature, value in zip(FEATURES, row, strict=True)
    ]
    for body in (row, indexes, dict(zip(FEATURE_NAMES, row, strict=True))):
        answer = predict(platform, body).json()
        assert answer["prediction"] == [int(expected.argmax())]
        assert answer["label"] == CLASSES[int(expected.argmax())]
        np.testing.assert_allclose(list(answer["probabilities"].values()), expected, atol=1e-14)
    shown = fill_form(platform, dict(zip(FEATURE_NAMES, row, strict=True)), monkeypatch)
    assert shown.label == CLASSES[int(expected.argmax())]
    np.testing.assert_allclose(list(shown.probabilities.values()), expected, atol=1e-14)


def fill_form(platform: Platform, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("INFERENCE_URL", platform.address("inference"))
    form = AppTest.from_file(str(ROOT / "ui" / "app.py"), default_timeout=30).run()
    for widget in (*form.number_input, *form.selectbox):
        if widget.key in row:
            widget.set_value(row[widget.key])
    form.main.button[0].click().run()
    assert not form.exception
    return form.session_state["answer"].outcome


def test_an_old_client_is_answered_with_a_list_of_one(platform: Platform) -> None:
    answer = predict(platform, OLD_CLIENT)
    assert answer.status_code == 200
    (prediction,) = answer.json()["prediction"]
    assert prediction in range(7)
    assert set(answer.json()["probabilities"]) == set(CLASSES)


def predict(platform: Platform, features: Any) -> requests.Response:
    return requests.post(
        f"{platform.address('inference')}/predict", json={"features": features}, timeout=10
    )


def task_instances(platform: Platform, dag_id: str, task_id: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = platform.airflow(
        "GET",
        f"dags/{dag_id}/dagRuns/~/taskInstances",
        params={"task_id": task_id, "limit": "100"},
    )["task_instances"]
    return [task for task in listed if task["task_id"] == task_id]


def test_everything_listens_on_this_machine_alone(platform: Platform) -> None:
    below = [platform.process.pid]
    below += [process.pid for process in psutil.Process(platform.process.pid).children(True)]
    listening = {
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.laddr and connection.pid in below and connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_ctrl_c_ends_every_process_and_a_second_start_goes_on(platform: Platform) -> None:
    """The last test of this module: it stops the platform, starts it again and stops that."""
    before = psutil.Process(platform.process.pid).children(recursive=True)
    platform.end()
    assert "every process has ended" in platform.printed.read_text()
    assert not [process for process in before if process.is_running()]

    again = start(platform.state, platform.ports, FAULTS="error:1")
    try:
        printed = again.wait_until_printed("A real prediction, from version 1", 180)
    finally:
        again.end()
    assert "Trained" not in printed.split("A real prediction")[0]
