"""The page of one leak over real data: what it says, to whom, what becomes of what people do, and odd addresses."""

import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import unquote

import pytest
from sqlalchemy import delete, insert, select, update

from server.access.principals import Role
from server.access.sessions import make_sign_in_link
from server.analysis.instants import DAY, HOUR, MINUTE
from server.store.tables import events, leak_details, leaks
from server.web import guard
from tests.access.people import add_person
from tests.conftest import Clock
from tests.pushing import START_US, body, host_row, judged, process, snapshot
from tests.serving import Served
from tests.store.leaking import a_leak, add_leaks
from tests.web.client import Client

HTML = {"Accept": "text/html"}
HOURS = 30
NOW = START_US + HOURS * HOUR + MINUTE


@pytest.fixture
def leaking(served: Served, clock: Clock) -> Served:
    """Java on web-01 has leaked sockets for a day."""
    clock.now_us = NOW
    served.relay.push(
        body(
            *(
                snapshot(60 * hour, process(limit=1_024, handles=120 + 20 * hour, types={"socket": 20 * hour + 20}))
                for hour in range(HOURS + 1)
            )
        )
    )
    judged(served.database)
    put(served)
    return served


def put(served: Served, **more: Any) -> str:
    """The one leak of java there, as judging would write it; its id."""
    host_id = host_row(served.database).host_id
    evidence = {
        "kind": "hours",
        "counted": "held",
        "pieces": [[START_US + n * 6 * HOUR, START_US + (n + 1) * 6 * HOUR, 20 + 120 * n] for n in range(5)],
        "restarts": [START_US + 8 * HOUR],
        "share": 1.0,
        "process": None,
    }
    row = {
        "started_us": START_US,
        "started_from_us": START_US - HOUR,
        "started_to_us": START_US + HOUR,
        "detected_us": START_US + 24 * HOUR,
        "last_seen_us": START_US + HOURS * HOUR,
        "handles": 620,
        "rate_per_hour": 20.0,
        "rate_low": 19.0,
        "rate_high": 21.5,
        "limit": 1_024,
        "exhausted_us": NOW + 15 * HOUR,
        "exhausted_from_us": NOW + 14 * HOUR,
        "exhausted_to_us": NOW + 17 * HOUR,
        "evidence": evidence,
    } | more
    with served.database.write() as connection:
        for table in (leaks, leak_details):
            connection.execute(delete(table).where(table.c.host_id == host_id))
        add_leaks(connection, a_leak(host_id, 3, **row))
    return f"{host_id}-3"


def signed_in(served: Served, name: str, role: Role) -> Client:
    client = Client(served.app)
    user_id = add_person(served.database, name, role)
    with served.database.write() as connection:
        secret = make_sign_in_link(connection, user_id, guard.now_us(), guard.now_us() + DAY)
    assert client.get(f"/login?key={secret}").status_code == 303
    return client


@pytest.fixture
def alice(leaking: Served) -> Client:
    return signed_in(leaking, "Alice", Role.OPERATOR)


def text(html: str) -> str:
    found = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("&#39;", "'")
    return re.sub(r" ([.,;)])", r"\1", found)


def path(served: Served) -> str:
    return f"/leaks/{host_row(served.database).host_id}-3"


def send(client: Client, address: str, **form: str) -> Any:
    page = client.get(address, headers=HTML).text
    token = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert token is not None
    return client.post(address, data={"csrf_token": token[1], **form}, headers=HTML)


def test_a_leak_is_told_in_one_line_and_with_its_evidence(leaking: Served, alice: Client) -> None:
    said = text(alice.get(path(leaking), headers=HTML).text)
    assert "java on web-01 leaks sockets" in said
    assert (
        "620 held, +20 an hour since 2025-06-02 00:00 UTC (1 d 6 h), full in about 15 h (between 14 h and 17 h)" in said
    )
    assert "The lowest count of each 6 hours rose 4 times in a row, from 20 to 500." in said
    assert "A restart at 2025-06-02 08:00 UTC did not change it." in said
    assert said.index("full in about") < said.index("What to do") < said.index("The lowest count of each")


