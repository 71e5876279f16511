"""`handlewatch db distribute`: what it asks of Citus, in which order, and where it says that it can't."""

import re
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from server.cli import app
from server.store import distributing, schema
from server.store.database import Database
from server.store.schema import SchemaError
from server.store.tables import PER_HOST, metadata
from tests.conftest import NewDatabase
from tests.pushing import body, push, snapshot
from tests.scale.citus import write_extension
from tests.serving import serving

postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture(scope="module")
def citus_available(postgresql_server: str) -> Iterator[None]:
    with (
        tempfile.TemporaryDirectory(prefix="handlewatch-citus-") as place,
        psycopg.connect(postgresql_server, autocommit=True) as connection,
    ):
        Path(place).chmod(0o755)
        write_extension(Path(place))
        connection.execute(f"ALTER SYSTEM SET extension_control_path = '$system:{place}'".encode())
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            connection.execute("ALTER SYSTEM RESET extension_control_path")
            connection.execute("SELECT pg_reload_conf()")


@pytest.fixture
def cluster(citus_available: None, new_database: NewDatabase, tmp_path: Path) -> Iterator[Database]:
    """A database with the stand-in, and a node that may hold shards."""
    with new_database("postgresql", tmp_path) as url:
        database = Database(url)
        try:
            run(database, "CREATE EXTENSION citus")
            run(database, "INSERT INTO pg_dist_node VALUES ('worker-1', true, true)")
            database.close()  # connections learn of the extension when they are made
            yield database
            run(database, "DROP EXTENSION citus")
        finally:
            database.close()


def run(database: Database, statement: str) -> None:
    with database.write() as connection:
        connection.exec_driver_sql(statement)


def address(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


def refusal(database: Database) -> str:
    with pytest.raises(SchemaError) as told:
        list(distributing.distribute(database))
    return str(told.value)


def spread(database: Database) -> dict[str, tuple[str, str | None, int]]:
    with database.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT logicalrelid::text, partmethod, partkey, colocationid FROM pg_dist_partition"
        )
        return {row[0]: (row[1], row[2], row[3]) for row in rows}


def test_everything_of_a_host_is_together_and_the_rest_on_each_node(cluster: Database) -> None:
    steps = list(distributing.distribute(cluster))
    by_host = {table.name for table in PER_HOST}
    assert {step.table for step in steps} == set(metadata.tables)
    assert all(step.state != "before" for step in steps)
    assert spread(cluster) == {
        name: ("h", "host_id", 1) if name in by_host else ("n", None, 2) for name in metadata.tables
    }


def test_what_lay_there_before_is_dropped_from_beside_its_shards(cluster: Database) -> None:
    push(cluster, body(snapshot(0)))
    list(distributing.distribute(cluster))
    with cluster.read() as connection:
        said = set(connection.exec_driver_sql("SELECT said FROM told").scalars())
    assert said >= {"truncated hosts", "truncated host_state", "truncated snapshots"}


def test_done_twice_it_changes_nothing(cluster: Database) -> None:
    list(distributing.distribute(cluster))
    before = spread(cluster)
    assert {step.state for step in distributing.distribute(cluster)} == {"before"}
    assert spread(cluster) == before


def test_what_was_broken_off_goes_on_and_no_server_starts_before(cluster: Database, tmp_path: Path) -> None:
    done = (step for step in distributing.distribute(cluster) if step.state == "done")
    assert len(list(islice(done, 8))) == 8
    del done
    with cluster.read() as connection:
        missing = distributing.undistributed(connection)
    assert len(missing) == len(metadata.tables) - 8
    checked = CliRunner().invoke(app, ["db", "check"], env={"HANDLEWATCH_DATABASE_URL": address(cluster)})
    assert (checked.exit_code, "distributed in part" in checked.output) == (1, True)
    with pytest.raises(SchemaError, match="distributed in part"), serving(address(cluster), tmp_path):
        pass
    assert [step.table for step in distributing.distribute(cluster) if step.state == "done"] == missing


def test_an_upgrade_distributes_what_is_new(cluster: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    list(distributing.distribute(cluster))
    run(cluster, "DELETE FROM pg_dist_partition WHERE logicalrelid = 'digests'::regclass")
    monkeypatch.setenv("HANDLEWATCH_DATABASE_URL", address(cluster))
    done = CliRunner().invoke(app, ["db", "upgrade"])
    assert done.exit_code == 0
    assert spread(cluster)["digests"] == ("h", "host_id", 1)


def test_an_upgrade_leaves_alone_what_was_never_distributed(cluster: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDLEWATCH_DATABASE_URL", address(cluster))
    assert CliRunner().invoke(app, ["db", "upgrade"]).exit_code == 0
    assert spread(cluster) == {}


def test_the_command_says_what_became_of_each_table(cluster: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    push(cluster, body(snapshot(0)))
    monkeypatch.setenv("HANDLEWATCH_DATABASE_URL", address(cluster))
    first, again = (CliRunner().invoke(app, ["db", "distribute"]) for _ in range(2))
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "hosts: on each node\n" in first.output
    assert re.search(r"snapshots: copying \d+\.\d MB …\nsnapshots: by host\n", first.output)
    assert "snapshots: by host, as before\n" in again.output


def test_a_table_that_somebody_distributed_otherwise_is_refused(cluster: Database) -> None:
    run(cluster, "INSERT INTO pg_dist_partition VALUES ('events', 'h', 'time_us', 1, 's')")
    assert "events is distributed by time_us, and should be by host_id" in refusal(cluster)


def test_a_cluster_without_workers_is_refused(cluster: Database) -> None:
    run(cluster, "DELETE FROM pg_dist_node")
    assert "citus_add_node" in refusal(cluster)
    assert spread(cluster) == {}


@postgresql
def test_postgresql_without_the_extension_is_refused(database: Database, citus_available: None) -> None:
    assert "CREATE EXTENSION citus" in refusal(database)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sqlite_is_refused(database: Database) -> None:
    assert "SQLite is one file on one machine" in refusal(database)


def test_a_schema_that_is_not_current_is_refused(cluster: Database) -> None:
    run(cluster, "UPDATE alembic_version SET version_num = '0001'")
    assert "db upgrade" in refusal(cluster)
    run(cluster, f"UPDATE alembic_version SET version_num = '{schema.newest_revision()}'")
