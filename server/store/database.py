"""Connections and transactions on SQLite or PostgreSQL; knows no table."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite

_WRITES = "handlewatch_writes"
LONGEST_STATEMENT_S = 60  # on PostgreSQL


class Database:
    """One database. `read()` and `write()` each open one transaction; `write()` commits when its block ends well.

    SQLite has one writer at a time: in-process writers queue on a lock, others wait on SQLite's own for `busy_s`.
    A commit is durable before it returns (`synchronous=FULL` in WAL mode; PostgreSQL's default).
    """

    def __init__(self, url: str, *, busy_s: float = 30.0) -> None:
        self.url = make_url(url)
        if self.url.get_backend_name() == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.dialect = self.url.get_backend_name()
        self._writing: threading.Lock | nullcontext[None] = nullcontext()
        if self.dialect == "sqlite":
            self._writing = threading.Lock()
            self.engine = create_engine(self.url, connect_args={"timeout": busy_s}, json_serializer=_json)
            _prepare_sqlite(self.engine)
        else:
            self.engine = create_engine(
                self.url, pool_size=8, max_overflow=16, pool_pre_ping=True, json_serializer=_json
            )
            _prepare_postgresql(self.engine)

    @contextmanager
    def read(self, *, steady: bool = False) -> Iterator[Connection]:
        """`steady`: all that is read is as of one moment, which on SQLite it always is."""
        with self.engine.connect() as connection:
            if steady and self.dialect == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        engine = self.engine.execution_options(**{_WRITES: True})
        with self._writing, engine.begin() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()  # compact, and other scripts than Latin stay searchable


def keep_private(path: Path) -> None:
    """Make the file of a database, empty, for its owner alone, as it holds hashes of passwords and tokens. One that is
    there is closed to others if it is open to all; what was given to a group on purpose stays. SQLite gives its -wal
    and -shm the same mode. Where it can't be done, SQLite says why when it opens the file."""
    with suppress(OSError):
        if path.exists():
            # never opened here: closing a second descriptor of it would drop this process's locks on it
            if path.stat().st_mode & 0o007:
                path.chmod(0o600)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def upsert(connection: Connection, table: Table) -> Any:
    """An insert with `on_conflict_do_update`/`on_conflict_do_nothing`, whatever the database."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return insert(table)


_CITUS = "SELECT 1 FROM pg_extension WHERE extname = 'citus'"


def has_citus(connection: Connection) -> bool:
    """Whether the extension is in this database of PostgreSQL."""
    return connection.exec_driver_sql(_CITUS).first() is not None


def _prepare_postgresql(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        # a query whose asker has gone would run on, and could take the whole machine's memory with it
        connection.execute(f"SET statement_timeout = {LONGEST_STATEMENT_S * 1_000}")
        if connection.execute(_CITUS).fetchone() is not None:
            # shards are chosen by the values, which a plan for any values doesn't know
            connection.execute("SET plan_cache_mode = force_custom_plan")
            # one connection to each node: what a transaction has changed it then sees, whatever it reads next
            connection.execute("SET citus.multi_shard_modify_mode = 'sequential'")
        connection.commit()


def _prepare_sqlite(engine: Engine) -> None:
    name = engine.url.database
    path = Path(name) if name and name != ":memory:" and not name.startswith("file:") else None

    @event.listens_for(engine, "do_connect")
    def before_connect(*_: Any) -> None:
        if path is not None:
            keep_private(path)
            for one in (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")):
                if one.exists():
                    keep_private(one)

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not guessed by the driver
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-16000", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