def test_the_chart_of_a_leak_is_of_its_type_and_shows_its_pieces(leaking: Served, alice: Client) -> None:
    html = alice.get(path(leaking), headers=HTML).text
    address = re.search(r'data-series-url="([^"]+)"', html)
    assert address is not None
    series = alice.get(address[1].replace("&amp;", "&")).json()["series"]
    assert [one["last"][-1] for one in series] == [620]
    assert html.count('"low":') == html.count("&#34;low&#34;:") + 5
    assert '"latest_s":' in html


def test_the_command_to_look_names_the_process(leaking: Served, alice: Client) -> None:
    assert "grep &#39;pid=1,&#39;" in alice.get(path(leaking), headers=HTML).text


@pytest.mark.parametrize(
    ("form", "column", "value", "said"),
    [
        ({"action": "acknowledge"}, "triage", "acknowledged", "Alice acknowledged it"),
        ({"action": "mute", "for": "7"}, "muted_until_us", NOW + 7 * DAY, "Alice muted it until 2025-06-10 06:01 UTC"),
        (
            {"action": "mute-faster", "rate": "32.5"},
            "muted_rate",
            32.5,
            "Alice muted it until it grows faster than +32/h",
        ),
        ({"action": "assign", "assignee": "Bob"}, "assignee", "Bob", "Alice assigned it to Bob"),
        ({"action": "note", "note": "a\r\nb"}, "note", "a\nb", "Alice wrote a note"),
        ({"action": "resolve"}, "state", "resolved", "Alice resolved it"),
    ],
)
def test_what_a_person_does_is_kept_and_told(
    leaking: Served, alice: Client, form: dict[str, str], column: str, value: object, said: str
) -> None:
    address = path(leaking)
    answer = send(alice, address, **form)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{address}?done=")
    with leaking.database.read() as connection:
        assert connection.scalar(select(leaks.c[column])) == value
    assert said in text(alice.get(answer.headers["location"], headers=HTML).text)


def test_what_a_person_resolved_can_be_reopened(leaking: Served, alice: Client) -> None:
    send(alice, path(leaking), action="resolve")
    said = text(alice.get(path(leaking), headers=HTML).text)
    assert "java on web-01 leaked sockets" in said
    assert "Alice resolved it." in said
    assert "Reopen" in said
    send(alice, path(leaking), action="reopen")
    assert "java on web-01 leaks sockets" in text(alice.get(path(leaking), headers=HTML).text)


def test_what_was_just_done_can_be_undone_where_it_was_done(leaking: Served, alice: Client) -> None:
    address = path(leaking)
    done = send(alice, address, action="acknowledge").headers["location"]
    html = alice.get(done, headers=HTML).text
    assert "1 leak acknowledged." in text(html)
    token, at = re.search(r'name="csrf-token" content="([^"]+)"', html), re.search(r'name="at" value="(\d+)"', html)
    assert token is not None
    assert at is not None
    back = alice.post("/leaks/undo", data={"csrf_token": token[1], "at": at[1], "back": address}, headers=HTML)
    assert back.headers["location"].startswith(f"{address}?undone=")
    assert "new, nobody has dealt with it" in text(alice.get(back.headers["location"], headers=HTML).text)


def test_a_leak_told_on_as_another_leads_to_it(leaking: Served, alice: Client) -> None:
    first = put(leaking, state="resolved", resolved_us=NOW - HOUR)
    host_id = host_row(leaking.database).host_id
    times = {"started_us": NOW - 2 * HOUR, "detected_us": NOW, "last_seen_us": NOW}
    with leaking.database.write() as connection:
        add_leaks(connection, a_leak(host_id, 4, **times))
    html = alice.get(f"/leaks/{first}", headers=HTML).text
    assert "It is told on as a later leak of the program." in text(html)
    assert f'<a href="/leaks/{host_id}-4">socket, leaking</a>' in html


def test_the_limit_leaves_room_for_other_types(leaking: Served, alice: Client) -> None:
    put(leaking, track={"fullest": {"pid": 7, "started_us": None, "handles": 720, "limit": 1024}})
    html = alice.get(path(leaking), headers=HTML).text
    assert "720 held of all types, 70 %" in text(html)
    assert "(PID 7)" in text(html)
    assert '"value": 924' in html  # of 1,024, as 100 are of other types


