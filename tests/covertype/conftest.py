"""Real rows that are preprocessed and announced, for tests of training and of what follows it."""

import pandas as pd
import pytest

from covertype.data import Datasets, Snapshot
from covertype.training.searches import Parameters

WEAK: Parameters = {"n_estimators": 2, "max_depth": 1}
FAIR: Parameters = {"n_estimators": 5, "max_depth": 6}
GOOD: Parameters = {"n_estimators": 30, "max_depth": None}


@pytest.fixture(autouse=True)
def quick_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the promotion gate measure no longer than it must."""
    monkeypatch.setattr("covertype.models.trials._MEASURING_SECONDS", 0.0)


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory, real_rows: pd.DataFrame) -> Datasets:
    """Datasets whose processed rows are the real rows."""
    datasets = Datasets(tmp_path_factory.mktemp("datasets"))
    datasets.write_processed(real_rows, [])
    return datasets


@pytest.fixture(scope="module")
def snapshot(processed: Datasets) -> Snapshot:
    return processed.take_snapshot()
