"""The schema's life: migrations, checks, and copies of a SQLite database."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from server.assets import migrations_dir
from server.store.database import Database, keep_private
from server.store.tables import metadata


class SchemaError(Exception):
    """The database can't be used as it is; the text says what to do."""


def upgrade(database: Database) -> None:
    """Bring the schema to the newest revision, creating it in an empty database."""
    with database.engine.connect() as connection:
        if database.dialect == "postgresql":
            connection.exec_driver_sql("SET statement_timeout = 0")  # a migration takes as long as it takes
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def current_revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def is_current(connection: Connection) -> bool:
    return current_revision(connection) == newest_revision()


def check(database: Database) -> list[str]:
    """What is wrong with the database, in words; an empty list is good news."""
    with database.engine.connect() as connection:
        current, newest = current_revision(connection), newest_revision()
        if current != newest:
            return [
                f"the schema is at {current or 'nothing'}, this version needs {newest}: run `handlewatch db upgrade`"
            ]
        found = [f"the schema differs from its definition: {change}" for change in _differences(connection)]
        if database.dialect == "sqlite":
            rows = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
            found += [f"SQLite finds: {row}" for row in rows if row != "ok"]
    return found


def backup(database: Database, target: Path) -> None:
    """Copy a live SQLite database, consistent as of one moment; on PostgreSQL use its own tools."""
    source = _sqlite_path(database)
    if target.exists():
        raise SchemaError(f"{target} exists already; name a file that doesn't")
    partial = target.with_name(target.name + ".partial")
    try:
        _copy(source, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def restore(database: Database, source: Path) -> None:
    """Put a backup in the place of the database. The server must be stopped; what was there is kept as `….before`."""
    target = _sqlite_path(database)
    _require_backup(source)
    if target.exists():
        _require_unused(target)
        for suffix in ("", "-wal", "-shm"):
            old = target.with_name(target.name + suffix)
            if old.exists():
                keep_private(old)
                old.replace(target.with_name(f"{target.name}.before{suffix}"))
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    _copy(source, partial)
    partial.replace(target)


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    keep_private(target)
    origin, copy = sqlite3.connect(source), sqlite3.connect(target)
    try:
        origin.backup(copy)
    finally:
        copy.close()
        origin.close()


def _require_backup(source: Path) -> None:
    if not source.is_file():
        raise SchemaError(f"{source} is not there")
    connection = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    try:
        verdict = connection.execute("PRAGMA quick_check").fetchone()[0]
        connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise SchemaError(f"{source} is not a backup of Handlewatch: {error}") from error
    finally:
        connection.close()
    if verdict != "ok":
        raise SchemaError(f"{source} is damaged: {verdict}")


def _require_unused(target: Path) -> None:
    connection = sqlite3.connect(target, timeout=0)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")  # leaving WAL mode needs to be the only connection
    except sqlite3.OperationalError as error:
        raise SchemaError(f"{target} is in use; stop the server first") from error
    finally:
        connection.close()


def _sqlite_path(database: Database) -> Path:
    if database.dialect != "sqlite" or not database.url.database:
        raise SchemaError("this is for SQLite; PostgreSQL has pg_dump and pg_restore")
    return Path(database.url.database)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_dir()))
    return config


def _differences(connection: Connection) -> list[str]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return [str(change) for change in compare_metadata(context, metadata)]
