"""The datasets of the platform, under one root folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pandas as pd

from covertype.data import feedback, predictions, processed, rejected, snapshots, unseen
from covertype.data.arrivals import Record
from covertype.data.processed import Processed, read_parts
from covertype.data.raw import RawFiles
from covertype.data.rejected import RejectedRow
from covertype.data.snapshots import Snapshot
from covertype.data.unseen import UnseenBatch, UnseenRows
from covertype.documents import Documents
from covertype.history import FOLDER, History
from covertype.rows.arrow import from_frame
from covertype.rows.codes import Codes
from covertype.storage import Store, open_store

_TRAINING = "training"


@dataclass(frozen=True)
class Datasets:
    """The datasets of the platform, under one root: a folder, or `s3://bucket` with a prefix.

    Raises
    ------
    ValueError
        If the root is neither.
    """

    root: Path | str

    @property
    def store(self) -> Store:
        return open_store(self.root)

    # Raw: the answers of the data API, one file for each group and collection.

    @property
    def raw(self) -> RawFiles:
        return RawFiles(self.store)

    def find_raw(self, group: int, collected: datetime) -> str | None:
        """Return the name of the group's file of a collection, if it exists."""
        return self.raw.find(group, collected)

    def write_raw(
        self, group: int, batch: int, collected: datetime, rows: Sequence[Sequence[str]]
    ) -> str:
        """Write a group's rows unchanged, without a header; return the file's name.

        An existing file of that name is kept.
        """
        return self.raw.write(group, batch, collected, rows)

    def raw_names(self) -> list[str]:
        """Return the names of all raw files, in the order of their collection."""
        return self.raw.names()

    def read_raw(self, name: str) -> tuple[Codes, list[RejectedRow]]:
        """Read a raw file.

        Returns
        -------
        rows : Codes, shape (n, 13)
            The valid rows.
        rejected : list of RejectedRow
            The others.
        """
        return self.raw.read(name)

    # Processed: the valid, distinct rows of all raw files read so far.

    @property
    def processed(self) -> Processed:
        return Processed(self.store.at("processed"))

    def read_processed(self) -> pd.DataFrame:
        """Return the processed rows, none if there is no file yet."""
        return self.processed.read()

    def unread_names(self) -> list[str]:
        """Return the raw files that are not in the processed rows yet, in order of arrival."""
        return self.unread(self.processed)[0]

    def unread(self, processed: Processed, limit: int | None = None) -> tuple[list[str], Record]:
        """Return at most `limit` unread raw files, and the record to store after reading them."""
        record = processed.record()
        if record is None:
            record = self.raw.arrivals.record_of_former_release()
        return self.raw.unread(record, limit)

    def write_processed(self, frame: pd.DataFrame, sources: Sequence[str]) -> None:
        """Replace the processed rows.

        Parameters
        ----------
        frame : DataFrame
            Valid rows, with the columns of the contract.
        sources : sequence of str
            The unread files that are read with this, the first of `unread_names`.
        """
        with self.processed.locked():
            names, record = self.unread(self.processed, len(sources))
            if names != list(sources):
                raise ValueError(f"The next unread files are {names}, not {list(sources)}")
            self.processed.replace(from_frame(frame), record)

    # Rejected: invalid rows, one file for each source that has any.

    def write_rejected(self, source: str, rows: Sequence[RejectedRow]) -> None:
        """Write the rejected rows of a raw file."""
        rejected.write(self.store.at("rejected"), source, rows)

    def read_rejected(self) -> pd.DataFrame:
        """Return every rejected row: source, line, text, violations (a list of `Violation`)."""
        return rejected.read(self.store.at("rejected"))

    # Training: snapshots, so that every candidate of a search sees the same rows.

    def take_snapshot(self) -> Snapshot:
        """Copy the current processed rows to a file named by their content."""
        rows = self.processed.folder.read(processed.PARQUET)
        name, count, digest = snapshots.take(self._training, rows)
        return Snapshot(f"{_TRAINING}/{name}", count, digest)

    def snapshot_names(self) -> list[str]:
        """Return the names of the snapshots, the newest last."""
        return [f"{_TRAINING}/{name}" for name in snapshots.names(self._training)]

    def newest_snapshot_rows(self) -> int:
        """Return how many rows the newest snapshot holds, 0 without one."""
        names = self.snapshot_names()
        return self.count_snapshot(names[-1]) if names else 0

    def count_snapshot(self, name: str) -> int:
        """Return how many rows a snapshot holds."""
        return int(processed.read_metadata(self.store, name).num_rows)

    def read_snapshot(self, name: str) -> pd.DataFrame:
        """Return the rows of a snapshot."""
        with self.store.open(name) as file:
            return pd.read_parquet(file)

    def read_snapshot_parts(self, name: str) -> Iterator[Codes]:
        """Yield the rows of a snapshot, shape (n, 13), part by part."""
        return read_parts(self.store, name)

    @property
    def _training(self) -> Store:
        return self.store.at(_TRAINING)

    # What a snapshot was made of, and what arrived after it.

    def unseen_batches(self, snapshot: str) -> list[UnseenBatch]:
        """Return the batches with raw files that arrived after a snapshot, in order of arrival.

        If the snapshot does not tell what was read for it, because a former release or another
        datasets root made it, these are all raw files; `read_unseen` then leaves out the rows that
        the snapshot holds.
        """
        return unseen.batches_after(self.raw, snapshot)

    def read_unseen(self, snapshot: str, batch: UnseenBatch) -> UnseenRows:
        """Read the rows of a batch that a snapshot does not hold."""
        return unseen.read(self.raw, snapshot, batch)

    def collected_period(self, snapshot: str) -> tuple[datetime, datetime] | None:
        """Return when the first and the last raw file of a snapshot were collected.

        None if it does not tell what was read for it.
        """
        return unseen.collected_period(self.raw, snapshot)

    def read_newest_batch(self, snapshot: str) -> Codes:
        """Return the valid rows of the newest batch that a snapshot holds, shape (n, 13).

        Groups may be at different batches: the newest is the highest number among the last files
        that were read, as many as there are groups. All files of this number that were read count.
        There are no rows if the snapshot does not tell what was read for it, as those of former
        releases do not.
        """
        return unseen.read_newest_batch(self.raw, snapshot)

    # Predictions: the requests and answers of the inference service.

    def predictions_of(self, day: date) -> Store:
        """Return the folder of the Parquet files of answered predictions of a day (UTC)."""
        return self._predictions.at(day.isoformat())

    def read_predictions(self, since: date = date.min) -> pd.DataFrame:
        """Return the answered predictions of a day and later, in no order.

        Columns: `id` (empty in files of a former release), `time` (UTC), `model_version`, the
        twelve features (categories as names), `prediction` (a class's number), `probability` (of
        that class).
        """
        return predictions.read(self._predictions, since)

    def read_answered(self, start: datetime, end: datetime) -> Iterator[Codes]:
        """Yield what was asked from one moment to another, file by file.

        The shape is (n, 13); in place of the true class stands the answered one.
        """
        return predictions.read_between(self._predictions, start, end)

    def read_newest_predictions(self, count: int) -> Codes:
        """Return the newest `count` predictions, shape (n, 13): observations and answered classes.

        They are in the order of their time. Beside them only one file is in memory at a time, an
        hour of one writer at most; files that hold none of them are not read.
        """
        return predictions.read_newest(self._predictions, count)

    @property
    def _predictions(self) -> Store:
        return self.store.at("predictions")

    # Feedback: the true classes that clients send later. Nothing is trained on them.

    def feedback_of(self, day: date) -> Store:
        """Return the folder of the Parquet files of feedback of a day (UTC)."""
        return self._feedback.at(day.isoformat())

    def read_feedback(self, since: date = date.min) -> pd.DataFrame:
        """Return the feedback of a day and later, joined with the predictions that it is about.

        Of several true classes of one prediction, the last counts. Feedback with an observation
        counts each time.

        Returns
        -------
        DataFrame
            In the order of arrival. Columns: `time` (UTC), `prediction_id` (empty if the
            observation was sent), `truth` (a class's number), `model_version`, the twelve features
            (categories as names), `prediction` (a class's number). All but the first three are
            missing while the prediction log does not hold that id.
        """
        return feedback.read(self._feedback, since, self._predictions)

    @property
    def _feedback(self) -> Store:
        return self.store.at("feedback")

    # Promotions: what happened to the versions of the model.

    @property
    def history(self) -> History:
        return History(self.store.at(FOLDER))

    # Monitoring: what was found, a document for each batch or hour.

    @property
    def monitored_batches(self) -> Documents:
        """How versions did on batches that they had never seen."""
        return Documents(self.store.at("monitoring/batches"))

    @property
    def monitored_hours(self) -> Documents:
        """How far the requests of an hour were from what Production was trained on."""
        return Documents(self.store.at("monitoring/predictions"))

    @property
    def monitored_feedback(self) -> Documents:
        """How often each version was right, by the feedback until an hour's end."""
        return Documents(self.store.at("monitoring/feedback"))
