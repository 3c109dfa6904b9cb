"""The Parquet files of a log, in a folder for each day."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from covertype.storage import Store

_FILE_ROWS = 100_000
_MB = 1_000_000


class DayIsFull(Exception):
    """The files of a day (UTC) have reached their size limit."""

    def __init__(self, day: date, folder: Store, setting: str, limit_mb: int) -> None:
        super().__init__(
            f"{folder.url} holds as much as {setting}={limit_mb} allows: further rows of {day} "
            "(UTC) are not logged but counted as lost; raise it if there is room for more"
        )
        self.day = day


class LogFiles:
    """The files of one writer. Each write replaces the file of the hour by a longer one.

    Parameters
    ----------
    folder_of : callable
        Takes a day; returns its folder.
    writer : str
        A name that no other writer has.
    limit_mb_a_day : int
        Size limit of all files of a day in MB, those of other writers included.
    setting : str
        The setting that holds this limit.
    """

    def __init__(
        self, folder_of: Callable[[date], Store], writer: str, limit_mb_a_day: int, setting: str
    ) -> None:
        self._folder_of = folder_of
        self._writer = writer
        self._limit_mb = limit_mb_a_day
        self._setting = setting
        self._numbers = count()
        self._day, self._name = date.min, ""
        self._hour: datetime | None = None
        self._written: list[pa.Table] = []
        self._full_day: date | None = None

    def append(self, table: pa.Table) -> None:
        """Write rows. An error leaves the rows written before intact.

        Raises
        ------
        DayIsFull
            If the files of the day would be too large; every later call of that day raises it too.
        OSError
            If the disk can't be written to.
        """
        moment = datetime.now(UTC)
        if moment.date() == self._full_day:
            raise self._day_is_full(moment.date())
        try:
            self._append(moment, table)
        except Exception:
            # The next try begins a new file: it needs less space than this one with all its rows.
            self._hour, self._written = None, []
            raise

    def _append(self, moment: datetime, table: pa.Table) -> None:
        hour = moment.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour or sum(map(len, self._written)) >= _FILE_ROWS:
            self._hour, self._written = hour, []
            self._day = moment.date()
            self._name = f"{moment:%H%M%S}_{self._writer}_{next(self._numbers)}.parquet"
        tables = [*self._written, table]
        folder = self._folder_of(self._day)
        with folder.replacing(self._name) as temporary:
            _write(pa.concat_tables(tables).unify_dictionaries(), temporary)
            sizes = {**folder.sizes(), self._name: 0, temporary.name: temporary.stat().st_size}
            if sum(sizes.values()) > self._limit_mb * _MB:
                self._full_day = moment.date()
                raise self._day_is_full(self._full_day)
        self._written = tables

    def _day_is_full(self, day: date) -> DayIsFull:
        return DayIsFull(day, self._folder_of(day), self._setting, self._limit_mb)


def _write(table: pa.Table, path: Path) -> None:
    # Texts that are not in a dictionary are ids, which share most of their characters.
    ids = [field.name for field in table.schema if pa.types.is_string(field.type)]
    pq.write_table(
        table,
        path,
        use_dictionary=[name for name in table.column_names if name not in ids],
        column_encoding=dict.fromkeys(ids, "DELTA_BYTE_ARRAY"),
    )
