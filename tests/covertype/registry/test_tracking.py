"""What a run leaves on a real MLflow server, and how it is read back."""

import json
import pickle
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from covertype.contract import CLASSES, FEATURE_NAMES
from covertype.data import Datasets, Snapshot, snapshots
from covertype.models.artifact import MODEL_FILE, Proof, class_probabilities, load_model
from covertype.registry import tracking
from covertype.registry.logged import Figures, fetch_figures, fetched, log_model, model_uri
from covertype.registry.tracking import (
    Batch,
    Candidate,
    Unusable,
    best_run,
    fetch_answers,
    snapshot_of,
    train_batch,
)
from covertype.training.estimators import build
from covertype.training.fitting import TrainingSet, train
from covertype.training.searches import FOREST, Parameters
from tests.conftest import free_port
from tests.covertype.conftest import FAIR, WEAK

pytestmark = [
    pytest.mark.usefixtures("server"),
    pytest.mark.filterwarnings("ignore:.*integer column:UserWarning"),
]


@pytest.fixture(scope="module")
def data(processed: Datasets, snapshot: Snapshot) -> TrainingSet:
    return TrainingSet.from_rows(processed.read_snapshot(snapshot.name))


def plan(search_id: str, snapshot: Snapshot, *parameters: Parameters) -> Batch:
    candidates = [Candidate(number, one) for number, one in enumerate(parameters)]
    return Batch(FOREST, search_id, snapshot.name, candidates)


@pytest.fixture(scope="module")
def run_id(server: None, snapshot: Snapshot, processed: Datasets) -> str:
    (run_id,) = train_batch(plan("of this module", snapshot, FAIR), processed)
    return run_id


def test_a_run_s_figures_are_read_as_they_were_logged(run_id: str, data: TrainingSet) -> None:
    figures = fetch_figures(run_id)
    assert figures.confusion_matrix is not None
    assert figures.importances is not None
    confusion = np.array(figures.confusion_matrix)
    assert confusion.shape == (len(CLASSES), len(CLASSES))
    assert confusion.sum() == len(data.selection)
    accuracy = MlflowClient().get_run(run_id).data.metrics["accuracy"]
    assert confusion.trace() / len(data.selection) == pytest.approx(accuracy)
    assert sum(figures.importances.values()) == pytest.approx(1)
    assert list(figures.importances.values()) == sorted(figures.importances.values(), reverse=True)


def test_each_figure_of_a_run_has_its_picture(run_id: str) -> None:
    files = {file.path for file in MlflowClient().list_artifacts(run_id)}
    assert files >= {
        *("confusion_matrix.json", "confusion_matrix.png"),
        *("importances.json", "importances.png"),
    }


def test_a_run_without_figures_has_none() -> None:
    with mlflow.start_run() as run:
        pass
    assert fetch_figures(run.info.run_id) == Figures(None, None)


def test_a_fetched_model_has_the_proof_it_was_logged_with(run_id: str, data: TrainingSet) -> None:
    with fetched(model_uri(MlflowClient().get_run(run_id))) as model:
        assert model.file.exists()
        proof = model.read_proof()
        answered = class_probabilities(load_model(model.folder), golden_frame(proof))
    assert not model.folder.exists()
    # Threads add up the trees in any order, so the last digit of a sum is not fixed.
    np.testing.assert_allclose(answered, proof.golden_probabilities, atol=1e-14)
    elevation = data.train.observations["Elevation"]
    assert proof.training_ranges["Elevation"] == (elevation.min(), elevation.max())


def golden_frame(proof: Proof) -> pd.DataFrame:
    return pd.DataFrame(proof.golden_rows, columns=list(FEATURE_NAMES))


def test_a_model_of_another_platform_has_an_empty_proof() -> None:
    assert Proof.from_metadata(None) == Proof([], [], {})
    assert Proof.from_metadata({"other": 1}) == Proof([], [], {})


def test_a_proof_survives_its_way_through_json(data: TrainingSet) -> None:
    model = train(build(FOREST, WEAK), data).model
    proof = Proof.of(model, data.train.observations, data.selection.observations)
    assert len(proof.golden_rows) == 32
    assert Proof.from_metadata(json.loads(json.dumps(proof.to_metadata()))) == proof


def test_a_run_names_its_snapshot_and_describes_both_parts_of_it(
    run_id: str, snapshot: Snapshot, data: TrainingSet
) -> None:
    assert snapshot_of(run_id) == snapshot.name
    assert snapshot.digest.startswith(snapshots.digest_of(snapshot.name))
    inputs = MlflowClient().get_run(run_id).inputs.dataset_inputs
    described = {one.tags[0].value: one.dataset for one in inputs}
    digest = snapshots.digest_of(snapshot.name)
    assert described["training"].digest == f"{digest}-training"
    assert json.loads(described["selection"].profile)["num_rows"] == len(data.selection)


