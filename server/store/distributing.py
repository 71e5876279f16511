"""Spreads the tables over a Citus cluster: what is kept per host by host, all of one host together, and the small
tables as a copy on each node. Knows Citus' own functions and catalogue; no other module does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from server.store.database import Database, has_citus
from server.store.schema import SchemaError, current_revision, newest_revision
from server.store.tables import PER_HOST, metadata

BY = "host_id"
FIRST = PER_HOST[0].name  # with which the others are co-located
_OLDEST = 12  # of Citus, by its first number

Kind = Literal["by host", "on each node"]
PLAN: Mapping[str, Kind] = {
    **{name: "on each node" for name in sorted(metadata.tables) if name not in {table.name for table in PER_HOST}},
    **{table.name: "by host" for table in PER_HOST},
}


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one table: it begins, with so many bytes to copy; it is done; or was done before."""

    table: str
    kind: Kind
    state: Literal["begins", "done", "before"]
    size: int = 0


def distribute(database: Database) -> Iterator[Step]:
    """Distribute, table by table, what is not distributed yet. Each table is a transaction of its own, so that what was
    broken off goes on where it stopped. Raises SchemaError where it can't be; no server may run meanwhile."""
    if database.dialect != "postgresql":
        raise SchemaError("this is for a Citus cluster: SQLite is one file on one machine, and can't be distributed")
    try:
        with database.read() as connection:
            _require_cluster(connection)
            _require_current(connection)
        for table, kind in PLAN.items():
            with database.read() as connection:
                size = 0 if table in _distributed(connection) else _size(connection, table)
            if size:
                yield Step(table, kind, "begins", size)
            with database.write() as connection:
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # rows are copied: as long as it takes
                done = _distribute(connection, table, kind)
            yield Step(table, kind, "done" if done else "before")
    except DBAPIError as error:
        raise SchemaError(f"Citus refuses: {str(error.orig).strip()}") from error


def undistributed(connection: Connection) -> list[str]:
    """The tables that are still to be distributed of a database that is; empty for one that isn't at all."""
    if connection.dialect.name != "postgresql" or not has_citus(connection):
        return []
    there = _distributed(connection)
    return [table for table in PLAN if table not in there] if there else []


def is_distributed(connection: Connection) -> bool:
    """Whether any table is."""
    return connection.dialect.name == "postgresql" and has_citus(connection) and bool(_distributed(connection))


def _require_cluster(connection: Connection) -> None:
    version = connection.scalar(text("SELECT extversion FROM pg_extension WHERE extname = 'citus'"))
    if version is None:
        available = connection.scalar(text("SELECT 1 FROM pg_available_extensions WHERE name = 'citus'"))
        todo = (
            "run `CREATE EXTENSION citus` in this database, on the coordinator and on each worker, as a superuser"
            if available
            else "this PostgreSQL has no Citus: install it and add it to shared_preload_libraries, or use its image"
        )
        raise SchemaError(f"the extension citus is not in this database: {todo}; see docs/scaling.md")
    if int(version.partition(".")[0].partition("-")[0]) < _OLDEST:
        raise SchemaError(f"this is Citus {version}; {_OLDEST} or newer is needed")
    nodes = connection.scalar(text("SELECT count(*) FROM pg_dist_node WHERE isactive AND shouldhaveshards"))
    if not nodes:
        raise SchemaError(
            "the cluster has no node that may hold shards: on the coordinator, run SELECT citus_set_coordinator_host("
            "'its name'), then SELECT citus_add_node('a worker', 5432) for each worker; see docs/scaling.md"
        )


def _require_current(connection: Connection) -> None:
    if current_revision(connection) != newest_revision():
        raise SchemaError("the database has not the schema of this version: run `handlewatch db upgrade` first")


def _distribute(connection: Connection, table: str, kind: Kind) -> bool:
    """Whether there was anything to do. What a table held before stays behind, unseen, beside its shards, until it is
    truncated; that is done later where it was broken off in between."""
    there = _distributed(connection)
    done = table not in there
    if not done:
        _require_as_planned(there, table, kind)
    elif kind == "on each node":
        connection.execute(text("SELECT create_reference_table(CAST(:name AS regclass))"), {"name": table})
    elif table == FIRST:
        _by_host(connection, table, "default")
    else:
        _by_host(connection, table, FIRST)
    if _size(connection, table):
        truncate = "SELECT truncate_local_data_after_distributing_table(CAST(:name AS regclass))"
        connection.execute(text(truncate), {"name": table})
    return done


def _size(connection: Connection, table: str) -> int:
    """Bytes that lie on the coordinator itself."""
    size = "SELECT pg_table_size(CAST(:name AS regclass))"
    rows = "SELECT pg_relation_size(CAST(:name AS regclass))"
    there = connection.scalar(text(rows), {"name": table})
    return (connection.scalar(text(size), {"name": table}) or 0) if there else 0


def _by_host(connection: Connection, table: str, beside: str) -> None:
    made = "SELECT create_distributed_table(CAST(:name AS regclass), :column, colocate_with => :beside)"
    connection.execute(text(made), {"name": table, "column": BY, "beside": beside})


@dataclass(frozen=True, slots=True)
class _Spread:
    """How Citus says that a table is spread. column: None for one that is the same on each node."""

    column: str | None
    colocation: int


def _distributed(connection: Connection) -> Mapping[str, _Spread]:
    """By name, the tables of ours that Citus has spread; local ones, as it calls them, are not."""
    rows = connection.execute(
        text(
            "SELECT relname, partmethod, colocationid,"
            " CASE WHEN partmethod = 'h' THEN column_to_column_name(logicalrelid, partkey) END AS by_column"
            " FROM pg_dist_partition JOIN pg_class ON pg_class.oid = logicalrelid"
            " WHERE (partmethod <> 'n' OR repmodel = 't') AND pg_table_is_visible(pg_class.oid)"
        )
    )
    return {row.relname: _Spread(row.by_column, row.colocationid) for row in rows if row.relname in PLAN}


def _require_as_planned(there: Mapping[str, _Spread], table: str, kind: Kind) -> None:
    spread, first = there[table], there.get(FIRST)
    wrong = ""
    if kind == "on each node" and spread.column is not None:
        wrong = f"by {spread.column}, and should be a reference table"
    elif kind == "by host" and spread.column != BY:
        wrong = f"by {spread.column or 'nothing'}, and should be by {BY}"
    elif kind == "by host" and first is not None and spread.colocation != first.colocation:
        wrong = f"apart from {FIRST}, and should be co-located with it"
    if wrong:
        raise SchemaError(
            f"{table} is distributed {wrong}; SELECT undistribute_table('{table}') takes that back, then run this again"
        )
