"""Logs every prediction to Parquet files, for monitoring.

Requests only append to a buffer; a thread writes it every few seconds. A normal stop writes all of
it, a kill loses the predictions since the last write. Predictions that can't be written are counted
as lost.
"""

import asyncio
import logging
import struct
import time
from collections import deque
from contextlib import suppress
from datetime import date

import numpy as np
import numpy.typing as npt

from covertype.rows.codes import WIDTH, Codes, Row
from inference.telemetry.metrics import Metrics
from inference.telemetry.prediction_files import RECORD, DayIsFull, PredictionFiles

log = logging.getLogger(__name__)

_pack = struct.Struct(f"=d{WIDTH}hhd").pack
_BLOCK_BYTES = 100_000 * RECORD.itemsize
"""A buffer of this size becomes a block. This bounds the memory of a write."""

_WAITING_BYTES = 100_000_000
"""Bytes that may wait in blocks, the one being written included."""

_LOG_INTERVAL_SECONDS = 60.0
_TRANSIENT = (OSError, MemoryError)
"""Errors that are not caused by the block itself."""

Block = tuple[str, bytearray]
"""The version that answered, and the records."""


class PredictionLog:
    """Collects predictions on the event loop, and writes them in a thread."""

    def __init__(self, files: PredictionFiles, seconds: float, metrics: Metrics) -> None:
        self._files = files
        self._seconds = seconds
        self._logged = metrics.logged
        self._version = ""
        self._buffer = bytearray()
        self._blocks: deque[Block] = deque()
        self._bytes = 0
        self._failed: Block | None = None
        self._full_day: date | None = None
        self._dropped = 0
        self._drops, self._failures = _LogRateLimit(), _LogRateLimit()
        self._stopped = asyncio.Event()

    def add(self, version: str, row: Row, prediction: int, probability: float) -> None:
        """Add one prediction."""
        if version != self._version or len(self._buffer) >= _BLOCK_BYTES:
            self._begin(version)
        self._buffer += _pack(time.time(), *row, prediction, probability)

    def add_many(self, version: str, codes: Codes, probabilities: npt.NDArray[np.float64]) -> None:
        """Add a batch of predictions: codes of shape (n, 12), probabilities of shape (n, 7)."""
        limit = _BLOCK_BYTES // RECORD.itemsize
        now = time.time()
        for start in range(0, len(codes), limit):
            if version != self._version or len(self._buffer) >= _BLOCK_BYTES:
                self._begin(version)
            answers = probabilities[start : start + limit]
            records = np.empty(len(answers), RECORD)
            records["time"] = now
            records["codes"] = codes[start : start + limit]
            records["prediction"] = answers.argmax(axis=1)
            records["probability"] = answers.max(axis=1)
            self._buffer += records.data.cast("B")

    def _begin(self, version: str) -> None:
        """Turn the buffer into a block; drop the oldest blocks if too many wait."""
        if self._buffer:
            self._blocks.append((self._version, self._buffer))
            self._bytes += len(self._buffer)
        self._version, self._buffer = version, bytearray()
        while self._bytes > _WAITING_BYTES and self._blocks:
            self._dropped += self._lose(self._blocks.popleft())

    async def run(self) -> None:
        """Write every few seconds until stopped, then write the rest."""
        last = False
        while not last:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), self._seconds)
            # A stop may come during a write that lacks the latest predictions.
            last = self._stopped.is_set()
            try:
                await self._write_all(last)
            except Exception:
                log.exception("The prediction log goes on after an error")

    async def _write_all(self, last: bool) -> None:
        await self._write_blocks()
        # While the disk fails, the buffer fills up first, so that the blocks are few.
        if last or not self._blocks:
            self._begin(self._version)
            await self._write_blocks()
        if last:
            self._dropped += sum(map(self._lose, self._blocks))
        if self._dropped and (last or self._drops.due()):
            log.error("%d predictions are lost to the log", self._dropped)
            self._dropped = 0

    def stop(self) -> None:
        """Make `run` write the rest and return."""
        self._stopped.set()

    async def _write_blocks(self) -> None:
        """Write the blocks, the oldest first, until all are written or one has to be retried."""
        while self._blocks:
            block = self._blocks.popleft()
            try:
                await asyncio.to_thread(self._files.append, *block)
            except DayIsFull as full:
                self._lose(block)
                if full.day != self._full_day:
                    log.error("%s", full)
                self._full_day = full.day
            except Exception as error:
                if block is self._failed and not isinstance(error, _TRANSIENT):
                    # It failed twice by itself: it would block the others for ever.
                    self._dropped += self._lose(block)
                    log.exception("Predictions can't be written")
                    continue
                self._failed = block
                self._blocks.appendleft(block)
                if self._failures.due():
                    known = isinstance(error, OSError)
                    log.error("Predictions wait to be written: %s", error, exc_info=not known)
                return
            else:
                self._bytes -= len(block[1])
                self._logged.labels("written").inc(_rows(block))

    def _lose(self, block: Block) -> int:
        """Count a block as lost; return its number of rows."""
        self._bytes -= len(block[1])
        self._logged.labels("lost").inc(_rows(block))
        return _rows(block)


class _LogRateLimit:
    """Allows one log line of a kind per minute."""

    def __init__(self) -> None:
        self._next = 0.0

    def due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _LOG_INTERVAL_SECONDS
        return True


def _rows(block: Block) -> int:
    return len(block[1]) // RECORD.itemsize
