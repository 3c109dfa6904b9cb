"""A limit on the memory of all files that users have open."""

import threading
import weakref

from covertype.rows.csv_files import SEPARATORS
from covertype_ui.rows import Table, read_table

CELLS_HELD = 5_000_000
"""A file of 250,000 rows has 3.25 million. Measured: a million takes 51 MB, answers included."""

_ENDS_OF_CELLS = [end.encode() for end in f"{SEPARATORS}\r\n"]


class NoMemoryLeft(Exception):
    """The open files leave no memory for another one."""


class MemoryBudget:
    """A number of cells; a table takes its share for as long as it exists."""

    def __init__(self, cells: int) -> None:
        self._free = cells
        # Reentrant: a table may be released at any moment, even while its thread holds the lock.
        self._lock = threading.RLock()

    def read(self, content: bytes) -> Table:
        """Read a table if it fits.

        Raises
        ------
        NoMemoryLeft
            If it does not fit.
        NotText, NoRows, NotATable, ColumnsMissing, ColumnsRepeated, TooLong
            If it is no such file, as `read_table` says.
        """
        cells = sum(content.count(end) for end in _ENDS_OF_CELLS)
        self._take(cells)
        try:
            table = read_table(content)
        except BaseException:
            self._take(-cells)
            raise
        weakref.finalize(table, self._take, -cells)
        return table

    def _take(self, cells: int) -> None:
        with self._lock:
            if cells > self._free:
                raise NoMemoryLeft
            self._free -= cells


budget = MemoryBudget(CELLS_HELD)
"""The budget of this process."""
