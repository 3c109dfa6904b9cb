"""Everything of ours that writes files, and what becomes of them on a disk without room."""

import io
import json
import os
import pickle
import re
import resource
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing, redirect_stderr
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pandas as pd
import sqlalchemy

from covertype.contract import COLUMNS
from covertype.data import Datasets, RejectedRow, snapshots
from covertype.data.arrivals import Arrivals, Record
from covertype.data.processed import CSV, Processed
from covertype.ingestion.preprocessing import preprocess
from covertype.rebuild import rebuild
from covertype.registry import tracking
from covertype.rows.arrow import from_frame
from covertype.rows.codes import Codes
from covertype.rows.violations import VALUE, Violation
from covertype.storage.folder import Folder
from inference.model.kept import CARD_FILE
from inference.model.store import ModelStore
from inference.telemetry import feedback_log
from inference.telemetry.prediction_log import RECORD, prediction_files, to_table
from positions import GroupPositions
from tests.conftest import ROOT
from tests.faults.apart import fails_with_memory, small_disk
from tools.containers import secrets
from tools.containers.passwords import SECRETS, read_variables

sys.path.append(str(ROOT / "mlflow"))
upgrade_database = import_module("upgrade_database")

MOMENT = datetime(2026, 11, 23, 10, 5, 0, tzinfo=UTC)
ROWS = 2000
OBSERVATIONS = pd.read_parquet(ROOT / "data-api" / "covertype.parquet").sample(
    3 * ROWS, random_state=0, ignore_index=True
)

Parts = dict[str, object]
"""What a folder holds as its readers see it, by name; each may change without the others."""


@dataclass(frozen=True)
class Writer:
    """A writer of ours: `write` brings a folder to the state of that number, from the one before.

    `failures` are what it raises when the disk refuses; the message must tell.
    """

    write: Callable[[Path, int], object]
    read: Callable[[Path], Parts]
    failures: tuple[type[BaseException], ...] = (OSError,)


def _observations(number: int) -> pd.DataFrame:
    return OBSERVATIONS.iloc[number * ROWS : (number + 1) * ROWS]


def _lines(number: int) -> list[list[str]]:
    return _observations(number).astype(str).to_numpy().tolist()


def _codes(number: int) -> Codes:
    return from_frame(_observations(number))


def _values(frame: pd.DataFrame) -> list[list[object]]:
    return frame.to_numpy(object).tolist()


def _write_raw(folder: Path, number: int) -> None:
    moment = MOMENT + timedelta(minutes=number)
    Datasets(folder).write_raw(1, number + 1, moment, _lines(number))


def _read_raw(folder: Path) -> Parts:
    datasets = Datasets(folder)
    return {name: datasets.read_raw(name)[0].tolist() for name in datasets.raw_names()}


def _write_rejected(folder: Path, number: int) -> None:
    broken = [Violation(VALUE, "Elevation", '"high"')]
    rows = [RejectedRow(line, f"text {number}", broken) for line in range(500)]
    Datasets(folder).write_rejected("group_1/batch_1.csv", rows)


def _read_rejected(folder: Path) -> Parts:
    return {"rows": _values(Datasets(folder).read_rejected())}


def _write_processed(folder: Path, number: int) -> None:
    processed = Processed(Folder(folder))
    with processed.locked():
        record = processed.record()
        if record is None or record.files <= number:
            processed.append(_codes(number), Record(files=number + 1))
        processed.mend_csv()


def _read_processed(folder: Path) -> Parts:
    processed = Processed(Folder(folder))
    return {
        "parquet": (_values(processed.read()), processed.record()),
        "csv": _values(pd.read_csv(folder / CSV)[list(COLUMNS)]),
    }


def _write_rebuilt(folder: Path, number: int) -> None:
    datasets = Datasets(folder)
    if number == 0:
        _write_raw(folder, 0)
        preprocess(datasets)
    else:
        rebuild(datasets)


def _read_rebuilt(folder: Path) -> Parts:
    return _read_processed(folder / "processed")


def _write_snapshot(folder: Path, number: int) -> None:
    parquet = folder.parent.parent / "room" / f"{number}.parquet"
    if not parquet.exists():
        parquet.parent.mkdir(exist_ok=True)
        _observations(number).to_parquet(parquet, index=False)
    snapshots.take(Folder(folder), parquet.read_bytes())


def _read_snapshots(folder: Path) -> Parts:
    names = snapshots.names(Folder(folder))
    return {name: _values(pd.read_parquet(folder / name)) for name in names}


