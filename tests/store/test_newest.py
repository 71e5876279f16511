"""The short way of a host's next snapshot: the same as the long way, and nothing where it isn't the usual push."""

import json
from typing import Any

import pytest
from sqlalchemy import select, update

from server.ingest.prepare import prepare
from server.ingest.wire import decode_push
from server.store.database import Database
from server.store.newest import Expected, facts_key, take_newest
from server.store.pushes import NewPush, take
from server.store.tables import host_state, snapshots
from tests.pushing import START_US, body, process, snapshot

MINUTE_US = 60_000_000


def ready(minute: float, *, host: str = "web-01", **more: Any) -> NewPush:
    sent = body(snapshot(minute, process(handles=10 + round(minute))), host=host, **more)
    return prepare(decode_push(json.dumps(sent).encode()), START_US + round(minute * MINUTE_US))


def begin(database: Database, host: str = "web-01") -> Expected:
    """A host with one snapshot, taken the long way."""
    first = ready(0, host=host)
    with database.write() as connection:
        taken = take(connection, first, {})
    assert taken.info_us is not None
    return Expected(taken.host_id, facts_key(first.facts), taken.info_us, taken.held_skew_s)


def take_short(database: Database, push: NewPush, expected: Expected) -> Any:
    with database.write() as connection:
        return take_newest(connection, [(push, expected)])[0]


def stored(database: Database, host_id: int) -> tuple[dict[str, Any], list[Any]]:
    with database.read() as connection:
        state = connection.execute(select(host_state).where(host_state.c.host_id == host_id)).mappings().one()
        rows = connection.execute(
            select(snapshots.c.time_us, snapshots.c.shown_us, snapshots.c.skew_s, snapshots.c.body)
            .where(snapshots.c.host_id == host_id)
            .order_by(snapshots.c.time_us)
        ).all()
    return {name: value for name, value in state.items() if name != "host_id"}, [tuple(row) for row in rows]


def test_the_short_way_leaves_what_the_long_way_leaves(database: Database) -> None:
    short, long = begin(database), begin(database, "web-02")
    for minute in (1, 2):
        told: dict[str, Any] = {"collector": {"version": "1", "cost": {"cpu_ms": minute}}}
        done = take_short(database, ready(minute, **told), short)
        assert done is not None
        taken, short = done
        with database.write() as connection:
            other = take(connection, ready(minute, host="web-02", **told), {})
        assert (taken.accepted, taken.duplicates, taken.skew_s, list(taken.advice)) == (1, 0, 0.0, list(other.advice))
    assert stored(database, short.host_id) == stored(database, long.host_id)


@pytest.mark.parametrize(
    ("minute", "more"),
    [
        (0, {}),  # there already
        (-5, {}),  # late
        (1, {"about": {"labels": {"site": "oslo"}}}),
        (1, {"inventory": {"software": []}}),
        (1, {"sent_at": "2026-11-01T09:00:00Z"}),  # its clock was set
    ],
)
def test_any_other_push_is_left_to_the_long_way(database: Database, minute: float, more: dict[str, Any]) -> None:
    expected = begin(database)
    before = stored(database, expected.host_id)
    assert take_short(database, ready(minute, **more), expected) is None
    assert stored(database, expected.host_id) == before


@pytest.mark.parametrize(
    "changed",
    [{"info_us": START_US + 1}, {"skew_s": 90}, {"sealed_us": START_US + 10**9}, {"shown_us": START_US + 10**9}],
)
def test_nothing_is_stored_where_the_host_is_not_as_expected(database: Database, changed: dict[str, int]) -> None:
    expected = begin(database)
    with database.write() as connection:
        connection.execute(update(host_state).where(host_state.c.host_id == expected.host_id).values(changed))
    before = stored(database, expected.host_id)
    assert take_short(database, ready(1), expected) is None
    assert stored(database, expected.host_id) == before


def test_of_many_hosts_each_is_told_apart(database: Database) -> None:
    expected = [begin(database, f"web-{number}") for number in range(6)]
    pushes = [ready(0 if number % 2 else 1, host=f"web-{number}") for number in range(6)]
    with database.write() as connection:
        found = take_newest(connection, list(zip(pushes, expected, strict=True)))
    assert [one is not None for one in found] == [True, False] * 3


def test_a_host_that_was_forgotten_gets_no_rows(database: Database) -> None:
    expected = begin(database)
    with database.write() as connection:
        for table in (snapshots, host_state):
            connection.execute(table.delete())
    assert take_short(database, ready(1), expected) is None
    with database.read() as connection:
        assert connection.execute(select(snapshots)).all() == []
