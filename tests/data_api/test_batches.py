import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from api import DATASET
from batches import BATCH_COUNT, Batches
from covertype.contract import COLUMNS, FEATURE_NAMES
from covertype.rows.observations import parse_observation

SIZE = 58_101
"""Rows of a batch, as the contract has it."""


@pytest.fixture(scope="module")
def batches() -> Batches:
    return Batches.read(DATASET)


@pytest.fixture(scope="module")
def dataset() -> pd.DataFrame:
    return pd.read_parquet(DATASET)


def _sample(batches: Batches, batch: int, seed: int) -> list[list[str]]:
    rows: list[list[str]] = json.loads(batches.sample(batch, np.random.default_rng(seed)))
    return rows


@pytest.mark.parametrize("batch", [1, 7, BATCH_COUNT])
def test_sample_is_a_tenth_of_its_own_batch_without_repeats(
    batches: Batches, dataset: pd.DataFrame, batch: int
) -> None:
    rows = {tuple(row) for row in _sample(batches, batch, seed=0)}
    own = dataset[(batch - 1) * SIZE : batch * SIZE].astype(str)
    assert len(rows) == SIZE // 10 == 5810
    assert rows <= set(own.itertuples(index=False, name=None))


def test_samples_differ(batches: Batches) -> None:
    assert _sample(batches, 1, seed=0) != _sample(batches, 1, seed=1)


def test_rows_are_thirteen_strings_that_the_contract_accepts(batches: Batches) -> None:
    for row in _sample(batches, 3, seed=0)[:200]:
        assert [type(cell) for cell in row] == [str] * len(COLUMNS)
        parse_observation([int(cell) if cell.lstrip("-").isdigit() else cell for cell in row[:-1]])
        assert int(row[-1]) in range(7)


def test_dataset_without_a_column_is_refused(tmp_path: Path, dataset: pd.DataFrame) -> None:
    file = tmp_path / "short.parquet"
    dataset.head(100)[list(FEATURE_NAMES)].to_parquet(file)
    with pytest.raises(Exception, match=COLUMNS[-1]):
        Batches.read(file)
