"""Logs rows to files without making requests wait.

Requests only append to a buffer; a thread writes it every few seconds. A normal stop writes all of
it, a kill loses the rows since the last write. Rows that can't be written are counted as lost.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import date

import numpy as np
import pyarrow as pa
from prometheus_client import Counter

from inference.telemetry.log_files import DayIsFull, LogFiles

log = logging.getLogger(__name__)

BLOCK_ROWS = 100_000
"""A buffer of this size becomes a block. This bounds the memory of a write."""

_WAITING_BYTES = 100_000_000
"""Bytes that may wait in blocks, the one being written included."""

_LOG_INTERVAL_SECONDS = 60.0
_TRANSIENT = (OSError, MemoryError)
"""Errors that are not caused by the block itself."""

ToTable = Callable[[bytes | bytearray], pa.Table]
"""Makes the rows of a file from records."""

Block = tuple[ToTable, bytearray]


class RowLog:
    """Collects rows on the event loop, and writes them in a thread.

    A subclass appends records to `_buffer`. It calls `_begin` when that holds `_full_bytes`, and
    when the next records become a table in another way.

    Parameters
    ----------
    files : LogFiles
    seconds : float
        Pause between two writes.
    rows : Counter
        Counts the rows by result: written, lost.
    name : str
        What the rows are, in the service's log.
    record : dtype
        One buffered row.
    to_table : callable
        Makes a table of the first records.
    """

    def __init__(
        self,
        files: LogFiles,
        seconds: float,
        rows: Counter,
        name: str,
        record: np.dtype[np.void],
        to_table: ToTable,
    ) -> None:
        self._files = files
        self._seconds = seconds
        self._rows = rows
        self._name = name
        self._row_bytes = record.itemsize
        self._full_bytes = BLOCK_ROWS * record.itemsize
        self._to_table = to_table
        self._buffer = bytearray()
        self._blocks: deque[Block] = deque()
        self._bytes = 0
        self._failed: Block | None = None
        self._full_day: date | None = None
        self._dropped = 0
        self._drops, self._failures = _LogRateLimit(), _LogRateLimit()
        self._stopped = asyncio.Event()

    def _begin(self, to_table: ToTable) -> None:
        """Turn the buffer into a block; drop the oldest blocks if too many wait."""
        if self._buffer:
            self._blocks.append((self._to_table, self._buffer))
            self._bytes += len(self._buffer)
        self._to_table, self._buffer = to_table, bytearray()
        while self._bytes > _WAITING_BYTES and self._blocks:
            self._dropped += self._lose(self._blocks.popleft())

    async def run(self) -> None:
        """Write every few seconds until stopped, then write the rest."""
        last = False
        while not last:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), self._seconds)
            # A stop may come during a write that lacks the latest rows.
            last = self._stopped.is_set()
            try:
                await self._write_all(last)
            except Exception:
                log.exception("The log of %s goes on after an error", self._name)

    async def _write_all(self, last: bool) -> None:
        await self._write_blocks()
        # While the disk fails, the buffer fills up first, so that the blocks are few.
        if last or not self._blocks:
            self._begin(self._to_table)
            await self._write_blocks()
        if last:
            self._dropped += sum(map(self._lose, self._blocks))
        if self._dropped and (last or self._drops.due()):
            log.error("%d %s are lost to the log", self._dropped, self._name)
            self._dropped = 0

    def stop(self) -> None:
        """Make `run` write the rest and return."""
        self._stopped.set()

    async def _write_blocks(self) -> None:
        """Write the blocks, the oldest first, until all are written or one has to be retried."""
        while self._blocks:
            block = self._blocks.popleft()
            try:
                await asyncio.to_thread(self._write, *block)
            except DayIsFull as full:
                self._lose(block)
                if full.day != self._full_day:
                    log.error("%s", full)
                self._full_day = full.day
            except Exception as error:
                if block is self._failed and not isinstance(error, _TRANSIENT):
                    # It failed twice by itself: it would block the others for ever.
                    self._dropped += self._lose(block)
                    log.exception("%s can't be written", self._name.capitalize())
                    continue
                self._failed = block
                self._blocks.appendleft(block)
                if self._failures.due():
                    known = isinstance(error, OSError)
                    name = self._name.capitalize()
                    log.error("%s wait to be written: %s", name, error, exc_info=not known)
                return
            else:
                self._bytes -= len(block[1])
                self._rows.labels("written").inc(self._count(block))

    def _write(self, to_table: ToTable, records: bytearray) -> None:
        self._files.append(to_table(records))

    def _lose(self, block: Block) -> int:
        """Count a block as lost; return its number of rows."""
        self._bytes -= len(block[1])
        self._rows.labels("lost").inc(self._count(block))
        return self._count(block)

    def _count(self, block: Block) -> int:
        return len(block[1]) // self._row_bytes


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