def test_a_process_that_is_gone_is_said_to_be_and_what_follows(leaking: Served, alice: Client) -> None:
    evidence = {"kind": "race", "counted": "held", "pieces": [], "restarts": [], "process": [4321, None]}
    put(leaking, evidence=evidence, last_seen_us=NOW - 3 * HOUR, started_us=NOW - 4 * HOUR)
    said = text(alice.get(path(leaking), headers=HTML).text)
    assert "Its process, PID 4321, is gone since" in said
    assert "over after three days" in said


def test_one_that_still_runs_is_not_said_to_be_gone(leaking: Served, alice: Client) -> None:
    put(leaking)
    assert "is gone" not in text(alice.get(path(leaking), headers=HTML).text)


def test_a_leak_of_minutes_is_not_drawn_over_an_hour(leaking: Served, alice: Client) -> None:
    began = NOW - 6 * MINUTE
    evidence = {"kind": "race", "counted": "held", "pieces": [], "restarts": []}
    put(leaking, started_us=began, started_from_us=began, started_to_us=began, evidence=evidence)
    html = unescape(alice.get(path(leaking), headers=HTML).text)
    series = html[html.index("/series?") :]
    first, last = (
        datetime.fromisoformat(unquote(re.findall(rf"{end}=([^&\"]+)", series)[0])) for end in ("from", "to")
    )
    assert last - first <= timedelta(minutes=15)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"action": "mute-faster", "rate": "fast"}, "must be a number of handles an hour"),
        ({"action": "mute-faster", "rate": "nan"}, "must be a number from 0 up"),
        ({"action": "mute", "for": "99999"}, "must be a whole number from 1 to 3650"),
        ({"action": "burn"}, "is none that this page has"),
    ],
)
def test_what_cannot_be_done_is_said_on_the_page(
    leaking: Served, alice: Client, form: dict[str, str], said: str
) -> None:
    answer = send(alice, path(leaking), **form)
    assert answer.status_code == 422
    assert "Nothing was changed" in text(answer.text)
    assert said in text(answer.text)


def test_a_leak_that_ended_by_itself_cannot_be_reopened(leaking: Served, alice: Client) -> None:
    put(leaking, state="resolved", resolved_us=NOW - HOUR)
    page = alice.get(path(leaking), headers=HTML).text
    assert "Reopen" not in page
    assert send(alice, path(leaking), action="reopen").status_code == 409


def test_who_may_only_look_gets_no_buttons_and_changes_nothing(leaking: Served, alice: Client) -> None:
    bob = signed_in(leaking, "Bob", Role.VIEWER)
    assert 'name="action"' in alice.get(path(leaking), headers=HTML).text
    assert 'name="action"' not in bob.get(path(leaking), headers=HTML).text
    assert send(bob, path(leaking), action="acknowledge").status_code == 403
    assert alice.post(path(leaking), data={"action": "acknowledge"}, headers=HTML).status_code == 403
    with leaking.database.read() as connection:
        assert connection.scalar(select(leaks.c.triage)) == "new"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"handles": 20}, "what it took was given back"),
        ({"handles": 620}, "it grows no more"),
        ({"program": "gone"}, "the program is gone"),
        ({"track": {"why": "gone"}}, "the program is gone"),
        ({"track": {"why": "back"}}, "what it took was given back"),
        ({"track": {"why": "still"}, "handles": 20}, "it grows no more"),
    ],
)
def test_a_resolved_leak_says_why(leaking: Served, alice: Client, more: dict[str, Any], said: str) -> None:
    put(leaking, state="resolved", resolved_us=NOW - HOUR, **more)
    assert f"It is over: {said}." in text(alice.get(path(leaking), headers=HTML).text)


