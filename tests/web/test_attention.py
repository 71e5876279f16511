"""What the fleet page calls attention to of leaks and limits, in which order, and what it leaves out."""

import re

import pytest
from sqlalchemy import update

from server.access.principals import Role
from server.analysis.instants import DAY, HOUR
from server.store.tables import host_state
from tests.conftest import Clock
from tests.serving import Served
from tests.store.leaking import NOW, a_leak, add_host, add_leaks

from .client import Client
from .test_pages import HTML, signed_in, text


@pytest.fixture
def alice(served: Served, clock: Clock) -> Client:
    clock.now_us = NOW
    with served.database.write() as connection:
        for number in range(1, 6):
            add_host(connection, number, f"h{number}")
        add_leaks(
            connection,
            a_leak(1, 1, object="CLOSE_WAIT", rate_per_hour=500.0),
            a_leak(2, 1, exhausted_us=NOW + 3 * HOUR, triage="acknowledged", assignee="ann"),
            a_leak(3, 1, phase="at_limit", limit=1_000),
            a_leak(4, 1, triage="muted", muted_until_us=NOW + DAY, exhausted_us=NOW + HOUR, rate_per_hour=9_000.0),
        )
        near = [{"program": "postgres", "handles": 921, "limit": 1_024}]
        known = host_state.c.host_id
        connection.execute(update(host_state).values(shown_us=NOW))
        connection.execute(update(host_state).where(known == 5).values(near_limit=near))
        java = [{"program": "java", "handles": 990, "limit": 1_000}]
        connection.execute(update(host_state).where(known == 3).values(near_limit=java))
    return signed_in(served, "Alice", Role.OPERATOR)


def rows(client: Client) -> dict[str, str]:
    """The rows by host, in order."""
    html = client.get("/", headers=HTML).text
    table = html[html.index("Needs attention") : html.index('id="hosts"')]
    found = re.findall(r"<tr id=.*?</tr>", table, re.DOTALL)
    return {text(row).split()[0]: row for row in found}


def test_what_is_full_comes_first_then_what_soon_is_then_the_fastest(alice: Client) -> None:
    assert list(rows(alice)) == ["h3", "h2", "h1", "h5"]


def test_a_leak_is_named_with_its_kind_and_linked(alice: Client) -> None:
    row = rows(alice)["h1"]
    assert "java socket CLOSE_WAIT" in text(row)
    assert 'href="/leaks/1-1"' in row


def test_it_says_how_long_is_left_and_who_sees_to_it(alice: Client) -> None:
    said = text(rows(alice)["h2"])
    assert "full in 3 h" in said
    assert "acknowledged: ann" in said
    assert "at its limit" in text(rows(alice)["h3"])


def test_a_program_near_its_limit_is_said_once(alice: Client) -> None:
    assert "921 of 1,024 handles" in text(rows(alice)["h5"])
    assert "near its limit" not in text(rows(alice)["h3"])


def test_the_next_limit_is_that_of_what_nobody_muted(alice: Client) -> None:
    assert "the next limit in 3 h" in text(alice.get("/", headers=HTML).text)


def test_a_host_leads_to_its_leaks(alice: Client) -> None:
    assert '<a class="badge level-leaking" href="/leaks?host=h1">1 leak</a>' in alice.get("/", headers=HTML).text


def test_what_finds_no_room_is_counted(served: Served, alice: Client) -> None:
    with served.database.write() as connection:
        add_leaks(connection, *[a_leak(1, number, program=f"p{number}") for number in range(2, 42)])
    html = alice.get("/", headers=HTML).text
    # 43 leaks that nobody muted and one program near its limit, of which twelve are shown
    assert '<a href="/leaks">32 more</a>' in html
