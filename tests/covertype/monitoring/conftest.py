"""The real batches of the data API."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from covertype.contract import COLUMNS
from covertype.rows.arrow import from_table
from covertype.rows.codes import Codes
from tests.conftest import ROOT


@pytest.fixture(scope="session")
def real_batches() -> list[Codes]:
    """All rows of the dataset in ten consecutive batches, as the data API cuts them."""
    rows = from_table(pq.read_table(ROOT / "data-api" / "covertype.parquet", columns=list(COLUMNS)))
    return np.split(rows[: len(rows) // 10 * 10], 10)
