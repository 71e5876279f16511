"""What operators say of leaks in bulk on `/leaks`, as a plain form, and how they take it back."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from server.access.principals import Role
from server.analysis.instants import DAY, HOUR, MINUTE
from server.store.leaks import find_leak
from server.store.tables import leaks
from server.web.pages import triage
from tests.conftest import Clock
from tests.serving import Served
from tests.store.leaking import NOW, a_leak, add_host, add_leaks

from .client import Client
from .test_pages import HTML, signed_in, text


@pytest.fixture
def leaking(served: Served, clock: Clock) -> Served:
    clock.now_us = NOW
    with served.database.write() as connection:
        for number in (1, 2):
            add_host(connection, number, f"web-{number:02}")
        add_leaks(
            connection,
            a_leak(1, 1),
            a_leak(2, 1, rate_per_hour=20.0, rate_high=22.0),
            a_leak(2, 2, state="resolved", resolved_us=NOW - 2 * HOUR),
        )
    return served


@pytest.fixture
def alice(leaking: Served) -> Client:
    return signed_in(leaking, "Alice", Role.OPERATOR)


def token_of(client: Client) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/leaks", headers=HTML).text)
    assert found is not None
    return found[1]


def said_of(client: Client, action: str, ids: Sequence[str], **fields: str) -> str:
    """Presses a button of the bar; the path that the answer leads to."""
    data: dict[str, Any] = {"csrf_token": token_of(client), "action": action, "leak": list(ids), **fields}
    answer = client.post("/leaks/triage", data=data, headers=HTML)
    assert answer.status_code == 303
    return answer.headers["location"]


def undone(client: Client, path: str, clock: Clock) -> str:
    """Presses Undo on the page at a path; the page that follows."""
    at = re.search(r'name="at" value="(\d+)"', client.get(path, headers=HTML).text)
    assert at is not None
    clock.now_us += MINUTE
    answer = client.post("/leaks/undo", data={"csrf_token": token_of(client), "at": at[1], "back": path}, headers=HTML)
    assert answer.status_code == 303
    return text(client.get(answer.headers["location"], headers=HTML).text)


def leak(served: Served, host_id: int = 1, leak_no: int = 1) -> Any:
    with served.database.read() as connection:
        return find_leak(connection, host_id, leak_no, now_us=NOW)


def test_several_leaks_are_acknowledged_at_once(leaking: Served, alice: Client) -> None:
    page = alice.get(said_of(alice, "acknowledge", ["1-1", "2-1"]), headers=HTML).text
    assert "2 leaks acknowledged." in page
    assert [leak(leaking, host).triage for host in (1, 2)] == ["acknowledged", "acknowledged"]


@pytest.mark.parametrize(
    ("action", "fields", "expected", "words"),
    [
        ("mute-day", {}, {"triage": "muted", "muted_until_us": NOW + DAY}, "1 leak muted for 1 d."),
        ("mute-week", {}, {"triage": "muted", "muted_until_us": NOW + 7 * DAY}, "1 leak muted for 7 d."),
        ("mute-faster", {}, {"triage": "muted", "muted_rate": 12.5}, "1 leak muted until it grows faster."),
        ("assign", {"assignee": "bob"}, {"assignee": "bob"}, "1 leak assigned to bob."),
        ("assign-me", {}, {"assignee": "Alice"}, "1 leak assigned to Alice."),
        ("note", {"note": "a\r\nb"}, {"note": "a\nb"}, "Note saved on 1 leak."),
        ("resolve", {}, {"state": "resolved", "closed_by": "Alice"}, "1 leak resolved."),
    ],
)
def test_each_button_does_what_it_says_and_can_be_undone(
    leaking: Served,
    alice: Client,
    clock: Clock,
    action: str,
    fields: dict[str, str],
    expected: dict[str, Any],
    words: str,
) -> None:
    before = leak(leaking)
    path = said_of(alice, action, ["1-1"], **fields)
    after = leak(leaking)
    assert {name: getattr(after, name) for name in expected} == expected
    assert words in text(alice.get(path, headers=HTML).text)
    assert "1 leak is as before." in undone(alice, path, clock)
    assert leak(leaking)._asdict() == before._asdict()


def test_undo_brings_back_each_leak_as_it_was(leaking: Served, alice: Client, clock: Clock) -> None:
    said_of(alice, "mute-week", ["1-1"])
    clock.now_us += MINUTE
    said_of(alice, "assign", ["1-1", "2-1"], assignee="bob")
    clock.now_us += MINUTE
    path = said_of(alice, "acknowledge", ["1-1", "2-1"])
    assert "2 leaks are as before." in undone(alice, path, clock)
    one, other = leak(leaking), leak(leaking, 2)
    assert (one.triage, one.muted_until_us, one.assignee) == ("muted", NOW + 7 * DAY, "bob")
    assert (other.triage, other.assignee) == ("new", "bob")


def test_what_somebody_else_changed_since_is_left_alone(leaking: Served, alice: Client, clock: Clock) -> None:
    path = said_of(alice, "acknowledge", ["1-1", "2-1"])
    clock.now_us += MINUTE
    said_of(signed_in(leaking, "Charlie", Role.ADMIN), "note", ["2-1"], note="mine")
    assert "1 leak is as before. 1 leak stayed as it was." in undone(alice, path, clock)
    assert (leak(leaking).triage, leak(leaking, 2).triage, leak(leaking, 2).note) == ("new", "acknowledged", "mine")


def test_nobody_undoes_what_another_did(leaking: Served, alice: Client) -> None:
    path = said_of(alice, "acknowledge", ["1-1"])
    charlie = signed_in(leaking, "Charlie", Role.ADMIN)
    assert "Undo" not in text(charlie.get(path, headers=HTML).text)
    at = re.search(r"done=(\d+)", path)
    assert at is not None
    charlie.post("/leaks/undo", data={"csrf_token": token_of(charlie), "at": at[1]}, headers=HTML)
    assert leak(leaking).triage == "acknowledged"


def test_undo_is_offered_for_a_while_only(alice: Client, clock: Clock) -> None:
    path = said_of(alice, "acknowledge", ["1-1"])
    clock.now_us += 11 * MINUTE
    assert "acknowledged." not in text(alice.get(path, headers=HTML).text)


def test_a_leak_that_ended_by_itself_is_not_opened_and_the_others_are(
    leaking: Served, alice: Client, clock: Clock
) -> None:
    said_of(alice, "resolve", ["1-1"])
    clock.now_us += MINUTE
    said = text(alice.get(said_of(alice, "reopen", ["1-1", "2-2", "9-9"]), headers=HTML).text)
    assert "1 leak opened again. 2 leaks stayed as they were." in said
    assert leak(leaking).state == "leaking"


def test_the_page_comes_back_as_it_was(alice: Client) -> None:
    path = said_of(alice, "acknowledge", ["1-1"], back="/leaks?search=web&sort=-rate")
    assert path.startswith("/leaks?search=web&sort=-rate&done=")


@pytest.mark.parametrize("back", ["https://elsewhere.test/leaks", "//elsewhere.test/leaks", "/logout", "\\\\x", ""])
def test_the_form_leads_nowhere_else(alice: Client, back: str) -> None:
    assert said_of(alice, "acknowledge", ["1-1"], back=back).startswith("/leaks?done=")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"action": "acknowledge"}, "choose at least one"),
        ({"action": "acknowledge", "leak": "x"}, "is not the id of a leak"),
        ({"action": "explode", "leak": "1-1"}, "action"),
        ({"action": "note", "leak": "1-1", "note": "x" * 5_000}, "note"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(alice: Client, data: dict[str, str], words: str) -> None:
    answer = alice.post("/leaks/triage", data={"csrf_token": token_of(alice), **data}, headers=HTML)
    assert answer.status_code == 422
    assert words in text(answer.text)


def test_a_form_without_the_token_does_nothing(leaking: Served, alice: Client) -> None:
    for path in ("/leaks/triage", "/leaks/undo"):
        answer = alice.post(path, data={"action": "acknowledge", "leak": "1-1", "at": "1"}, headers=HTML)
        assert answer.status_code == 403
    assert leak(leaking).triage == "new"


def test_a_viewer_sees_no_controls_and_may_change_nothing(leaking: Served) -> None:
    bob = signed_in(leaking, "Bob", Role.VIEWER)
    page = bob.get("/leaks", headers=HTML).text
    assert 'data-leak="1-1"' in page
    assert 'type="checkbox"' not in page
    assert not {"Acknowledge", "Assign"} & set(re.findall(r"<button[^>]*>([^<]+)</button>", page))
    data = {"csrf_token": token_of(bob), "action": "acknowledge", "leak": "1-1"}
    assert bob.post("/leaks/triage", data=data, headers=HTML).status_code == 403
    assert leak(leaking).triage == "new"


def many(served: Served) -> None:
    """A hundred more leaks than those of the fixture, on a host of their own."""
    with served.database.write() as connection:
        add_host(connection, 3, "db-03")
        rows = [a_leak(3, number, program=f"p{number:03}") for number in range(1, 101)]
        add_leaks(connection, *rows, a_leak(3, 101, program="muted"))


def triages(served: Served) -> dict[str, int]:
    with served.database.read() as connection:
        return dict(Counter(connection.scalars(select(leaks.c.triage))))


def test_all_that_match_are_changed_at_once_and_undone(leaking: Served, alice: Client, clock: Clock) -> None:
    many(leaking)
    said_of(alice, "mute-week", ["3-101"])
    clock.now_us += MINUTE
    page = alice.get("/leaks?host=db-03", headers=HTML).text
    assert re.search(r'name="all"[^>]*> all 101 that match the filters</label>', page)
    path = said_of(alice, "acknowledge", [], all="1", back="/leaks?host=db-03")
    assert "101 leaks acknowledged." in text(alice.get(path, headers=HTML).text)
    assert triages(leaking) == {"acknowledged": 101, "new": 3}
    undone(alice, path, clock)
    assert triages(leaking) == {"new": 103, "muted": 1}
    assert leak(leaking, 3, 101).muted_until_us == NOW + 7 * DAY


def test_each_of_all_that_match_is_muted_by_its_own_rate(leaking: Served, alice: Client) -> None:
    said_of(alice, "mute-faster", [], all="1", back="/leaks")
    assert (leak(leaking).muted_rate, leak(leaking, 2, 1).muted_rate) == (12.5, 25.0)


def test_where_all_are_on_the_page_no_more_are_offered(alice: Client) -> None:
    assert 'name="all"' not in alice.get("/leaks", headers=HTML).text


def test_all_of_what_is_no_list_is_refused(leaking: Served, alice: Client) -> None:
    data = {"csrf_token": token_of(alice), "action": "resolve", "all": "1", "back": "/elsewhere"}
    assert alice.post("/leaks/triage", data=data, headers=HTML).status_code == 422
    assert leak(leaking).state == "leaking"


def test_no_more_than_a_bound_are_changed_in_order(
    leaking: Served, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triage, "MOST_MATCHING", 60)
    many(leaking)
    page = alice.get("/leaks?host=db-03&sort=program", headers=HTML).text
    assert "the first 60 of 101 that match the filters" in page
    said_of(alice, "acknowledge", [], all="1", back="/leaks?host=db-03&sort=program")
    with leaking.database.read() as connection:
        changed = connection.scalars(select(leaks.c.program).where(leaks.c.triage == "acknowledged")).all()
    assert sorted(changed) == ["muted", *[f"p{number:03}" for number in range(1, 60)]]
