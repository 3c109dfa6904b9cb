"""Files under the datasets root: every write is whole or absent, every name is stated here."""

from covertype.data.datasets import Datasets
from covertype.data.processed import Damaged, Processed
from covertype.data.raw import RawFile
from covertype.data.rejected import RejectedRow
from covertype.data.snapshots import Snapshot
from covertype.data.unseen import UnseenBatch, UnseenRows

__all__ = [
    "Damaged",
    "Datasets",
    "Processed",
    "RawFile",
    "RejectedRow",
    "Snapshot",
    "UnseenBatch",
    "UnseenRows",
]
