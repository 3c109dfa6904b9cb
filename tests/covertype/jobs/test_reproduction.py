"""Versions that are trained again from their snapshots, on a real MLflow server."""

import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from covertype import jobs, reproduce
from covertype.data import Datasets, Snapshot
from covertype.registry import reproduction
from covertype.registry.names import MODEL_NAME
from covertype.registry.reproduction import NotReproducible
from covertype.registry.tracking import PARAMETERS_TAG, SNAPSHOT_TAG
from covertype.training.estimators import build
from covertype.training.searches import Search
from tests.covertype.conftest import FAIR
from tests.covertype.jobs.test_jobs import batch, environment

__all__ = ["environment"]


@pytest.fixture
def version(snapshot: Snapshot, request: pytest.FixtureRequest) -> str:
    (run,) = jobs.train_batch(batch(snapshot, request.node.name, {**FAIR, "bootstrap": False}))
    return jobs.register(run)


def test_a_version_is_trained_again_to_the_last_bit(version: str) -> None:
    made = jobs.reproduce(version)
    assert made.is_exact
    assert made.rows > 100
    assert made.then == made.now
    assert f"Version {version}, trained again by {made.now}: {made.rows} of {made.rows}" in str(
        made
    )


def test_another_model_is_told_from_the_version(
    version: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build_otherwise(search: Search, parameters: Any) -> Any:
        model = build(search, parameters)
        return model.set_params(classifier__random_state=1)

    monkeypatch.setattr(reproduction, "build", build_otherwise)
    made = jobs.reproduce(version)
    assert not made.is_exact
    assert made.largest > 0
    monkeypatch.setattr(sys, "argv", ["reproduce", version])
    with pytest.raises(SystemExit) as ended:
        reproduce.main()
    assert ended.value.code == 1
    assert f"{made.equal} of {made.rows} rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tag", "message"),
    [(SNAPSHOT_TAG, "trained on unknown data"), (PARAMETERS_TAG, "did not store its parameters")],
)
def test_what_is_missing_is_named(version: str, tag: str, message: str) -> None:
    run = MlflowClient().get_model_version(MODEL_NAME, version).run_id
    MlflowClient().delete_tag(run, tag)
    with pytest.raises(NotReproducible, match=message):
        jobs.reproduce(version)


def test_a_snapshot_that_is_gone_is_named(version: str, processed: Datasets) -> None:
    (path,) = Path(processed.root).glob("training/*.parquet")
    hidden = path.rename(path.with_suffix(".gone"))
    try:
        with pytest.raises(NotReproducible, match=f"{path.stem}.* not among the datasets"):
            jobs.reproduce(version)
    finally:
        hidden.rename(path)


def test_the_command_says_what_is_missing(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = MlflowClient().get_model_version(MODEL_NAME, version).run_id
    MlflowClient().delete_tag(run, SNAPSHOT_TAG)
    monkeypatch.setattr(sys, "argv", ["reproduce", version])
    with pytest.raises(SystemExit, match="unknown data"):
        reproduce.main()


def test_parameters_are_those_of_the_candidate(version: str) -> None:
    run = MlflowClient().get_model_version(MODEL_NAME, version).run_id
    tags = MlflowClient().get_run(run).data.tags
    assert tags[PARAMETERS_TAG] == '{"n_estimators": 5, "max_depth": 6, "bootstrap": false}'
