"""Files under the datasets root: every write is whole or absent, every name is stated here."""

import csv
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

from covertype.contract import COLUMNS, FEATURE_NAMES
from covertype.validation import REASON

_OLD_HEADER = [str(number) for number in range(len(COLUMNS))]
"""First line of the files that earlier platforms wrote; it is no data."""

WIDTH_RULE = f"a row must have {len(COLUMNS)} columns"

_KEPT_SNAPSHOTS = 10
_SHOWN_TEXT = 500
_STAMP = "%Y%m%d_%H%M%S"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a hidden path beside `path`; on a clean exit it takes the place of `path`.

    Readers see the former file or the whole new one. On an error the former stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _cells_of_any_length() -> Iterator[None]:
    """Read what is too long to be right, too: its row is rejected, and stops no file."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


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
class Snapshot:
    """A training set that never changes: `name` is its path under the datasets root."""

    name: str
    rows: int
    digest: str


@dataclass(frozen=True)
class Datasets:
    """The datasets of the platform, under one root folder."""

    root: Path

    # Raw: what the data API answered, one file a group and collection.

    def find_raw(self, group: int, collected: datetime) -> str | None:
        """Return the name of the group's file of that collection, if it is there."""
        found = self.root.glob(f"group_{group}/batch_*_{_stamp(collected)}.csv")
        return next((self._name(path) for path in found), None)

    def write_raw(
        self, group: int, batch: int, collected: datetime, rows: Sequence[Sequence[str]]
    ) -> str:
        """Write a group's rows as they came, without a header; return the file's name."""
        path = self.root / f"group_{group}" / f"batch_{batch}_{_stamp(collected)}.csv"
        with replacing(path) as temporary, temporary.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        return self._name(path)

    def raw_names(self) -> list[str]:
        """Return the names of all raw files, in the order of their collection."""
        paths = self.root.glob("group_*/batch_*.csv")
        return [self._name(path) for path in sorted(paths, key=_collected)]

    def read_raw(self, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Read a raw file.

        Returns
        -------
        rows : DataFrame of str, shape (n, 13)
            Columns as in `COLUMNS`, indexed by line number from 1; an empty cell is NaN.
        misshapen : DataFrame
            Lines with another number of cells: `line` as index, the line's text and the reason.
        """
        good: dict[int, list[str]] = {}
        bad: dict[int, list[str]] = {}
        with (
            _cells_of_any_length(),
            (self.root / name).open(newline="", encoding="utf-8", errors="replace") as file,
        ):
            reader = csv.reader(file)
            for cells in reader:
                if cells == _OLD_HEADER or not cells:
                    continue
                (good if len(cells) == len(COLUMNS) else bad)[reader.line_num] = cells
        rows = pd.DataFrame.from_dict(good, orient="index", columns=list(COLUMNS), dtype=str)
        misshapen = pd.DataFrame(
            {
                "text": [",".join(cells)[:_SHOWN_TEXT] for cells in bad.values()],
                REASON: [f"{WIDTH_RULE}, got {len(cells)}" for cells in bad.values()],
            },
            index=list(bad),
            dtype=str,
        )
        return rows.replace("", pd.NA), misshapen

    # Processed: the valid, distinct rows of all raw files read so far.

    @property
    def processed_csv(self) -> Path:
        return self.root / "processed" / "covertype_preprocessed.csv"

    @property
    def processed_parquet(self) -> Path:
        return self.processed_csv.with_suffix(".parquet")

    @property
    def _read_list(self) -> Path:
        return self.processed_csv.with_name("read_files.txt")

    def read_processed(self) -> pd.DataFrame:
        """Return the processed rows, none if there is no file yet."""
        if not self.processed_parquet.exists():
            return pd.DataFrame(columns=list(COLUMNS))
        return pd.read_parquet(self.processed_parquet)

    def unread_names(self) -> list[str]:
        """Return the raw files that the processed rows don't hold yet."""
        read = set(self._read_names())
        return [name for name in self.raw_names() if name not in read]

    def write_processed(self, rows: pd.DataFrame, sources: Sequence[str]) -> None:
        """Replace the processed rows, then note that `sources` are read.

        The note comes last: a stop between the two makes the next run read the files again,
        which adds nothing, as rows that are there already are dropped.
        """
        with replacing(self.processed_csv) as temporary:
            rows.to_csv(temporary, index=False)
        with replacing(self.processed_parquet) as temporary:
            rows.to_parquet(temporary, index=False)
        names = dict.fromkeys((*self._read_names(), *sources))
        with replacing(self._read_list) as temporary:
            temporary.write_text("".join(f"{name}\n" for name in names))

    def _read_names(self) -> list[str]:
        return self._read_list.read_text().splitlines() if self._read_list.exists() else []

    # Rejected: what broke the contract, one file a source that had any.

    def write_rejected(self, source: str, rejected: pd.DataFrame) -> None:
        """Write the rejected rows of a raw file: source, line, text of the row, reason."""
        path = self.root / "rejected" / source.replace("/", "_")
        with replacing(path) as temporary:
            rejected.rename_axis("line").reset_index().assign(source=source)[
                ["source", "line", "text", REASON]
            ].to_csv(temporary, index=False)

    def read_rejected(self) -> pd.DataFrame:
        """Return every rejected row: source, line, text, reason."""
        files = sorted((self.root / "rejected").glob("*.csv"))
        if not files:
            return pd.DataFrame(columns=["source", "line", "text", REASON])
        return pd.concat([pd.read_csv(file) for file in files], ignore_index=True)

    # Training: snapshots, so that every candidate of a search sees the same rows.

    def take_snapshot(self) -> Snapshot:
        """Keep the processed rows of this moment under a name made from their content."""
        content = self.processed_parquet.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        rows = len(pd.read_parquet(self.processed_parquet, columns=[COLUMNS[0]]))
        path = self.root / "training" / f"covertype_{rows}_{digest[:12]}.parquet"
        if not path.exists():
            with replacing(path) as temporary:
                temporary.write_bytes(content)
        for old in self._snapshots()[:-_KEPT_SNAPSHOTS]:
            old.unlink(missing_ok=True)
        return Snapshot(self._name(path), rows, digest)

    def snapshot_names(self) -> list[str]:
        """Return the names of the snapshots that are kept, the newest last."""
        return [self._name(path) for path in self._snapshots()]

    def read_snapshot(self, name: str) -> pd.DataFrame:
        """Return the rows of a snapshot."""
        return pd.read_parquet(self.root / name)

    def _snapshots(self) -> list[Path]:
        return sorted((self.root / "training").glob("*.parquet"), key=lambda p: p.stat().st_mtime)

    # Predictions: what was asked of the inference service, and what it answered.

    def predictions_file(self, day: date, name: str) -> Path:
        """Return the path of one writer's Parquet file of answered predictions."""
        return self.root / "predictions" / day.isoformat() / f"{name}.parquet"

    def read_predictions(self, since: date = date.min) -> pd.DataFrame:
        """Return the answered predictions of a day and later, in no order.

        Columns: `time` (UTC), `model_version`, the twelve features (categories as names),
        `prediction` (a class's number), `probability` (of that class).
        """
        files = (self.root / "predictions").glob("*/*.parquet")
        kept = [file for file in files if file.parent.name >= since.isoformat()]
        columns = ["time", "model_version", *FEATURE_NAMES, "prediction", "probability"]
        if not kept:
            return pd.DataFrame(columns=columns)
        return pd.concat([pd.read_parquet(file, columns=columns) for file in kept])

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_STAMP)


def _collected(path: Path) -> tuple[str, str]:
    return path.stem.split("_", 2)[-1], path.parent.name