def _arrivals(folder: Path) -> Arrivals:
    return Arrivals(Folder(folder))


def _write_arrivals(folder: Path, number: int) -> None:
    arrivals = _arrivals(folder)
    with arrivals.locked():
        names = [f"group_1/batch_{number}_{one:04}.csv" for one in range(200)]
        arrivals.append(sorted(arrivals.without(names)))


def _read_arrivals(folder: Path) -> Parts:
    names, _ = _arrivals(folder).after(Record())
    return {name: place for place, name in enumerate(names)}


def _write_pickle(folder: Path, number: int) -> None:
    with (
        patch.object(tracking, "MlflowClient"),
        patch.object(tracking, "model_uri"),
        patch.object(tracking, "fetch_model", return_value=np.full(50_000, number)),
    ):
        tracking.save_model("run", folder / "mejor_rf_model.pkl")


def _read_pickle(folder: Path) -> Parts:
    return {"model": pickle.loads((folder / "mejor_rf_model.pkl").read_bytes()).tolist()}


def _write_predictions(folder: Path, number: int) -> None:
    records = np.zeros(ROWS, RECORD)
    records["time"] = MOMENT.timestamp() + np.arange(ROWS)
    records["codes"] = _codes(number)[:, :-1]
    files = prediction_files(Datasets(folder), f"a{number}", 500)
    files.append(to_table(f"a{number}", str(number), records.tobytes()))


def _read_predictions(folder: Path) -> Parts:
    logged = Datasets(folder).read_predictions()
    return {str(version): _values(rows) for version, rows in logged.groupby("model_version")}


def _write_feedback(folder: Path, number: int) -> None:
    records = np.zeros(ROWS, feedback_log.RECORD)
    records["time"] = MOMENT.timestamp() + np.arange(ROWS)
    records["version"] = str(number)
    records["codes"] = _codes(number)[:, :-1]
    files = feedback_log.feedback_files(Datasets(folder), f"a{number}", 500)
    files.append(feedback_log.to_table(records.tobytes()))


def _read_feedback(folder: Path) -> Parts:
    given = Datasets(folder).read_feedback()
    return {str(version): _values(rows) for version, rows in given.groupby("model_version")}


def _write_model(folder: Path, number: int) -> None:
    with ModelStore(folder).incoming(f"{number}-run") as version:
        (version / CARD_FILE).write_text(f'{{"version": {number}}}')
        np.save(version / "nodes.npy", np.full(30_000, number))


def _read_model(folder: Path) -> Parts:
    store = ModelStore(folder)
    version = store.folder(str(store.current))
    card = json.loads((version / CARD_FILE).read_text())
    return {"current": (store.current, card, np.load(version / "nodes.npy").tolist())}


def _write_backup(folder: Path, number: int) -> None:
    """Upgrade MLflow's database by the program of the containers; here that changes nothing."""
    database = folder.parent.parent / "mlflow.db"
    if not database.exists():
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("CREATE TABLE experiments (name TEXT)")
            names = [(f"experiment {one:50}",) for one in range(3000)]
            connection.executemany("INSERT INTO experiments VALUES (?)", names)
    engine = sqlalchemy.create_engine(f"sqlite:///{database}")
    schemas = SimpleNamespace(
        get_current_head=lambda: "newest",
        walk_revisions=lambda: [SimpleNamespace(revision=f"schema{number}")],
    )
    utils = SimpleNamespace(
        create_sqlalchemy_engine_with_retry=lambda _: engine,
        _get_alembic_config=lambda db_url: None,
        _get_schema_version=lambda _: f"schema{number}",
        _is_empty_database=lambda _: False,
        _initialize_tables=lambda _: None,
    )
    with (
        patch.object(sys, "argv", ["upgrade_database.py", str(folder)]),
        patch.dict(os.environ, MLFLOW_BACKEND_STORE_URI="sqlite://"),
        patch.object(upgrade_database, "utils", utils),
        patch.object(
            upgrade_database, "ScriptDirectory", SimpleNamespace(from_config=lambda _: schemas)
        ),
    ):
        upgrade_database.main()


