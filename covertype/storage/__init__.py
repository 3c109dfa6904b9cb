"""Files under the datasets root: every write is whole or absent, every name is stated here."""

from covertype.storage.datasets import Datasets
from covertype.storage.processed import Damaged, Processed
from covertype.storage.raw import WIDTH_RULE, RawFile
from covertype.storage.snapshots import Snapshot

__all__ = [
    "WIDTH_RULE",
    "Damaged",
    "Datasets",
    "Processed",
    "RawFile",
    "Snapshot",
]
