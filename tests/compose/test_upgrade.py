"""MLflow's database in MySQL, as the release before left it."""

import re
from collections.abc import Iterator

import pytest

from tests.compose.stack import PORTS, Stack

_AS_THE_FORMER_RELEASE = """
import os
from alembic import command
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base
engine = utils.create_sqlalchemy_engine_with_retry(os.environ["MLFLOW_BACKEND_STORE_URI"])
Base.metadata.create_all(engine)
with engine.begin() as connection:
    config = utils._get_alembic_config(str(engine.url))
    config.attributes["connection"] = connection
    command.upgrade(config, "heads-1")
"""
_RESTORE = (
    'gunzip | (echo "DROP DATABASE mlflow_db; CREATE DATABASE mlflow_db; USE mlflow_db;"; cat)'
)
_AN_EXPERIMENT = (
    "INSERT INTO experiments (name, artifact_location, lifecycle_stage, creation_time) VALUES "
    "('it''s \\\\ a \"test\" ñ', 'somewhere', 'active', 12345)"
)
_ALL = "SELECT name, lifecycle_stage, creation_time FROM experiments ORDER BY experiment_id"


@pytest.fixture
def database(stack: Stack) -> Iterator[Stack]:
    """A platform of its own: MySQL, and what upgrades MLflow's database."""
    ports = {"MYSQL_PORT": str(PORTS["MYSQL_PORT"] + 30)}
    platform = Stack(stack.folder, "covertype-upgrade", settings=ports)
    try:
        platform.compose("up", "--detach", "--wait", "mysql")
        yield platform
    finally:
        platform.compose("down", "--volumes")


def _init(stack: Stack, *command: str) -> str:
    return stack.compose("run", "--rm", "-T", "--no-deps", "mlflow-init", *command)


def _sql(stack: Stack, statement: str) -> str:
    client = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql -N -u root mlflow_db -e "$1"'
    return stack.compose("exec", "-T", "mysql", "sh", "-c", client, "sh", statement)


def test_an_older_database_is_upgraded_after_a_backup_that_can_be_restored(
    database: Stack,
) -> None:
    _init(database, "python", "-c", _AS_THE_FORMER_RELEASE)
    former = _sql(database, "SELECT version_num FROM alembic_version")
    _sql(database, _AN_EXPERIMENT)
    experiments = _sql(database, _ALL)
    tables = _sql(database, "SHOW TABLES")

    said = _init(database)
    kept = re.search(r"kept as (\S+)", said)
    assert kept
    newest = _sql(database, "SELECT version_num FROM alembic_version")
    assert newest != former
    assert _sql(database, _ALL) == experiments
    assert "kept as" not in _init(database)

    database.command(
        *("sh", "-c"),
        f"docker compose run --rm -T --no-deps mlflow-init cat {kept[1]} | {_RESTORE} | "
        "docker compose exec -T mysql sh -c 'MYSQL_PWD=\"$MYSQL_ROOT_PASSWORD\" mysql -u root'",
    )
    assert _sql(database, "SELECT version_num FROM alembic_version") == former
    assert _sql(database, _ALL) == experiments
    assert _sql(database, "SHOW TABLES") == tables
    assert "kept as" in _init(database)
    assert _sql(database, "SELECT version_num FROM alembic_version") == newest
