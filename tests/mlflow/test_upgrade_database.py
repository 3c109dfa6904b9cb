"""MLflow's database of another release, brought up to date by the program that containers run."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from mlflow import MlflowClient
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase

from tests.conftest import ROOT

# MLflow's own, which would keep its tables from being mapped.
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")

SCHEMAS = ScriptDirectory.from_config(utils._get_alembic_config(db_url=""))
NEWEST = str(SCHEMAS.get_current_head())
FORMER = str(SCHEMAS.get_revision(NEWEST).down_revision)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "mlflow.db"


def upgrade(database: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "mlflow/upgrade_database.py", str(backups(database))],
        cwd=ROOT,
        env=os.environ | {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{database}"},
        capture_output=True,
        text=True,
        check=False,
    )


def backups(database: Path) -> Path:
    return database.parent / "backups"


def schema(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        ((version,),) = connection.execute("SELECT version_num FROM alembic_version")
    return str(version)


def make_with_the_schema(database: Path, wanted: str) -> None:
    """Make a database as a release with that schema has made it, with an experiment in it."""
    engine = utils.create_sqlalchemy_engine(f"sqlite:///{database}")
    InitialBase.metadata.create_all(engine)
    with engine.begin() as connection:
        config = utils._get_alembic_config(str(engine.url))
        config.attributes["connection"] = connection
        command.upgrade(config, wanted)
    engine.dispose()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) "
            "VALUES (7, 'of the former release', 'somewhere', 'active')"
        )


def test_an_older_database_is_upgraded_once_after_a_backup(database: Path) -> None:
    make_with_the_schema(database, FORMER)
    done = upgrade(database)
    assert done.returncode == 0, done.stderr
    assert schema(database) == NEWEST
    client = MlflowClient(f"sqlite:///{database}")
    assert client.get_experiment("7").name == "of the former release"
    (backup,) = backups(database).iterdir()
    assert str(backup) in done.stdout
    assert schema(backup) == FORMER
    assert backup.stat().st_mode & 0o777 == 0o600

    again = upgrade(database)
    assert again.returncode == 0
    assert list(backups(database).iterdir()) == [backup]


def test_a_backup_that_takes_the_place_of_the_database_is_upgraded_again(database: Path) -> None:
    make_with_the_schema(database, FORMER)
    upgrade(database)
    (backup,) = backups(database).iterdir()
    database.write_bytes(backup.read_bytes())
    assert upgrade(database).returncode == 0
    assert schema(database) == NEWEST


def test_an_empty_database_gets_its_tables_and_no_backup(database: Path) -> None:
    assert upgrade(database).returncode == 0
    assert schema(database) == NEWEST
    assert not backups(database).exists()


def test_a_first_start_that_was_cut_short_is_finished(database: Path) -> None:
    engine = utils.create_sqlalchemy_engine(f"sqlite:///{database}")
    first, *_ = InitialBase.metadata.sorted_tables
    first.create(engine)
    engine.dispose()
    assert upgrade(database).returncode == 0
    assert schema(database) == NEWEST


def test_a_database_of_a_newer_release_is_left_as_it_is(database: Path) -> None:
    assert upgrade(database).returncode == 0
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'fffffffffff0'")
    before = database.read_bytes()
    refused = upgrade(database)
    assert refused.returncode == 1
    assert "fffffffffff0" in refused.stderr
    assert "newer release" in refused.stderr
    assert database.read_bytes() == before
    assert not backups(database).exists()
