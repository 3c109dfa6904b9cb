"""Raw files: what the data API answered, one file a group and collection."""

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from covertype.atomic import commit, staging
from covertype.contract import COLUMNS
from covertype.data.arrivals import Arrivals, Record
from covertype.data.rejected import RejectedRow
from covertype.rows.codes import Codes, Row
from covertype.rows.csv_files import Layout
from covertype.rows.observations import InvalidRow

_OLD_HEADER = [str(number) for number in range(len(COLUMNS))]
"""First line of the files that earlier platforms wrote; it is no data."""

_LAYOUT = Layout(COLUMNS, labelled=True)
_SHOWN_TEXT = 500
_STAMP = "%Y%m%d_%H%M%S"
_LIST_EVERY = 100
"""The folders are listed whole once in so many new files, for files that were copied in by hand."""


@dataclass(frozen=True)
class RawFile:
    """What the name of a raw file says: its group, the group's batch, when it was collected."""

    group: int
    batch: int
    collected: datetime

    @classmethod
    def from_name(cls, name: str) -> "RawFile":
        """Read a name as `Datasets.raw_names` gives it.

        Raises
        ------
        ValueError
            If it is not named as a raw file is.
        """
        group, _, rest = name.removeprefix("group_").partition("/batch_")
        batch, _, stamp = rest.removesuffix(".csv").partition("_")
        return cls(int(group), int(batch), datetime.strptime(f"{stamp}Z", f"{_STAMP}%z"))


@dataclass(frozen=True)
class RawFiles:
    """The raw files under a root, and the log of their arrival."""

    root: Path
    arrivals: Arrivals

    def find(self, group: int, collected: datetime) -> str | None:
        """Return the name of the group's file of that collection, if it is there."""
        name = self.arrivals.last_with(f"group_{group}/batch_", f"_{_stamp(collected)}.csv")
        return name if name is not None and (self.root / name).exists() else None

    def write(
        self, group: int, batch: int, collected: datetime, rows: Sequence[Sequence[str]]
    ) -> str:
        """Write a group's rows as they came and log the file; one that is there is kept."""
        name = f"group_{group}/batch_{batch}_{_stamp(collected)}.csv"
        path = self.root / name
        with staging(path) as temporary:
            # JSON may hold lone surrogates, which no text may: `read` makes bad cells of them.
            with temporary.open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
            with self.arrivals.locked():
                if not path.exists():
                    commit(temporary, path)
                self.arrivals.append(self.arrivals.without([name]))
        return name

    def names(self) -> list[str]:
        """Return the names of all raw files, in the order of their collection."""
        names = [name for folder in self._folders() for name in self._names_in(folder)]
        return sorted(names, key=_collected)

    def unread(self, record: Record, limit: int | None = None) -> tuple[list[str], Record]:
        """Return the files that arrived after a record, `limit` at most, and the record after them.

        The folders are listed whole only if nothing arrived, and once in a hundred new files.
        """
        names, after = self.arrivals.after(record, limit)
        if names and after.listed is not None and after.files - after.listed < _LIST_EVERY:
            return names, after
        self._log_strays()
        names, after = self.arrivals.after(record, limit)
        return names, replace(after, listed=after.files)

    def read(self, name: str) -> tuple[Codes, list[RejectedRow]]:
        """Read a raw file, as `Datasets.read_raw` says."""
        path = self.root / name
        codes = _LAYOUT.read_fast(path.read_bytes())
        if codes is not None:
            return codes, []
        rows: list[Row] = []
        rejected: list[RejectedRow] = []
        with (
            _cells_of_any_length(),
            path.open(newline="", encoding="utf-8", errors="replace") as file,
        ):
            reader = csv.reader(file)
            for cells in reader:
                if cells == _OLD_HEADER or not cells:
                    continue
                try:
                    rows.append(_LAYOUT.parse(cells))
                except InvalidRow as invalid:
                    text = ",".join(cells)[:_SHOWN_TEXT]
                    rejected.append(RejectedRow(reader.line_num, text, invalid.violations))
        return np.array(rows, np.int16).reshape(-1, len(COLUMNS)), rejected

    def _log_strays(self) -> None:
        """Log the files that are there but not in the log: copied in by hand, or before a kill."""
        with self.arrivals.locked():
            strays: list[str] = []
            # Folder by folder: the names of a year's files are many.
            for folder in self._folders():
                strays += self.arrivals.without(self._names_in(folder))
            if strays:
                self.arrivals.append(sorted(strays, key=_collected))

    def _folders(self) -> list[Path]:
        return sorted(folder for folder in self.root.glob("group_*") if folder.is_dir())

    def _names_in(self, folder: Path) -> Iterator[str]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("batch_") and entry.name.endswith(".csv"):
                    yield f"{folder.name}/{entry.name}"


@contextmanager
def _cells_of_any_length() -> Iterator[None]:
    """Read what is too long to be right, too: its row is rejected, and stops no file."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_STAMP)


def _collected(name: str) -> tuple[str, str]:
    group, _, file = name.partition("/")
    return file.removesuffix(".csv").split("_", 2)[-1], group
