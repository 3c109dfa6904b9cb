"""Processed rows: the valid, distinct rows of all raw files read so far."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from covertype.contract import COLUMNS
from covertype.data.arrivals import Record
from covertype.rows import arrow
from covertype.rows.codes import Codes, distinct, find, rechunk
from covertype.storage import Store, Unavailable

_RECORD = b"covertype.read"
_GROUP_ROWS = 65_536
_HEADER = (",".join(COLUMNS) + "\n").encode()
_CSV_OPTIONS = pa_csv.WriteOptions(include_header=False, quoting_style="none")
_NAME = "covertype_preprocessed"
CSV, PARQUET = f"{_NAME}.csv", f"{_NAME}.parquet"


class Damaged(ValueError):
    """The Parquet file can't be read or breaks the contract; the message has the remedy."""


def read_parts(store: Store, name: str) -> Iterator[Codes]:
    """Yield the rows of processed rows or of a snapshot of them, part by part."""
    with store.open(name) as file, pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(_GROUP_ROWS, columns=list(COLUMNS)):
            yield arrow.from_table(pa.Table.from_batches([batch]))


def read_record(store: Store, name: str) -> Record | None:
    """Return what was read for processed rows or a snapshot; None if a former release wrote it."""
    return _record(read_metadata(store, name))


def read_metadata(store: Store, name: str) -> pq.FileMetaData:
    """Return what the end of a Parquet file tells of it."""
    with store.open(name) as file:
        return pq.read_metadata(file)


def _record(metadata: pq.FileMetaData) -> Record | None:
    text = (metadata.metadata or {}).get(_RECORD)
    return Record.from_json(text) if text else None


@dataclass(frozen=True)
class Processed:
    """The Parquet file with the rows and the record of what was read, and the same rows as CSV.

    Rows and record are one file, so they change together. The CSV is made from it afterwards; it
    is in step while it was made from the present one, else it is written again.
    """

    folder: Store

    def locked(self) -> AbstractContextManager[None]:
        """Let no other process change the rows meanwhile; raises `Busy` after five minutes."""
        return self.folder.locked(".lock")

    def exists(self) -> bool:
        """Return whether there are rows."""
        return self.folder.exists(PARQUET)

    def count(self) -> int:
        """Return the number of rows."""
        return int(self._metadata().num_rows) if self.exists() else 0

    def record(self) -> Record | None:
        """Return what was read for these rows; None if a former release wrote them."""
        if not self.exists():
            return Record()
        return _record(self._metadata())

    def read(self) -> pd.DataFrame:
        """Return the rows, none if there is no file yet."""
        if not self.exists():
            return pd.DataFrame(columns=list(COLUMNS))
        with self.folder.open(PARQUET) as file:
            return pd.read_parquet(file)

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

        total = self._write(merged(), record)
        self.mend_csv()
        return total

    def replace(self, codes: Codes, record: Record) -> None:
        """Put other rows in the place of all rows; the caller holds the lock."""
        self._write([codes], record)
        self.mend_csv()

    def mend_csv(self) -> None:
        """Write the CSV whole if it is not in step; the caller holds the lock."""
        if self.exists() and not self.folder.is_made_from(CSV, PARQUET):
            with (
                self.folder.replacing(CSV, made_from=PARQUET) as temporary,
                temporary.open("wb") as file,
            ):
                file.write(_HEADER)
                for part in self._parts():
                    pa_csv.write_csv(arrow.to_table(part), file, _CSV_OPTIONS)

    def clear(self) -> None:
        """Remove everything; the caller holds the lock."""
        self.folder.remove(PARQUET)
        self.folder.remove(CSV)
        self.remove_half_written()

    def move_to(self, other: "Processed") -> None:
        """Take the place of another folder's rows; the caller holds both locks."""
        for name in (PARQUET, CSV):
            self.folder.move(name, other.folder)

    def remove_half_written(self) -> None:
        """Remove what processes that were killed left; the caller holds the lock."""
        self.folder.remove_unfinished(_NAME)

    def _metadata(self) -> pq.FileMetaData:
        try:
            return read_metadata(self.folder, PARQUET)
        except pa.ArrowInvalid as error:
            raise self._damaged(error) from error

    def _parts(self) -> Iterator[Codes]:
        if not self.exists():
            return
        try:
            yield from read_parts(self.folder, PARQUET)
        except Unavailable:
            raise
        except (ValueError, OSError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> Damaged:
        return Damaged(
            f"{self.folder.url}/{PARQUET} can't be used ({error}): make it again from the raw "
            "files, with make rebuild-data or python -m covertype.rebuild"
        )

    def _write(self, parts: Iterable[Codes], record: Record) -> int:
        total = 0
        with (
            self.folder.replacing(PARQUET) as temporary,
            pq.ParquetWriter(temporary, arrow.SCHEMA) as writer,
        ):
            # Groups of one size: the same rows make the same pages, however they came.
            for group in rechunk(parts, _GROUP_ROWS):
                writer.write_table(arrow.to_table(group))
                total += len(group)
            writer.add_key_value_metadata({_RECORD: record.to_json()})
        return total
