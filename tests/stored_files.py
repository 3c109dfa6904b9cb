"""Where files of the datasets lie on a disk, for tests that look at them or damage them."""

from pathlib import Path

from covertype.data import Datasets
from covertype.data.processed import CSV, PARQUET
from covertype.storage import Store
from covertype.storage.folder import Folder


def folder_of(store: Store) -> Path:
    assert isinstance(store, Folder)
    return store.path


def csv_of(datasets: Datasets) -> Path:
    return folder_of(datasets.processed.folder) / CSV


def parquet_of(datasets: Datasets) -> Path:
    return folder_of(datasets.processed.folder) / PARQUET
