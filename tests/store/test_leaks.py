"""Lists of leaks: what they are narrowed to, and in which order."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from server.analysis.instants import DAY, HOUR
from server.problems import Problem
from server.store.database import Database
from server.store.leak_groups import leak_groups
from server.store.leaks import LEAK_SORTS, LeakFilter, LeakPage, leak_id, list_leaks
from tests.store.leaking import NOW, a_leak, add_host, add_leaks, add_match

ROWS = [
    a_leak(1, 1),
    a_leak(1, 2, program="Nginx", type=None, handles=None, exhausted_us=NOW + DAY, detected_us=NOW - HOUR),
    a_leak(2, 1, program="Java", state="resolved", resolved_us=NOW - 2 * HOUR, rate_per_hour=3.0),
    a_leak(
        2, 4, program="svc%_\\", type="Event", object="\\x-#", triage="acknowledged", assignee="Ann", phase="at_limit"
    ),
    a_leak(2, 5, standing=False),
    a_leak(3, 1, rate_per_hour=99.5, exhausted_us=NOW + HOUR, triage="muted", muted_rate=50.0),
    a_leak(3, 2, program="b", triage="muted", muted_until_us=NOW + 1),
    a_leak(3, 3, program="c", triage="muted", muted_until_us=NOW),
]


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        add_host(connection, 1, "Web-01", labels={"site": "seoul", "zone": "a"})
        add_host(connection, 2, "nt-café", family="windows", labels={"site": "seoul"})
        add_host(connection, 3, "web-03")
        add_leaks(connection, *ROWS)
        add_match(connection, 1, "one", "present", "other", "JAVA")
        add_match(connection, 2, "one", "cleared", "java", "svc%_\\")
        add_match(connection, 3, "one", "exposed", "java")
        add_match(connection, 3, "two", "leaking", "java")
        yield connection


def listed(connection: Connection, sort: str = "host", limit: int = 500, **wanted: Any) -> LeakPage:
    return list_leaks(connection, LeakFilter(**wanted), sort=sort, limit=limit, cursor=None, now_us=NOW)


def ids(connection: Connection, sort: str = "host", **wanted: Any) -> list[str]:
    page = listed(connection, sort, **wanted)
    assert page.total == len(page.rows)
    return [leak_id(row) for row in page.rows]


OPEN = ["1-1", "1-2", "2-4", "3-1", "3-2", "3-3"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, OPEN),
        ({"status": "resolved"}, ["2-1"]),
        ({"status": "all"}, ["2-1", *OPEN]),
        ({"host_id": 1}, ["1-1", "1-2"]),
        ({"search": "JAV"}, ["3-1", "1-1"]),
        ({"search": "WEB-0"}, ["3-2", "3-3", "3-1", "1-1", "1-2"]),
        ({"search": "CAFÉ"}, ["2-4"]),
        ({"search": "%_\\"}, ["2-4"]),
        ({"search": "X-#"}, ["2-4"]),
        ({"search": "'"}, []),
        ({"program": "nginx"}, []),
        ({"program": "Nginx"}, ["1-2"]),
        ({"program": "JAVA", "status": "all"}, ["2-1"]),
        ({"type": ""}, ["1-2"]),
        ({"type": "Event"}, ["2-4"]),
        ({"object": "\\x-#"}, ["2-4"]),
        ({"object": "", "type": "socket", "host_id": 1}, ["1-1"]),
        ({"signature": "one"}, ["1-1"]),
        ({"signature": "one", "status": "all"}, ["2-1", "1-1"]),
        ({"signature": "two"}, ["3-1"]),
        ({"triage": "new"}, ["3-3", "3-1", "1-1", "1-2"]),
        ({"triage": "muted"}, ["3-2"]),
        ({"triage": "acknowledged"}, ["2-4"]),
        ({"assignee": "Ann"}, ["2-4"]),
        ({"assignee": "", "host_id": 2}, []),
        ({"phase": "at_limit"}, ["2-4"]),
        ({"labels": [("site", "seoul")]}, ["2-4", "1-1", "1-2"]),
        ({"labels": [("site", "seoul"), ("zone", "a")]}, ["1-1", "1-2"]),
        ({"group": ("java", "socket", None)}, ["3-1", "1-1"]),
        ({"group": ("java", None, None)}, []),
    ],
)
def test_a_list_is_narrowed(connection: Connection, wanted: dict[str, Any], expected: list[str]) -> None:
    assert sorted(ids(connection, **wanted)) == sorted(expected)


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("-detected", "1-2", "3-3"),
        ("left", "2-4", "3-3"),
        ("-left", "1-2", "3-3"),
        ("-rate", "3-1", "3-3"),
        ("handles", "1-2", "3-3"),
        ("program", "3-2", "2-4"),
    ],
)
def test_an_order(connection: Connection, sort: str, first: str, last: str) -> None:
    found = ids(connection, sort)
    assert (found[0], found[-1]) == (first, last)


@pytest.mark.parametrize("sort", [sign + sort for sort in LEAK_SORTS for sign in ("", "-")])
def test_pages_add_up_to_the_list(connection: Connection, sort: str) -> None:
    found: list[str] = []
    cursor = None
    for _ in range(10):
        page = list_leaks(connection, LeakFilter(status="all"), sort=sort, limit=2, cursor=cursor, now_us=NOW)
        found += [leak_id(row) for row in page.rows]
        cursor = page.next
        if cursor is None:
            break
    assert found == ids(connection, sort, status="all")
    assert len(set(found)) == 7


def test_a_cursor_of_another_order_is_refused(connection: Connection) -> None:
    cursor = listed(connection, "rate", limit=1).next
    with pytest.raises(Problem):
        list_leaks(connection, LeakFilter(), sort="-rate", limit=1, cursor=cursor, now_us=NOW)


def test_muting_ends_when_its_time_is_up_or_the_leak_is_faster(connection: Connection) -> None:
    triage = {leak_id(row): row.triage_now for row in listed(connection).rows}
    assert (triage["3-1"], triage["3-2"], triage["3-3"]) == ("new", "muted", "new")


def test_signatures_are_those_of_the_same_program(connection: Connection) -> None:
    page = listed(connection, status="all")
    assert page.signatures == {(1, 1): [("one", "present")], (2, 1): [("one", "cleared")], (3, 1): [("two", "leaking")]}


def test_a_signature_names_leaks_of_its_own_type(connection: Connection) -> None:
    add_leaks(
        connection, *[a_leak(3, 20 + i, program="JAVA", type=kind) for i, kind in enumerate((None, "Socket", "file"))]
    )
    types = {"two": "socket", "one": "event"}
    page = listed(connection, status="all", types=types)
    assert page.signatures == {one: [("two", "leaking")] for one in ((3, 1), (3, 20), (3, 21))}
    assert sorted(ids(connection, signature="two", types=types)) == ["3-1", "3-20", "3-21"]
    groups = leak_groups(connection, LeakFilter(types=types), limit=500, cursor=None, now_us=NOW)
    assert set(groups.signatures) == {("java", None, None), ("java", "Socket", None), ("java", "socket", None)}


def test_groups(connection: Connection) -> None:
    page = leak_groups(connection, LeakFilter(status="all"), limit=500, cursor=None, now_us=NOW)
    assert page.total == len(page.rows) == 5
    java = page.rows[0]
    assert (java.program_key, java.type, java.object) == ("java", "socket", None)
    assert (java.hosts, java.leaks, java.open, java.resolved, java.new, java.muted) == (3, 3, 2, 1, 3, 0)
    assert (java.handles, java.lost, java.rate_per_hour) == (2_000.0, 480.0 + 1_000.0, 109.5)
    assert (java.first_seen_us, java.exhausted_us) == (NOW - 49 * HOUR, NOW + HOUR)
    assert page.signatures == {("java", "socket", None): [("one", "present"), ("two", "leaking")]}


def test_a_leak_of_a_program_with_the_longest_name_is_kept(database: Database) -> None:
    longest = "".join(chr(0x4E00 + 37 * at % 20_000) for at in range(2_050))
    with database.write() as connection:
        add_host(connection, 1, "web-01")
        add_leaks(connection, a_leak(1, 1, program=longest))
    with database.read() as connection:
        found = list_leaks(connection, LeakFilter(program=longest), limit=9, cursor=None, now_us=NOW)
    assert [row.program for row in found.rows] == [longest]
