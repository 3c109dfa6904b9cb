"""The ways to train, each through a real MLflow server, on few rows."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.platform import output_of
from benchmarks.ways import FORMER_FORESTS, NEW_FORESTS, READING, WAYS
from covertype.data import Datasets
from covertype.training.searches import LOGREG


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory, real_rows: pd.DataFrame) -> Datasets:
    datasets = Datasets(tmp_path_factory.mktemp("datasets"))
    datasets.write_processed(real_rows, [])
    datasets.take_snapshot()
    return datasets


@pytest.mark.parametrize(
    ("way", "fits"),
    [(READING, 0), ("former-best-forest", 1), ("rf_run_4", 1)],
)
def test_a_way_tells_what_it_needed_and_made(
    way: str, fits: int, datasets: Datasets, mlflow_server: str
) -> None:
    (snapshot,) = datasets.snapshot_names()
    said = output_of("benchmarks.ways", way, str(datasets.root), snapshot, mlflow_server)
    assert len(said["fits"]) == fits
    assert said["peak_mb"] > 50
    for fit in said["fits"]:
        assert 0 < fit["seconds"] < said["seconds"]
        assert 0.5 < fit["accuracy"] < 1
        assert fit["nodes"] > 1000


def test_the_recipes_have_as_many_candidates() -> None:
    assert len(NEW_FORESTS) == len(FORMER_FORESTS) == 5
    assert {f"{recipe}-regressions" for recipe in ("reference", "former", "new")} <= set(WAYS)
    assert len(LOGREG.candidates) == 10


def test_a_module_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="invalid choice: 'none'"):
        output_of("benchmarks.ways", "none", str(tmp_path), "x", "http://127.0.0.1:9")
