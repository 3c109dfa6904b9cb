"""Processed rows: the valid, distinct rows of all raw files read so far."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from covertype.atomic import commit, locked, replacing, staging
from covertype.contract import COLUMNS
from covertype.data.arrivals import Record
from covertype.rows import arrow
from covertype.rows.codes import Codes, distinct, find, rechunk

_RECORD = b"covertype.read"
_GROUP_ROWS = 65_536
_HEADER = ",".join(COLUMNS) + "\n"


class Damaged(ValueError):
    """The Parquet file can't be read or breaks the contract; the message has the remedy."""


def read_parts(parquet: Path) -> Iterator[Codes]:
    """Yield the rows of processed rows or of a snapshot of them, part by part."""
    with pq.ParquetFile(parquet) as file:
        for batch in file.iter_batches(_GROUP_ROWS, columns=list(COLUMNS)):
            yield arrow.from_table(pa.Table.from_batches([batch]))


def read_record(parquet: Path) -> Record | None:
    """Return what was read for processed rows or a snapshot; None if a former release wrote it."""
    return _record(pq.read_metadata(parquet))


def _record(metadata: pq.FileMetaData) -> Record | None:
    text = (metadata.metadata or {}).get(_RECORD)
    return Record.from_json(text) if text else None


@dataclass(frozen=True)
class Processed:
    """The Parquet file with the rows and the record of what was read, and the same rows as CSV.

    Rows and record are one file, so they change together. The CSV is made from it afterwards; it
    is in step while it has the Parquet's modification time, else it is written again.
    """

    folder: Path

    @property
    def csv(self) -> Path:
        return self.folder / "covertype_preprocessed.csv"

    @property
    def parquet(self) -> Path:
        return self.csv.with_suffix(".parquet")

    def locked(self) -> AbstractContextManager[None]:
        """Let no other process change the rows meanwhile; raises `Busy` after five minutes."""
        return locked(self.folder / ".lock")

    def count(self) -> int:
        """Return the number of rows."""
        return int(self._metadata().num_rows) if self.parquet.exists() else 0

    def record(self) -> Record | None:
        """Return what was read for these rows; None if a former release wrote them."""
        if not self.parquet.exists():
            return Record()
        return _record(self._metadata())

    def read(self) -> pd.DataFrame:
        """Return the rows, none if there is no file yet."""
        if not self.parquet.exists():
            return pd.DataFrame(columns=list(COLUMNS))
        return pd.read_parquet(self.parquet)

    def append(self, codes: Codes, record: Record) -> int:
        """Add the rows that are not there yet, with the record of what was read for them.

        Returns
        -------
        int
            How many rows there are now. The caller holds the lock.
        """
        new = distinct(codes)
        known = np.zeros(len(new), bool)

        def merged() -> Iterator[Codes]:
            for part in self._parts():
                known[find(part, new)] = True
                yield part
            yield new[~known]

        in_step = self._csv_in_step()
        total = self._write(merged(), record)
        if in_step:
            self._extend_csv(new[~known])
        self.mend_csv()
        return total

    def replace(self, codes: Codes, record: Record) -> None:
        """Put other rows in the place of all rows; the caller holds the lock."""
        self._write([codes], record)
        self.mend_csv()

    def mend_csv(self) -> None:
        """Write the CSV whole if it is not in step; the caller holds the lock."""
        if self.parquet.exists() and not self._csv_in_step():
            with staging(self.csv) as temporary:
                temporary.write_text(_HEADER)
                self._add_lines(temporary, self._parts())
                self._commit_csv(temporary)

    def clear(self) -> None:
        """Remove everything; the caller holds the lock."""
        self.parquet.unlink(missing_ok=True)
        self.csv.unlink(missing_ok=True)
        self.remove_half_written()

    def move_to(self, other: "Processed") -> None:
        """Take the place of another folder's rows; the caller holds both locks."""
        for file, place in ((self.parquet, other.parquet), (self.csv, other.csv)):
            commit(file, place)

    def remove_half_written(self) -> None:
        """Remove what processes that were killed left; the caller holds the lock."""
        for left in self.folder.glob(f".{self.csv.stem}.*"):
            left.unlink(missing_ok=True)

    def _metadata(self) -> pq.FileMetaData:
        try:
            return pq.read_metadata(self.parquet)
        except pa.ArrowInvalid as error:
            raise self._damaged(error) from error

    def _parts(self) -> Iterator[Codes]:
        if not self.parquet.exists():
            return
        try:
            yield from read_parts(self.parquet)
        except (ValueError, OSError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> Damaged:
        return Damaged(
            f"{self.parquet} can't be used ({error}): make it again from the raw files, with "
            "make rebuild-data or python -m covertype.rebuild"
        )

    def _write(self, parts: Iterable[Codes], record: Record) -> int:
        total = 0
        with (
            replacing(self.parquet) as temporary,
            pq.ParquetWriter(temporary, arrow.SCHEMA) as writer,
        ):
            # Groups of one size: the same rows make the same pages, however they came.
            for group in rechunk(parts, _GROUP_ROWS):
                writer.write_table(arrow.to_table(group))
                total += len(group)
            writer.add_key_value_metadata({_RECORD: record.to_json()})
        return total

    def _csv_in_step(self) -> bool:
        return (
            self.csv.exists()
            and self.parquet.exists()
            and self.csv.stat().st_mtime_ns == self.parquet.stat().st_mtime_ns
        )

    def _extend_csv(self, new: Codes) -> None:
        if not len(new):
            self._stamp_csv(self.csv)
            return
        with staging(self.csv) as temporary:
            shutil.copyfile(self.csv, temporary)
            self._add_lines(temporary, [new])
            self._commit_csv(temporary)

    def _commit_csv(self, temporary: Path) -> None:
        self._stamp_csv(temporary)
        commit(temporary, self.csv)

    def _stamp_csv(self, path: Path) -> None:
        stamp = self.parquet.stat().st_mtime_ns
        os.utime(path, ns=(stamp, stamp))

    def _add_lines(self, path: Path, parts: Iterable[Codes]) -> None:
        options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
        with path.open("ab") as file:
            for part in parts:
                pa_csv.write_csv(arrow.to_table(part), file, options)
