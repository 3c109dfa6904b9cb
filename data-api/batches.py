"""The dataset, cut in ten equal consecutive batches, kept as the JSON text of its rows."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from covertype.contract import COLUMNS

BATCH_COUNT = 10
_SAMPLED_SHARE = 10


@dataclass(frozen=True)
class Batches:
    """The batches in order; each holds rows as text such as `["2596", …, "4"],`.

    Converting once makes an answer a copy of some thousand pieces of text: a millisecond.
    """

    batches: tuple[pa.StringArray, ...]

    @classmethod
    def read(cls, file: Path) -> "Batches":
        """Read a Parquet file with the contract's 13 columns.

        Batches are equal, so what is left over at the end of the file is in none.
        """
        table = pq.read_table(file, columns=list(COLUMNS))
        size = len(table) // BATCH_COUNT
        read = tuple(_as_text(table.slice(start * size, size)) for start in range(BATCH_COUNT))
        pa.default_memory_pool().release_unused()
        return cls(read)

    def __len__(self) -> int:
        """Rows in all batches."""
        return sum(map(len, self.batches))

    def sample(self, batch: int, random: np.random.Generator) -> bytes:
        """Return a random tenth of a batch, counted from 1, as the JSON text of a list of rows."""
        rows = self.batches[batch - 1]
        chosen = random.choice(len(rows), len(rows) // _SAMPLED_SHARE, replace=False)
        text = rows.take(pa.array(chosen)).buffers()[2]
        return b"".join([b"[", memoryview(text)[:-1], b"]"])


def _as_text(rows: pa.Table) -> pa.StringArray:
    cells = [column.combine_chunks().cast(pa.string()) for column in rows.columns]
    joined = pc.binary_join_element_wise(*cells, '","')
    return pc.binary_join_element_wise('["', joined, '"],', "")