def test_software_that_changed_when_a_leak_ended_is_shown(leaking: Served, alice: Client) -> None:
    put(leaking, state="resolved", resolved_us=NOW - HOUR)
    detail = {"change": "updated", "list": "software", "name": "openjdk", "before": "17.0.9", "after": "17.0.13"}
    at = {"time_us": NOW - DAY, "seen_us": NOW - DAY, "kind": "software", "key": "openjdk"}
    with leaking.database.write() as connection:
        connection.execute(insert(events).values(host_id=host_row(leaking.database).host_id, detail=detail, **at))
    assert "openjdk updated from 17.0.9 to 17.0.13" in text(alice.get(path(leaking), headers=HTML).text)


def test_one_at_its_limit_says_so_and_forecasts_nothing(leaking: Served, alice: Client) -> None:
    put(leaking, phase="at_limit", at_limit_us=NOW - HOUR, exhausted_us=None)
    html = alice.get(path(leaking), headers=HTML).text
    assert "at its limit of 1,024 since 2025-06-03 05:01 UTC" in text(html)
    assert "It reached its limit of 1,024" in text(html)
    assert '"latest_s":' not in html


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"limit": None}, "no limit is known of it"),
        ({"limit": 2**24, "rate_per_hour": 1.0}, "too far ahead to forecast: about 1915 y at this rate"),
        ({"limit": 1_024}, "too little is known of its growth yet to say when it holds 1,024"),
        ({"limit": 1_024, "track": {"doubt": "slackened"}}, "its growth has slackened too much to say when it holds"),
    ],
)
def test_why_there_is_no_forecast_is_said(leaking: Served, alice: Client, more: dict[str, Any], said: str) -> None:
    put(leaking, exhausted_us=None, exhausted_from_us=None, exhausted_to_us=None, **more)
    assert said in text(alice.get(path(leaking), headers=HTML).text)


@pytest.mark.parametrize("leak", ["999-1", "1", "x-y", "1-1-1", "%2F", "9" * 50])
def test_what_is_no_leak_is_a_page_that_says_so(alice: Client, leak: str) -> None:
    answer = alice.get(f"/leaks/{leak}", headers=HTML)
    assert answer.status_code == 404
    assert "There is no leak" in text(answer.text)


def test_a_verdict_undone_by_late_data_is_not_shown(leaking: Served, alice: Client) -> None:
    with leaking.database.write() as connection:
        connection.execute(update(leaks).values(standing=False))
    answer = alice.get(path(leaking), headers=HTML)
    assert answer.status_code == 404
    assert "late have shown that it was none" in text(answer.text)


@pytest.mark.parametrize("query", ["range=1h", "range=90d", "from=2025-06-02T03:00:00Z&to=2025-06-02T05:00:00Z"])
def test_other_ranges_can_be_looked_at(leaking: Served, alice: Client, query: str) -> None:
    page = alice.get(f"{path(leaking)}?{query}", headers=HTML)
    assert page.status_code == 200
    assert "data-at-home" not in page.text
    assert alice.get(f"{path(leaking)}?range=2y", headers=HTML).status_code == 422


def test_a_note_keeps_its_lines(leaking: Served, alice: Client) -> None:
    put(leaking, note="Vendor told.\n\nFix on Monday.")
    html = alice.get(path(leaking), headers=HTML).text
    assert '<p class="note">Vendor told.\n\nFix on Monday.</p>' in html


def test_names_and_notes_are_only_text(leaking: Served, alice: Client) -> None:
    put(leaking, type="<script>alert(1)</script>", object="<img src=x>", note="</textarea><script>alert(2)</script>")
    html = alice.get(path(leaking), headers=HTML).text
    assert "<script>alert" not in html
    assert "<img" not in html


def test_the_host_page_names_the_leak_first_and_marks_its_chart(leaking: Served, alice: Client) -> None:
    html = alice.get("/hosts/web-01?range=24h", headers=HTML).text
    assert re.search(rf'<a href="{path(leaking)}">java leaks sockets: 620 held, \+20/h; full in about 15 h</a>', html)
    assert '"label": "java begins"' in html
    assert '"latest_s":' not in html
    narrowed = alice.get("/hosts/web-01?program=java&by=process", headers=HTML).text
    assert '"latest_s":' in narrowed
