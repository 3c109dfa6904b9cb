"""Upgrades MLflow's database to the schema of the installed MLflow, after a backup.

    python upgrade_database.py BACKUPS

The database is MLFLOW_BACKEND_STORE_URI. Idempotent: it runs at every start, and does nothing to a
database that is up to date. MLflow itself would not start with an older one, or change it without a
backup.
"""

import os
import sqlite3
import sys
from pathlib import Path

from alembic.script import ScriptDirectory
from backup import back_up
from mlflow.store.db import utils
from mlflow.version import VERSION


def main() -> None:
    """Upgrade the database if it is not up to date; write a backup to the given folder first."""
    engine = utils.create_sqlalchemy_engine_with_retry(os.environ["MLFLOW_BACKEND_STORE_URI"])
    schemas = ScriptDirectory.from_config(utils._get_alembic_config(db_url=""))
    newest, present = schemas.get_current_head(), utils._get_schema_version(engine)
    if present == newest:
        print(f"MLflow's database has the schema of MLflow {VERSION}")
        return
    if present not in {None, *(schema.revision for schema in schemas.walk_revisions())}:
        sys.exit(
            f"MLflow's database has the schema {present}, which MLflow {VERSION} does not know: a "
            f"newer release made it. Start that release, or restore a backup: docs/compose.md"
        )
    if utils._is_empty_database(engine):
        print("MLflow's database is empty: making its tables")
        utils._initialize_tables(engine)
        return
    folder = Path(sys.argv[1])
    try:
        backup = back_up(engine, folder, present or "unfinished")
    except (OSError, sqlite3.OperationalError) as error:
        sys.exit(
            f"MLflow's database could not be backed up, so it is as it was and not upgraded: "
            f"{error}. {_state(folder)} Put it right, then start again."
        )
    print(f"MLflow's database has the schema {present}: it is kept as {backup}", flush=True)
    try:
        # The first step also completes a first start that was interrupted.
        utils._initialize_tables(engine)
    except Exception:
        print(f"The upgrade failed. docs/compose.md tells how to restore {backup}", flush=True)
        raise
    print(f"MLflow's database is upgraded to the schema {newest}, of MLflow {VERSION}")


def _state(folder: Path) -> str:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    disk = os.statvfs(there)
    if disk.f_flag & os.ST_RDONLY:
        return f"The disk of {folder} is read-only."
    free, total = (blocks * disk.f_frsize / 1e6 for blocks in (disk.f_bavail, disk.f_blocks))
    return f"The disk of {folder} has {free:.1f} of {total:.1f} MB free."


if __name__ == "__main__":
    main()
