"""The schema's life: upgrade, check, backup and restore."""

from pathlib import Path

import pytest
from sqlalchemy import insert, select

from server.store import schema, tables
from server.store.database import Database


def add_host(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(insert(tables.hosts).values(name=name, name_key=name, created_us=0))


def names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(select(tables.hosts.c.name).order_by(tables.hosts.c.name)))


def test_a_migrated_database_has_nothing_to_complain_of(database: Database) -> None:
    assert schema.check(database) == []


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    add_host(database, "a")
    schema.upgrade(database)
    assert names(database) == ["a"]


def test_an_empty_database_is_told_to_upgrade(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    assert "db upgrade" in schema.check(database)[0]
    database.close()


def test_a_column_that_is_missing_is_found(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE tokens DROP COLUMN created_by")
    assert any("created_by" in complaint for complaint in schema.check(database))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_backup_of_a_live_database_restores(database: Database, tmp_path: Path) -> None:
    add_host(database, "kept")
    schema.backup(database, tmp_path / "copy.db")
    add_host(database, "later")
    database.close()
    schema.restore(database, tmp_path / "copy.db")
    assert names(database) == ["kept"]
    assert (tmp_path / "handlewatch.db.before").exists()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_in_use_is_not_replaced(database: Database, tmp_path: Path) -> None:
    schema.backup(database, tmp_path / "copy.db")
    add_host(database, "open")
    with database.read() as connection:
        connection.execute(select(tables.hosts)).all()
        with pytest.raises(schema.SchemaError, match="stop the server"):
            schema.restore(database, tmp_path / "copy.db")
    assert names(database) == ["open"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_backup_never_overwrites(database: Database, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(schema.SchemaError, match="exists already"):
        schema.backup(database, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_rubbish_is_not_restored(database: Database, tmp_path: Path) -> None:
    add_host(database, "kept")
    (tmp_path / "rubbish").write_bytes(b"x" * 5000)
    with pytest.raises(schema.SchemaError, match="not a backup"):
        schema.restore(database, tmp_path / "rubbish")
    assert names(database) == ["kept"]