def _read_backups(folder: Path) -> Parts:
    parts: Parts = {}
    for path in folder.glob("*.db"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT count(*) FROM experiments").fetchone()
        parts[path.stem.rpartition("_")[2]] = rows
    return parts


def _advance(folder: Path, number: int) -> None:
    assert GroupPositions(folder / "state.json", batch_seconds=0).batch(1) == number + 1


def _read_positions(folder: Path) -> Parts:
    return {"batch": json.loads((folder / "state.json").read_text())["1"]["batch"]}


def _write_secrets(folder: Path, number: int) -> None:
    folder.mkdir(exist_ok=True)
    said = io.StringIO()
    made = {name: lambda name=name: f"{name}-{number}" * 300 for name in SECRETS}
    with (
        patch.object(secrets, "SETTINGS", folder / ".env"),
        patch.object(secrets, "_PENDING", folder / ".env.new"),
        patch.object(secrets, "_change_in_databases"),
        patch.object(secrets, "SECRETS", made),
        redirect_stderr(said),
    ):
        if secrets.main(made) != 0:
            raise OSError(said.getvalue())


def _read_secrets(folder: Path) -> Parts:
    return {".env": read_variables(folder / ".env")}


WRITERS = {
    "raw files": Writer(_write_raw, _read_raw),
    "rejected rows": Writer(_write_rejected, _read_rejected),
    "processed rows": Writer(_write_processed, _read_processed),
    "rebuild": Writer(_write_rebuilt, _read_rebuilt),
    "snapshots": Writer(_write_snapshot, _read_snapshots),
    "log of arrivals": Writer(_write_arrivals, _read_arrivals),
    "best models": Writer(_write_pickle, _read_pickle),
    "prediction log": Writer(_write_predictions, _read_predictions),
    "feedback": Writer(_write_feedback, _read_feedback),
    "store of models": Writer(_write_model, _read_model),
    "backup of MLflow's database": Writer(_write_backup, _read_backups, (SystemExit,)),
    "positions of the data API": Writer(_advance, _read_positions),
    "secrets": Writer(_write_secrets, _read_secrets),
}


def is_whole_and_goes_on_when_the_disk_refuses(name: str, place: Path) -> None:
    """Write, fill the disk, fail, free room, write; then the same with a disk that is read-only."""
    writer = WRITERS[name]
    states = _states_with_room(writer, place)
    disk = small_disk(place / "disk", megabytes=4)
    folder = disk.folder / "data"
    writer.write(folder, 0)
    assert writer.read(folder) == states[0]
    for pages in count():
        disk.fill(leave=pages * resource.getpagesize())
        refusal = _refusal(writer, folder, 1)
        if refusal is None:
            assert pages > 0
            break
        assert re.search(rf"{folder}\b.* MB", refusal), refusal
        _assert_whole(writer.read(folder), states[0], states[1])
        assert not _half_written(folder)
    assert writer.read(folder) == states[1]
    disk.free()
    with disk.read_only():
        refusal = str(_refusal(writer, folder, 2))
        assert re.search(rf"{folder}\b.* is read-only", refusal), refusal
        assert writer.read(folder) == states[1]
    writer.write(folder, 2)
    assert writer.read(folder) == states[2]


def is_whole_and_goes_on_when_memory_is_short(name: str, place: Path) -> None:
    """Write with less memory than that takes, at growing limits, then with enough."""
    writer = WRITERS[name]
    states = _states_with_room(writer, place)
    folder = place / "disk" / "data"
    writer.write(folder, 0)
    for exponent in count(10, 2):
        if not fails_with_memory(2**exponent, lambda: writer.write(folder, 1)):
            assert exponent > 10
            break
        _assert_whole(writer.read(folder), states[0], states[1])
    assert writer.read(folder) == states[1]
    writer.write(folder, 2)
    assert writer.read(folder) == states[2]


def _states_with_room(writer: Writer, place: Path) -> list[Parts]:
    for made in ("disk", "twin"):
        (place / made).mkdir()
    folder = place / "twin" / "data"
    states = []
    for number in range(3):
        writer.write(folder, number)
        states.append(writer.read(folder))
    return states


def _refusal(writer: Writer, folder: Path, number: int) -> str | None:
    try:
        writer.write(folder, number)
    except writer.failures as error:
        return str(error)
    return None


def _assert_whole(parts: Parts, before: Parts, after: Parts) -> None:
    """Each part is as it was, or as it was to become."""
    assert parts.keys() >= before.keys()
    for name, part in parts.items():
        assert part in (before.get(name), after.get(name)), name


def _half_written(folder: Path) -> list[Path]:
    half = re.compile(r"\..*\.\w{8}|.*\.part|.*-journal|\.incoming-.*")
    return [path for path in folder.rglob("*") if half.fullmatch(path.name)]
