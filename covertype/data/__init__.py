"""Files under the datasets root: every write is whole or absent, every name is stated here."""

from covertype.data.datasets import Datasets
from covertype.data.processed import Damaged, Processed
from covertype.data.raw import WIDTH_RULE, RawFile
from covertype.data.snapshots import Snapshot

__all__ = [
    "WIDTH_RULE",
    "Damaged",
    "Datasets",
    "Processed",
    "RawFile",
    "Snapshot",
]
