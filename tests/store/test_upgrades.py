"""Databases of earlier versions, with rows in them, come to today's schema and keep what they hold."""

from collections.abc import Mapping
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from server.analysis.instants import DAY, HOUR
from server.assets import migrations_dir
from server.store import schema
from server.store.database import Database
from server.store.leaks import find_leak
from tests.store.leaking import NOW

STATE = {
    "os_family": "linux",
    "labels": '{"role": "web"}',
    "collector": "{}",
    "shown_us": NOW,
    "skew_s": 0,
    "leaks": 3,
    "sparkline": "[]",
    "advice": "[]",
    "pushed_seq": 5,
    "judged_seq": 5,
    "recent_us": NOW - HOUR,
    "sealed_us": 0,
    "claimed_until_us": 0,
}


def brought_to(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_dir()))
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
        connection.commit()


def added(database: Database, table: str, row: Mapping[str, Any]) -> None:
    columns = ", ".join(f'"{name}"' for name in row)
    values = ", ".join(f":{name}" for name in row)
    with database.write() as connection:
        connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), dict(row))


def one(database: Database, query: str) -> Any:
    with database.read() as connection:
        return connection.execute(text(query)).one()


def with_a_host(database: Database) -> None:
    added(database, "hosts", {"host_id": 1, "name": "Web-01", "name_key": "web-01", "created_us": NOW})
    added(database, "host_state", {"host_id": 1, **STATE})
    added(database, "host_labels", {"host_id": 1, "position": 0, "key": "role", "value": "x" * 1_024})


def test_a_database_before_leaks_is_judged_anew(database: Database) -> None:
    brought_to(database, "0003")
    with_a_host(database)
    block = {"start_us": NOW - DAY, "end_us": NOW, "shown_from_us": NOW - DAY, "shown_to_us": NOW, "step_s": 0}
    added(database, "blocks", {"host_id": 1, **block, "snapshots": 1, "times": b"", "body": b""})
    old = {"program": "java", "handles": 9, "rate_per_hour": 1.0, "since_us": NOW, "last_seen_us": NOW}
    added(database, "leaks", {"host_id": 1, "position": 0, **old})
    schema.upgrade(database)
    assert schema.check(database) == []
    state = one(database, "SELECT leaks, pushed_seq, judged_seq, dirty_us, near_limit FROM host_state")
    assert tuple(state)[:4] == (0, 6, 5, NOW - DAY)
    assert one(database, "SELECT count(*) FROM leaks")[0] == 0


@pytest.mark.parametrize("times", [1, 2])
def test_a_leak_keeps_its_evidence_there_and_back(database: Database, times: int) -> None:
    brought_to(database, "0004")
    with_a_host(database)
    moments = ("started_us", "started_from_us", "started_to_us", "detected_us", "last_seen_us")
    words = {"program": "Java", "program_key": "java", "state": "leaking", "phase": "growing", "triage": "muted"}
    long = {"evidence": '{"kind": "days", "pieces": [[0, 1, 2]]}', "track": '{"program": "java", "why": "gone"}'}
    rates = {"rate_per_hour": 2.5, "rate_low": 2.0, "rate_high": 3.0}
    leak = {"host_id": 1, "leak_no": 7, "standing": True, **words, **long, **rates, **dict.fromkeys(moments, NOW)}
    added(database, "leaks", leak)
    for _ in range(times):
        schema.upgrade(database)
        if times > 1:
            brought_to(database, "0004")
    schema.upgrade(database)
    assert schema.check(database) == []
    with database.read() as connection:
        row = find_leak(connection, 1, 7, now_us=NOW)
    assert row.evidence == {"kind": "days", "pieces": [[0, 1, 2]]}
    assert row.track == {"program": "java", "why": "gone"}
    assert (row.rate_high, row.triage_now, row.quieted) == (3.0, "muted", False)
