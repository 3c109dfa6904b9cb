"""The jobs of the DAGs on a real MLflow server, from a snapshot to Production."""

import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from covertype import jobs
from covertype.contract import FEATURE_NAMES, TARGET
from covertype.data import Datasets, Snapshot
from covertype.models.artifact import Proof, class_probabilities, load_model
from covertype.monitoring.drift import Limits
from covertype.registry import monitored, tracking
from covertype.registry.logged import log_model, model_uri
from covertype.registry.monitored import NothingToMonitor
from covertype.registry.names import ALIAS, MODEL_NAME
from covertype.registry.production import production_version
from covertype.registry.tracking import WARM_START_TAG, Batch, Candidate
from covertype.training.fitting import TrainingSet
from covertype.training.searches import FOREST, LOGREG, Parameters, Search
from tests.covertype.conftest import FAIR, GOOD, WEAK
from tests.s3 import new_bucket
from tools.local.processes import shared_env


@pytest.fixture(autouse=True)
def environment(
    mlflow_server: str, processed: Datasets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    monkeypatch.setenv("DATASETS_URL", str(processed.root))
    monkeypatch.setenv("MODELS_DIR", str(tmp_path / "models"))
    for name, value in shared_env("mlflow").items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(mlflow_server)


def batch(
    snapshot: Snapshot, search_id: str, *parameters: Parameters, search: Search = FOREST
) -> Batch:
    candidates = [Candidate(number, one) for number, one in enumerate(parameters)]
    return Batch(search, search_id, snapshot.name, candidates)


def test_a_run_holds_all_that_people_compare(
    snapshot: Snapshot, processed: Datasets, request: pytest.FixtureRequest
) -> None:
    chosen = Batch(FOREST, request.node.name, snapshot.name, [Candidate(3, FAIR)])
    (run_id,) = jobs.train_batch(chosen)
    run = MlflowClient().get_run(run_id)
    assert chosen.name == run.info.run_name == "rf_run_3"
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.source.name"] == "airflow"
    assert run.data.params["n_estimators"] == "5"
    assert {"accuracy", "mse", "f1_macro", "log_loss", "training_seconds"} <= set(run.data.metrics)
    assert "recall_1_lodgepole_pine" in run.data.metrics
    contexts = {tag.value for entry in run.inputs.dataset_inputs for tag in entry.tags}
    assert contexts == {"training", "selection"}
    artifacts = {file.path for file in MlflowClient().list_artifacts(run_id)}
    assert {"confusion_matrix.png", "importances.png"} <= artifacts
    model = mlflow.models.get_model_info(model_uri(run))
    assert model.signature.inputs.input_names() == list(FEATURE_NAMES)
    assert model.flavors["sklearn"]["serialization_format"] == "skops"
    assert model.saved_input_example_info is not None


def test_the_golden_rows_are_test_rows_with_the_models_answers(
    snapshot: Snapshot, processed: Datasets, request: pytest.FixtureRequest
) -> None:
    (run_id,) = jobs.train_batch(batch(snapshot, request.node.name, FAIR))
    uri = model_uri(MlflowClient().get_run(run_id))
    metadata = mlflow.models.get_model_info(uri).metadata
    proof = Proof.from_metadata(metadata)
    golden = pd.DataFrame(proof.golden_rows, columns=list(FEATURE_NAMES))
    data = TrainingSet.from_rows(processed.read_snapshot(snapshot.name))
    test_rows = set(data.selection.observations.itertuples(index=False, name=None))
    assert set(golden.itertuples(index=False, name=None)) <= test_rows
    model = load_model(Path(mlflow.artifacts.download_artifacts(uri)))
    answered = proof.golden_probabilities
    # Threads add up the trees in any order, so the last digit of a sum is not fixed.
    np.testing.assert_allclose(
        model.predict_proba(golden), np.array(answered)[:, model.classes_], atol=1e-14
    )
    elevation = data.train.observations["Elevation"]
    assert metadata["training_ranges"]["Elevation"] == [elevation.min(), elevation.max()]


def test_a_repeated_try_keeps_the_finished_run(
    snapshot: Snapshot, request: pytest.FixtureRequest
) -> None:
    chosen = batch(snapshot, request.node.name, FAIR)
    assert jobs.train_batch(chosen) == jobs.train_batch(chosen)


def test_what_an_unfinished_try_left_is_deleted(
    snapshot: Snapshot, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = batch(snapshot, request.node.name, FAIR)
    with monkeypatch.context() as patch:
        patch.setattr(tracking, "log_model", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            jobs.train_batch(chosen)
    (run_id,) = jobs.train_batch(chosen)
    experiment = MlflowClient().get_experiment_by_name(FOREST.experiment)
    query = f"tags.`covertype.search` = '{request.node.name}'"
    runs = MlflowClient().search_runs([experiment.experiment_id], query)
    assert [run.info.run_id for run in runs] == [run_id]


def test_the_best_run_is_kept_as_a_file_that_answers_the_same(
    snapshot: Snapshot, processed: Datasets, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    runs = jobs.train_batch(batch(snapshot, request.node.name, WEAK, GOOD, FAIR))
    assert jobs.choose_best(runs) == runs[1]
    jobs.keep_best(FOREST, runs[1])
    kept = pickle.loads((tmp_path / "models" / "mejor_rf_model.pkl").read_bytes())
    test = TrainingSet.from_rows(processed.read_snapshot(snapshot.name)).selection
    accuracy = MlflowClient().get_run(runs[1]).data.metrics["accuracy"]
    assert (kept.predict(test.observations) == test.classes).mean() == accuracy


def test_only_a_better_version_takes_the_place_of_production(
    snapshot: Snapshot, request: pytest.FixtureRequest
) -> None:
    runs = jobs.train_batch(batch(snapshot, request.node.name, FAIR, WEAK, GOOD))
    fair, weak, good = (jobs.register(run) for run in runs)
    assert jobs.register(runs[0]) == fair

    assert jobs.promote(fair)
    assert not jobs.promote(weak)
    assert version_in_production() == fair
    artifacts = [{file.path for file in MlflowClient().list_artifacts(run)} for run in runs]
    assert {"promotion.html", "model_card.html"} <= artifacts[0]
    assert "promotion.html" in artifacts[1]
    assert "model_card.html" not in artifacts[1]
    card = mlflow.artifacts.load_text(f"runs:/{runs[0]}/model_card.html")
    assert f"{snapshot.rows:,} distinct rows: snapshot {snapshot.name}" in card
    refused = MlflowClient().get_model_version(MODEL_NAME, weak)
    assert refused.tags["promotion.verdict"] == "refused"
    assert "is not higher than" in refused.tags["promotion.reason"]
    assert refused.current_stage == "None"

    assert jobs.promote(good)
    assert jobs.promote(good)
    assert version_in_production() == good
    assert MlflowClient().get_model_version(MODEL_NAME, fair).current_stage == "Archived"
    assert MlflowClient().get_model_version_by_alias(MODEL_NAME, ALIAS).version == good


def version_in_production() -> str | None:
    version = production_version()
    return version.version if version else None


def test_both_versions_are_scored_on_rows_that_neither_was_trained_on(
    snapshot: Snapshot, processed: Datasets
) -> None:
    """A later, larger snapshot keeps the parts of the rows it shares with an earlier one."""
    early = TrainingSet.from_rows(processed.read_snapshot(snapshot.name).head(500))
    late = TrainingSet.from_rows(processed.read_snapshot(snapshot.name))
    trained_on = set(early.train.observations.itertuples(index=False, name=None))
    assert not trained_on & set(late.selection.observations.itertuples(index=False, name=None))


def test_a_plan_names_the_newest_snapshot_unless_another_is_asked_for(snapshot: Snapshot) -> None:
    plan = jobs.plan_search(FOREST, [FAIR, GOOD], "id", None)
    assert [one["number"] for entry in plan for one in entry["candidates"]] == [0, 1]
    assert {entry["snapshot"] for entry in plan} == {snapshot.name}
    assert jobs.plan_search(FOREST, [FAIR, GOOD], "id", snapshot.name) == plan


def test_regressions_share_a_batch_and_each_has_its_run(
    snapshot: Snapshot, request: pytest.FixtureRequest
) -> None:
    candidates: list[Parameters] = [
        {"C": 1.0},
        {"C": 0.1},
        {"C": 1.0, "solver": "newton-cg"},
    ]
    (plan,) = jobs.plan_search(LOGREG, candidates, request.node.name, snapshot.name)
    chosen = jobs.batch_of(LOGREG, **plan)
    assert chosen.name == "logreg_run_1 … logreg_run_2"
    runs = [MlflowClient().get_run(run_id) for run_id in jobs.train_batch(chosen)]
    assert [run.info.run_name for run in runs] == ["logreg_run_1", "logreg_run_0", "logreg_run_2"]
    assert {run.data.params["converged"] for run in runs} == {"True"}
    assert int(runs[0].data.params["iterations"]) > int(runs[2].data.params["iterations"])
    assert [run.data.tags.get(WARM_START_TAG) for run in runs] == [
        *(None, "logreg_run_1", "logreg_run_0")
    ]


def test_a_batch_that_was_interrupted_goes_on_with_what_is_missing(
    snapshot: Snapshot, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = batch(snapshot, request.node.name, {"C": 0.1}, {"C": 1.0}, search=LOGREG)
    logged = []

    def fail_at_the_second(*arguments: Any) -> Any:
        logged.append(arguments)
        if len(logged) == 2:
            raise OSError("killed")
        return log_model(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "log_model", fail_at_the_second)
        with pytest.raises(OSError, match="killed"):
            jobs.train_batch(chosen)
    runs = jobs.train_batch(chosen)
    experiment = MlflowClient().get_experiment_by_name(LOGREG.experiment)
    query = f"tags.`covertype.search` = '{request.node.name}'"
    kept = MlflowClient().search_runs([experiment.experiment_id], query)
    assert {run.info.run_id for run in kept} == set(runs)
    assert {run.info.status for run in kept} == {"FINISHED"}


def test_forests_grow_from_one_another_and_a_retry_gives_the_same(
    snapshot: Snapshot, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    small: Parameters = {"n_estimators": 25, "max_depth": 5}
    chosen = batch(snapshot, request.node.name, small, {**small, "n_estimators": 50})
    first = jobs.train_batch(chosen)
    whole = [MlflowClient().get_run(run_id) for run_id in first]
    assert [run.data.tags.get(WARM_START_TAG) for run in whole] == [None, "rf_run_0"]
    # As if the task had been killed while it logged the second.
    MlflowClient().update_run(first[1], status="RUNNING")
    second = jobs.train_batch(chosen)
    assert second[0] == first[0]
    alone = MlflowClient().get_run(second[1])
    assert WARM_START_TAG not in alone.data.tags
    assert alone.data.metrics["log_loss"] == whole[1].data.metrics["log_loss"]


@pytest.mark.parametrize(
    ("search", "parameters"),
    [(FOREST, FOREST.candidates[0]), (FOREST, GOOD), (LOGREG, {"C": 1.0})],
)
def test_mlflow_s_own_loader_reads_a_logged_model(
    search: Search,
    parameters: Parameters,
    snapshot: Snapshot,
    processed: Datasets,
    request: pytest.FixtureRequest,
) -> None:
    chosen = batch(snapshot, request.node.name, parameters, search=search)
    (run_id,) = jobs.train_batch(chosen)
    uri = model_uri(MlflowClient().get_run(run_id))
    test = TrainingSet.from_rows(processed.read_snapshot(snapshot.name)).selection
    answered = mlflow.sklearn.load_model(uri).predict(test.observations)
    accuracy = MlflowClient().get_run(run_id).data.metrics["accuracy"]
    assert (answered == test.classes).mean() == accuracy
    assert (mlflow.pyfunc.load_model(uri).predict(test.observations) == answered).all()
    # What the gate scores by, without a whole forest in memory.
    streamed = tracking.fetch_answers(uri, test.observations)
    assert (streamed.argmax(axis=1) == test.classes).mean() == accuracy


def test_a_plan_with_unknown_data_or_parameters_is_refused(snapshot: Snapshot) -> None:
    with pytest.raises(ValueError, match=r"no training data '\.\./secret'"):
        jobs.plan_search(LOGREG, [{"C": 1.0}], "id", "../secret")
    with pytest.raises(ValueError, match="makes no logistic regression"):
        jobs.plan_search(LOGREG, [{"C": -1.0}], "id", None)


def test_a_plan_without_data_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATASETS_URL", str(tmp_path))
    with pytest.raises(ValueError, match="run descargar_datos_api first"):
        jobs.plan_search(LOGREG, [{"C": 1.0}], "id", None)


def test_a_snapshot_is_taken_first_after_growth_or_on_request(
    processed: Datasets, real_rows: pd.DataFrame
) -> None:
    processed.write_processed(real_rows, [])
    assert jobs.take_snapshot(0, 0, anyway=True) is None
    assert jobs.take_snapshot(2000, 1900, anyway=False) is None
    taken = jobs.take_snapshot(2000, 0, anyway=False)
    assert taken is not None
    assert taken["rows"] == 2000
    assert taken["reason"] == "growth"
    assert jobs.take_snapshot(2000, 1900, anyway=True) == taken | {"reason": "request"}
    assert TARGET.name in processed.read_snapshot(taken["name"])


@pytest.mark.parametrize("hour", ["2026-11-26T09:00Z", "2026-11-26T08:30-01:00"])
def test_an_hour_that_is_not_over_is_not_monitored(hour: str) -> None:
    run_after = datetime(2026, 11, 26, 9, 59, tzinfo=UTC)
    with pytest.raises(NothingToMonitor, match="from 2026-11-26 09:00 UTC is not over yet"):
        jobs.monitor_predictions(run_after, datetime.fromisoformat(hour))


def test_the_limits_of_drift_are_settings(
    processed: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def note(*given: object) -> str:
        asked.append(given)
        return "name"

    monkeypatch.setattr(monitored, "monitor_hour", note)
    monkeypatch.setenv("DRIFT_PSI_LIMIT", "0.5")
    monkeypatch.setenv("DRIFT_SHARE_LIMIT", "0.2")
    jobs.monitor_predictions(datetime(2026, 11, 26, 10, 5, tzinfo=UTC))
    hour = datetime(2026, 11, 26, 9, tzinfo=UTC)
    assert asked == [(processed, hour, Limits(psi=0.5, share=0.2))]


def test_growth_is_counted_from_the_newest_snapshot(
    tmp_path: Path, real_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = Datasets(tmp_path)
    monkeypatch.setenv("DATASETS_URL", str(tmp_path))
    assert jobs.preprocess_files() == {"rows": 0, "announced": 0}
    datasets.write_processed(real_rows[:100], [])
    first = jobs.preprocess_files()
    assert first == {"rows": 100, "announced": 0}
    assert jobs.take_snapshot(**first, anyway=False) is not None
    datasets.write_processed(real_rows[:124], [])
    assert jobs.take_snapshot(**jobs.preprocess_files(), anyway=False) is None
    datasets.write_processed(real_rows[:125], [])
    grown = jobs.preprocess_files()
    assert grown == {"rows": 125, "announced": 100}
    # A second try, after the first took the snapshot and could not tell, announces the same.
    tries = [jobs.take_snapshot(**grown, anyway=False) for _ in range(2)]
    assert tries[0] is not None
    assert tries[0] == tries[1]
    assert jobs.take_snapshot(**jobs.preprocess_files(), anyway=False) is None


def test_a_poor_next_batch_announces_once_whatever_the_gate_makes_of_it(
    tmp_path: Path, real_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = Datasets(tmp_path)
    monkeypatch.setenv("DATASETS_URL", str(tmp_path))
    monkeypatch.setenv("RETRAIN_NEXT_ACCURACY", "0.8")
    datasets.write_processed(real_rows[:100], [])
    first = jobs.take_snapshot(**jobs.preprocess_files(), anyway=False)
    assert first is not None
    assert first["reason"] == "growth"
    poor = {
        "snapshot": first["name"],
        "is_next": True,
        "shifts": [],
        "metrics": {"accuracy": 0.7},
    }
    datasets.monitored_batches.add("version_000001_batch_000002_files_000010", poor)
    datasets.write_processed(real_rows[:101], [])
    grown = jobs.preprocess_files()
    tries = [jobs.take_snapshot(**grown, anyway=False) for _ in range(2)]
    assert tries[0] is not None
    assert tries[0]["reason"] == "next_batch"
    assert tries[0] == tries[1]
    # The version in Production is still the one of the first announcement.
    datasets.write_processed(real_rows[:102], [])
    assert jobs.take_snapshot(**jobs.preprocess_files(), anyway=False) is None


def test_a_run_says_what_started_its_training(
    snapshot: Snapshot, request: pytest.FixtureRequest
) -> None:
    for reason, told in (("drift", "drift"), (None, "request")):
        (plan,) = jobs.plan_search(FOREST, [FAIR], f"{request.node.name} {reason}", None, reason)
        (run,) = jobs.train_batch(jobs.batch_of(FOREST, **plan))
        assert MlflowClient().get_run(run).data.tags["covertype.started_by"] == told


@pytest.mark.parametrize(("search", "parameters"), [(FOREST, FAIR), (LOGREG, {"C": 1.0})])
def test_a_run_over_s3_gives_the_same_model_as_one_over_a_folder(
    search: Search,
    parameters: Parameters,
    snapshot: Snapshot,
    real_rows: pd.DataFrame,
    s3: object,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    in_s3 = Datasets(f"{new_bucket()}/of/one/platform")
    in_s3.write_processed(real_rows, [])
    there = in_s3.take_snapshot()
    assert there.name == snapshot.name

    models = []
    for place, one in ((None, snapshot), (str(in_s3.root), there)):
        if place is not None:
            monkeypatch.setenv("DATASETS_URL", place)
        name = f"{request.node.name} {place}"
        (run_id,) = jobs.train_batch(batch(one, name, parameters, search=search))
        folder = mlflow.artifacts.download_artifacts(
            model_uri(MlflowClient().get_run(run_id)), dst_path=str(tmp_path / run_id)
        )
        model = load_model(Path(folder))
        if search is FOREST:
            # Several jobs add up the trees' answers in any order.
            model[-1].set_params(n_jobs=1)
        models.append(model)
    observations = real_rows[[*FEATURE_NAMES]]
    of_folder, of_s3 = (class_probabilities(model, observations) for model in models)
    np.testing.assert_array_equal(of_folder, of_s3)
