"""The files of a SQLite database: they hold hashes of passwords and tokens, so they are for their owner alone."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

from server.cli import app
from server.store import schema
from server.store.database import Database


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def opened(path: Path) -> Database:
    database = Database(f"sqlite:///{path}")
    schema.upgrade(database)
    return database


def test_a_new_database_is_its_owners_alone_and_so_is_what_lies_beside_it(tmp_path: Path) -> None:
    database = opened(tmp_path / "new.db")
    found = {path.name: mode(path) for path in tmp_path.iterdir()}
    database.close()
    assert found == dict.fromkeys(("new.db", "new.db-wal", "new.db-shm"), 0o600)


@pytest.mark.parametrize(("was", "becomes"), [(0o644, 0o600), (0o666, 0o600), (0o640, 0o640)])
def test_one_that_all_may_read_is_closed_and_one_given_to_a_group_is_not(
    tmp_path: Path, was: int, becomes: int
) -> None:
    (tmp_path / "old.db").touch()
    (tmp_path / "old.db").chmod(was)
    opened(tmp_path / "old.db").close()
    assert mode(tmp_path / "old.db") == becomes


def test_a_data_directory_that_we_make_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there").chmod(0o755)
    for name in ("there", "new"):
        monkeypatch.setenv("HANDLEWATCH_DATA_DIR", str(tmp_path / name))
        monkeypatch.delenv("HANDLEWATCH_DATABASE_URL", raising=False)
        assert CliRunner().invoke(app, ["db", "upgrade"]).exit_code == 0
    assert (mode(tmp_path / "there"), mode(tmp_path / "new")) == (0o755, 0o700)
    assert mode(tmp_path / "there" / "handlewatch.db") == 0o600


def test_a_backup_and_what_is_restored_from_it_are_private_too(tmp_path: Path) -> None:
    database = opened(tmp_path / "live.db")
    schema.backup(database, tmp_path / "copy.db")
    database.close()
    (tmp_path / "live.db").chmod(0o644)
    schema.restore(database, tmp_path / "copy.db")
    assert {path.name: mode(path) for path in tmp_path.glob("*.db*")} == dict.fromkeys(
        ("live.db", "live.db.before", "copy.db"), 0o600
    )


def test_a_database_that_cannot_be_made_is_still_said_by_sqlite(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'missing' / 'x.db'}")
    with pytest.raises(OperationalError, match="unable to open database file"):
        schema.upgrade(database)
    database.close()
