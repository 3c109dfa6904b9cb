from collections.abc import Mapping
from pathlib import Path

import pytest

from covertype.storage import Store, open_store
from covertype.storage.s3 import Bucket
from tests.s3 import new_bucket


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind, below its root."""
    root: str | Path = tmp_path
    if request.param == "s3":
        request.getfixturevalue("s3")
        root = new_bucket()
    return open_store(root).at("datasets")


@pytest.fixture
def bucket(s3: Mapping[str, str]) -> Bucket:
    store = open_store(f"{new_bucket()}/datasets")
    assert isinstance(store, Bucket)
    return store
