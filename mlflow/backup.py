"""Backups of MLflow's database: a copy of SQLite's file, or SQL that MySQL's client reads."""

import gzip
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from pymysql import Connection
from pymysql.cursors import SSCursor
from sqlalchemy import Engine

_ROWS_OF_A_STATEMENT = 100


def back_up(engine: Engine, folder: Path, schema: str) -> Path:
    """Write a backup of a database atomically, under a name of its own.

    Raises
    ------
    NotImplementedError
        If it is neither SQLite nor MySQL.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{datetime.now(UTC):%Y%m%d_%H%M%S}_{schema}"
    part = folder / f".{stem}.part"
    try:
        match engine.dialect.name:
            case "sqlite":
                path = folder / f"{stem}.db"
                _copy_sqlite(Path(str(engine.url.database)), part)
            case "mysql":
                path = folder / f"{stem}.sql.gz"
                with closing(engine.raw_connection()) as connection:
                    _dump_mysql(connection.driver_connection, part)
            case other:
                raise NotImplementedError(
                    f"There is no backup of {other}: make one by hand, then run `mlflow db upgrade`"
                )
        part.chmod(0o600)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _copy_sqlite(database: Path, path: Path) -> None:
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)


def _dump_mysql(connection: Connection, path: Path) -> None:
    with gzip.open(path, "wt", 1, encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(f"{statement};\n" for statement in _statements(connection))


def _statements(connection: Connection) -> Iterator[str]:
    yield "SET NAMES utf8mb4"
    yield "SET FOREIGN_KEY_CHECKS = 0, UNIQUE_CHECKS = 0, SQL_MODE = 'NO_AUTO_VALUE_ON_ZERO'"
    _ask(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
    for table, _ in _ask(connection, "SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'"):
        yield str(_ask(connection, f"SHOW CREATE TABLE `{table}`")[0][1])
        yield from _inserts(connection, table)
    for trigger, *_ in _ask(connection, "SHOW TRIGGERS"):
        made = str(_ask(connection, f"SHOW CREATE TRIGGER `{trigger}`")[0][2])
        yield f"DELIMITER $$\n{made}$$\nDELIMITER "


def _inserts(connection: Connection, table: str) -> Iterator[str]:
    written = _ask(
        connection,
        "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() "
        "AND table_name = %s AND generation_expression = '' ORDER BY ordinal_position",
        table,
    )
    columns = [f"`{name}`" for (name,) in written]
    names = ", ".join(columns)
    with connection.cursor(SSCursor) as cursor:
        cursor.execute(f"SELECT {names} FROM `{table}`")  # noqa: S608  names of its own tables
        while rows := cursor.fetchmany(_ROWS_OF_A_STATEMENT):
            values = ",\n".join(connection.literal(row) for row in rows)
            yield f"INSERT INTO `{table}` ({names}) VALUES\n{values}"


def _ask(connection: Connection, statement: str, *values: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())
