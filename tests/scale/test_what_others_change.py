"""Two server processes on one database: what one changes holds on the other, whatever that remembers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from server.access.authentication import CACHE_LIFE
from server.access.principals import Role, Scope
from server.analysis.instants import DAY
from server.store import accounts, judgements
from server.store.database import Database
from server.store.tables import host_state, hosts
from tests.access.people import token
from tests.conftest import Clock
from tests.pushing import START_US, Wire, body, host_row, lines, process, push, snapshot
from tests.serving import Served, serving
from tests.web.client import Client
from tests.web.test_pages import HTML, signed_in

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

Two = tuple[Served, Served]


@pytest.fixture
def two(database_url: str, tmp_path: Path, clock: Clock) -> Iterator[Two]:
    clock.now_us = START_US + DAY
    with serving(database_url, tmp_path / "a") as first, serving(database_url, tmp_path / "b") as second:
        yield first, second


def reading(minute: int, **more: object) -> Wire:
    return body(snapshot(minute, process(handles=minute + 1)), **more)  # type: ignore[arg-type]


def accepted(served: Served, sent: Wire) -> int:
    answer = served.relay.push(sent)
    assert answer.status_code == 200, answer.text
    count: int = answer.json()["accepted"]
    return count


def test_a_host_that_one_forgot_comes_back_on_the_other_as_a_new_one(two: Two) -> None:
    first, second = two
    assert [accepted(second, reading(minute)) for minute in range(3)] == [1, 1, 1]
    before = host_row(second.database).host_id
    assert first.admin.request("DELETE", "/api/v1/hosts/web-01").status_code == 204
    assert [accepted(second, reading(minute)) for minute in (3, 0)] == [1, 1]
    assert host_row(second.database).host_id > before
    assert len(lines(second.database)[()]) == 2
    with second.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(host_state)) == 1
        assert connection.scalar(select(func.count()).select_from(hosts)) == 1


def test_pushes_of_one_host_by_turns_to_both_are_all_there_and_the_newest_facts_hold(two: Two) -> None:
    for minute in range(12):
        system = {"family": "linux", "version": str(minute // 3)}
        assert accepted(two[minute % 2], reading(minute, os=system)) == 1
        assert accepted(two[(minute + 1) % 2], reading(minute, os=system)) == 0
    row = host_row(two[0].database)
    assert (row.os_version, row.handles, row.pushed_seq) == ("3", 12, 12)
    assert len(lines(two[0].database)[()]) == 12


def test_a_token_that_one_revoked_is_refused_by_the_other_within_seconds(two: Two, clock: Clock) -> None:
    first, second = two
    secret = token(first.database, Scope.RELAY, name="short")
    assert second.program(secret).push(reading(0)).status_code == 200
    with first.database.write() as connection:
        (row,) = accounts.tokens_named(connection, "short")
        accounts.revoke_token(connection, row.token_id, clock.now_us)
    clock.now_us += CACHE_LIFE
    assert second.program(secret).push(reading(1)).status_code == 401


def test_a_session_holds_on_both_until_one_ends_it(two: Two) -> None:
    first, second = two
    alice = signed_in(first, "Alice", Role.OPERATOR)
    elsewhere = Client(second.app)
    elsewhere.cookies = alice.cookies
    assert elsewhere.get("/", headers=HTML).status_code == 200
    page = alice.get("/leaks", headers=HTML).text
    csrf = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    assert alice.post("/logout", data={"csrf_token": csrf}, headers=HTML).status_code == 303
    assert elsewhere.get("/", headers=HTML).status_code == 303


def test_what_one_makes_quiet_the_other_judges_as_quiet(two: Two) -> None:
    first, second = two
    sent = {"program": "java", "level": "quiet"}
    made = first.admin.post("/api/v1/sensitivities", json=sent)
    assert made.status_code == 201
    listed = second.reader.get("/api/v1/sensitivities").json()["items"]
    assert [(one["program"], one["level"]) for one in listed] == [("java", "quiet")]


def test_of_two_that_judge_a_host_at_once_one_records(database: Database) -> None:
    push(database, reading(0))
    row = host_row(database)
    for recorded in (True, False):
        with database.write() as connection:
            assert judgements.still_to_judge(connection, row.host_id, row.judged_seq) is recorded
            connection.execute(host_state.update().values(judged_seq=row.pushed_seq))
