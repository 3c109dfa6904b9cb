"""Every answered prediction, written aside as Parquet for those who watch the model.

Requests only append to a buffer. Every few seconds a thread writes what it holds into this
worker's file of the hour, which is replaced whole. A normal stop writes all; a kill loses what came
since the last write.
"""

import asyncio
import logging
import os
import struct
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from covertype.contract import CATEGORIES, FEATURE_NAMES
from covertype.storage import Datasets, replacing
from inference.codes import WIDTH, Codes, Row
from inference.metrics import LOGGED

log = logging.getLogger(__name__)

_pack = struct.Struct(f"=d{WIDTH}hhd").pack
_RECORD = np.dtype(
    [("time", "f8"), ("codes", "i2", WIDTH), ("prediction", "i2"), ("probability", "f8")]
)
_FILE_ROWS = 100_000
_WAITING_BYTES = 100_000_000
"""How much may wait for a disk that refuses it; beyond that the oldest is lost."""

Chunk = tuple[str, bytearray | bytes]
"""The version that answered, and its records."""


class PredictionLog:
    """Collects answers on the event loop, and writes them from a thread."""

    def __init__(self, datasets: Datasets, seconds: float) -> None:
        self._datasets = datasets
        self._seconds = seconds
        self._version = ""
        self._buffer = bytearray()
        self._chunks: list[Chunk] = []
        self._worker = f"{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._numbers = count()
        self._path = Path()
        self._started: datetime | None = None
        self._written: list[pa.Table] = []
        self._stopped = asyncio.Event()

    def add(self, version: str, row: Row, prediction: int, probability: float) -> None:
        """Note one answer."""
        if version != self._version:
            self._begin(version)
        self._buffer += _pack(time.time(), *row, prediction, probability)

    def add_many(self, version: str, codes: Codes, probabilities: npt.NDArray[np.float64]) -> None:
        """Note the answers of a batch: codes of shape (n, 12), probabilities of shape (n, 7)."""
        records = np.empty(len(codes), _RECORD)
        records["time"] = time.time()
        records["codes"] = codes
        records["prediction"] = probabilities.argmax(axis=1)
        records["probability"] = probabilities.max(axis=1)
        self._chunks.append((version, records.tobytes()))

    def _begin(self, version: str) -> None:
        if self._buffer:
            self._chunks.append((self._version, self._buffer))
        self._version, self._buffer = version, bytearray()

    async def run(self) -> None:
        """Write every few seconds until stopped, then what is left."""
        last = False
        while not last:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), self._seconds)
            # A stop may come during a write, with answers that are not in it.
            last = self._stopped.is_set()
            self._begin(self._version)
            chunks, self._chunks = self._chunks, []
            if chunks and not await asyncio.to_thread(self._write, chunks):
                self._chunks = _newest(chunks) + self._chunks
        _count_lost(self._chunks)

    def stop(self) -> None:
        """Let `run` write what is left and end."""
        self._stopped.set()

    def _write(self, chunks: list[Chunk]) -> bool:
        moment = datetime.now(UTC)
        rows = sum(table.num_rows for table in self._written)
        hour = moment.replace(minute=0, second=0, microsecond=0)
        if hour != self._started or rows >= _FILE_ROWS:
            self._started, self._written = hour, []
            name = f"{moment:%H%M%S}_{self._worker}_{next(self._numbers)}"
            self._path = self._datasets.predictions_file(moment.date(), name)
        tables = [*self._written, *(_table(version, records) for version, records in chunks)]
        added = sum(table.num_rows for table in tables) - sum(t.num_rows for t in self._written)
        try:
            with replacing(self._path) as temporary:
                pq.write_table(pa.concat_tables(tables).unify_dictionaries(), temporary)
        except OSError:
            log.exception("%d predictions wait to be written to %s", added, self._path)
            return False
        self._written = tables
        LOGGED.labels("written").inc(added)
        return True


def _newest(chunks: list[Chunk]) -> list[Chunk]:
    """Return the newest chunks that may wait; count the others as lost."""
    kept, size = [], 0
    for version, records in reversed(chunks):
        size += len(records)
        if size <= _WAITING_BYTES:
            kept.append((version, records))
        else:
            _count_lost([(version, records)])
    return kept[::-1]


def _count_lost(chunks: Iterable[Chunk]) -> None:
    rows = sum(len(records) for _, records in chunks) // _RECORD.itemsize
    if rows:
        LOGGED.labels("lost").inc(rows)
        log.error("%d predictions are lost to the log", rows)


def _table(version: str, records: bytearray | bytes) -> pa.Table:
    rows = np.frombuffer(records, _RECORD)
    names = {category.name: category.values for category in CATEGORIES}
    columns: dict[str, pa.Array] = {
        "time": pa.array((rows["time"] * 1e6).astype("datetime64[us]")).cast(
            pa.timestamp("us", "UTC")
        ),
        "model_version": pa.DictionaryArray.from_arrays(
            np.zeros(len(rows), np.int32), pa.array([version])
        ),
    }
    for number, name in enumerate(FEATURE_NAMES):
        column = np.ascontiguousarray(rows["codes"][:, number])
        columns[name] = (
            pa.DictionaryArray.from_arrays(column, pa.array(names[name]))
            if name in names
            else pa.array(column)
        )
    columns["prediction"] = pa.array(rows["prediction"])
    columns["probability"] = pa.array(rows["probability"])
    return pa.table(columns)
