"""Raw files: the answers of the data API, one file for each group and collection."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from covertype.contract import COLUMNS
from covertype.data.arrivals import Arrivals, Record
from covertype.data.rejected import RejectedRow
from covertype.rows.codes import Codes, Row
from covertype.rows.csv_files import Layout
from covertype.rows.observations import InvalidRow
from covertype.storage import Store

_OLD_HEADER = [str(number) for number in range(len(COLUMNS))]
"""First line of files that earlier platforms wrote; it is not a row."""

_LAYOUT = Layout(COLUMNS, labelled=True)
_SHOWN_TEXT = 500
_STAMP = "%Y%m%d_%H%M%S"
_LIST_EVERY = 100
"""After so many new files, all folders are listed, to find files that were copied in by hand."""


@dataclass(frozen=True)
class RawFile:
    """The parts of a raw file's name: group, batch and time of collection."""

    group: int
    batch: int
    collected: datetime

    @classmethod
    def from_name(cls, name: str) -> "RawFile":
        """Parse a name as returned by `Datasets.raw_names`.

        Raises
        ------
        ValueError
            If it is not the name of a raw file.
        """
        group, _, rest = name.removeprefix("group_").partition("/batch_")
        batch, _, stamp = rest.removesuffix(".csv").partition("_")
        return cls(int(group), int(batch), datetime.strptime(f"{stamp}Z", f"{_STAMP}%z"))


@dataclass(frozen=True)
class RawFiles:
    """The raw files under a root folder, and the log of their arrival."""

    root: Store

    @property
    def arrivals(self) -> Arrivals:
        return Arrivals(self.root)

    def find(self, group: int, collected: datetime) -> str | None:
        """Return the name of the group's file of a collection, if it exists."""
        name = self.arrivals.last_with(f"group_{group}/batch_", f"_{_stamp(collected)}.csv")
        return name if name is not None and self.root.exists(name) else None

    def write(
        self, group: int, batch: int, collected: datetime, rows: Sequence[Sequence[str]]
    ) -> str:
        """Write a group's rows unchanged and log the file; an existing file is kept."""
        name = f"group_{group}/batch_{batch}_{_stamp(collected)}.csv"
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        with self.arrivals.locked():
            # JSON may hold lone surrogates, which UTF-8 can't; `read` rejects such cells.
            self.root.create(name, text.getvalue().encode(errors="surrogatepass"))
            self.arrivals.append(self.arrivals.without([name]))
        return name

    def names(self) -> list[str]:
        """Return the names of all raw files, in the order of their collection."""
        names = [name for folder in self._folders() for name in self._names_in(folder)]
        return sorted(names, key=_collected)

    def unread(self, record: Record, limit: int | None = None) -> tuple[list[str], Record]:
        """Return at most `limit` files that arrived after a record, and the record after them.

        The folders are listed only if nothing arrived, and after every hundred new files.
        """
        names, after = self.arrivals.after(record, limit)
        if names and after.listed is not None and after.files - after.listed < _LIST_EVERY:
            return names, after
        self._log_strays()
        names, after = self.arrivals.after(record, limit)
        return names, replace(after, listed=after.files)

    def read(self, name: str) -> tuple[Codes, list[RejectedRow]]:
        """Read a raw file; see `Datasets.read_raw`."""
        content = self.root.read(name)
        codes = _LAYOUT.read_fast(content)
        if codes is not None:
            return codes, []
        rows: list[Row] = []
        rejected: list[RejectedRow] = []
        with (
            _cells_of_any_length(),
            io.TextIOWrapper(
                io.BytesIO(content), encoding="utf-8-sig", errors="replace", newline=""
            ) as file,
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
        """Log files that are missing in the log: copied by hand, or written just before a kill."""
        with self.arrivals.locked():
            strays: list[str] = []
            # One folder at a time: a year of names takes much memory.
            for folder in self._folders():
                strays += self.arrivals.without(self._names_in(folder))
            if strays:
                self.arrivals.append(sorted(strays, key=_collected))

    def _folders(self) -> list[str]:
        return [folder for folder in self.root.folders() if folder.startswith("group_")]

    def _names_in(self, folder: str) -> Iterator[str]:
        for file in self.root.at(folder).names():
            if file.startswith("batch_") and file.endswith(".csv"):
                yield f"{folder}/{file}"


@contextmanager
def _cells_of_any_length() -> Iterator[None]:
    """Lift the limit of a cell's length, so that a long cell rejects its row and not the file."""
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