def logged_scores(accuracy: float, log_loss: float) -> str:
    with mlflow.start_run() as run:
        mlflow.log_metrics({"accuracy": accuracy, "log_loss": log_loss})
    return str(run.info.run_id)


def test_the_best_run_is_the_most_accurate_and_then_the_one_of_smaller_log_loss() -> None:
    worse = logged_scores(0.79, 0.1)
    tied = logged_scores(0.80, 0.5)
    best = logged_scores(0.80, 0.4)
    assert best_run([worse, tied, best]).info.run_id == best
    assert best_run([worse, tied]).info.run_id == tied


def test_a_retry_trains_only_the_candidates_without_a_finished_run(
    snapshot: Snapshot, processed: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = train_batch(plan("retried", snapshot, FAIR), processed)
    trained = []

    def log_and_count(*arguments: Any) -> Any:
        trained.append(arguments)
        return log_model(*arguments)

    monkeypatch.setattr(tracking, "log_model", log_and_count)
    runs = train_batch(plan("retried", snapshot, FAIR, WEAK), processed)
    assert runs[0] == first
    assert len(set(runs)) == 2
    assert len(trained) == 1


def test_an_unfinished_run_is_replaced(
    snapshot: Snapshot, processed: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = plan("interrupted", snapshot, WEAK)
    with monkeypatch.context() as patch:
        patch.setattr(tracking, "log_model", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train_batch(batch, processed)
    left = runs_of("interrupted")
    (kept,) = train_batch(batch, processed)
    assert len(left) == 1
    assert runs_of("interrupted") == [kept] != left


def runs_of(search_id: str) -> list[str]:
    experiment = MlflowClient().get_experiment_by_name(FOREST.experiment)
    query = f"tags.`covertype.search` = '{search_id}'"
    found = MlflowClient().search_runs([experiment.experiment_id], query)
    return [run.info.run_id for run in found]


def test_a_saved_model_answers_as_the_logged_one(
    run_id: str, data: TrainingSet, tmp_path: Path
) -> None:
    path = tracking.save_model(run_id, tmp_path / "models" / "mejor_rf_model.pkl")
    saved = pickle.loads(path.read_bytes())
    answered = fetch_answers(model_uri(MlflowClient().get_run(run_id)), data.selection.observations)
    np.testing.assert_allclose(
        class_probabilities(saved, data.selection.observations), answered, atol=1e-14
    )


Answers = dict[str, tuple[int, bytes]]


def serve(answers: Answers) -> HTTPServer:
    """Answer like an MLflow that is in trouble, by the beginning of the path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = next(
                reply for start, reply in answers.items() if self.path.startswith(start)
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


FOUND = {
    "/api/2.0/mlflow/model-versions/get-download-uri": (
        200,
        b'{"artifact_uri": "mlflow-artifacts:/1/models/m-1/artifacts"}',
    ),
    "/api/2.0/mlflow-artifacts/artifacts?path": (
        200,
        json.dumps({"files": [{"path": MODEL_FILE, "is_dir": False, "file_size": 9}]}).encode(),
    ),
}


@pytest.mark.parametrize(
    "answers",
    [
        {"/": (500, b'{"error_code": "INTERNAL_ERROR", "message": "database"}')},
        {"/": (502, b"<html>Bad Gateway</html>")},
        {"/": (503, b"")},
        {"/": (429, b"")},
        {"/": (403, b"Invalid Host header")},
        {"/": (404, b"<html>no such page</html>")},
        {**FOUND, "/": (503, b"MinIO is away")},
        {**FOUND, "/": (500, b'{"error_code": "INTERNAL_ERROR", "message": "MinIO"}')},
    ],
)
def test_an_mlflow_in_trouble_is_no_fault_of_the_model(
    answers: Answers, data: TrainingSet, mlflow_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    server = serve(answers)
    try:
        mlflow.set_tracking_uri(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises((MlflowException, OSError)):
            fetch_answers("models:/any/1", data.selection.observations)
    finally:
        mlflow.set_tracking_uri(mlflow_server)
        server.shutdown()
        server.server_close()


def test_an_mlflow_that_is_away_is_no_fault_of_the_model(
    data: TrainingSet, mlflow_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri(f"http://127.0.0.1:{free_port()}")
    try:
        with pytest.raises(MlflowException):
            fetch_answers("models:/any/1", data.selection.observations)
    finally:
        mlflow.set_tracking_uri(mlflow_server)


def test_a_version_that_mlflow_does_not_know_is_unusable(data: TrainingSet) -> None:
    with pytest.raises(Unusable, match="RESOURCE_DOES_NOT_EXIST"):
        fetch_answers("models:/none-of-this-name/1", data.selection.observations)
