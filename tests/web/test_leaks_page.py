"""`/leaks`: what it says first, what it lists and leaves out, and what it says when there is nothing to list."""

import re

import pytest
from sqlalchemy import update

from server.access.principals import Role
from server.analysis.instants import DAY, HOUR, MINUTE
from server.store.tables import host_state
from tests.conftest import Clock
from tests.serving import Served
from tests.store.leaking import NOW, a_leak, add_host, add_leaks, add_match

from .client import Client
from .test_pages import HTML, signed_in, text

HOOK = "\\BaseNamedObjects\\V3SOCKHOOK"


@pytest.fixture
def leaking(served: Served, clock: Clock) -> Served:
    """Java on two web servers, a backup program at its limit, one that was cured, and a host where nothing leaks."""
    clock.now_us = NOW
    hosts: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("web-01", "linux", {"site": "seoul"}),
        ("web-02", "linux", {}),
        ("NTBK01", "windows", {}),
    )
    with served.database.write() as connection:
        for number, (name, family, labels) in enumerate((*hosts, ("calm-01", "linux", {})), 1):
            add_host(connection, number, name, family=family, labels=labels)
        add_leaks(
            connection,
            a_leak(1, 1, object="CLOSE_WAIT", limit=4_096, exhausted_us=NOW + 3 * HOUR, rate_per_hour=41.2),
            a_leak(2, 1, object="CLOSE_WAIT", triage="muted", muted_until_us=NOW + 2 * DAY),
            a_leak(2, 2, program="node", type=None, assignee="ann", note="<b>later</b>"),
            a_leak(3, 1, program="ntbackup.exe", type="Event", object=HOOK, phase="at_limit", limit=1_000),
            a_leak(3, 2, program="spooler.exe", state="resolved", resolved_us=NOW - DAY),
        )
        add_match(connection, 3, "v3-pro", "leaking", "ntbackup.exe")
        connection.execute(update(host_state).values(shown_us=NOW - 30_000_000, digested_us=NOW - HOUR))
    return served


@pytest.fixture
def alice(leaking: Served) -> Client:
    return signed_in(leaking, "Alice", Role.OPERATOR)


def listed(html: str) -> list[str]:
    return re.findall(r'<tr [^>]*data-leak="([^"]+)"', html)


def test_the_page_answers_before_it_lists(alice: Client) -> None:
    said = text(alice.get("/leaks", headers=HTML).text)
    for words in ("3 programs leak on 3 hosts", "1 at its limit", "the next limit in 3 h", "1 muted"):
        assert words in said
    assert said.index("3 programs leak") < said.index("web-01") < said.index("web-02")


def test_waiting_for_the_next_three_hours_is_no_lag(leaking: Served, alice: Client, clock: Clock) -> None:
    clock.now_us += 2 * HOUR + MINUTE
    with leaking.database.write() as connection:
        connection.execute(update(host_state).values(shown_us=clock.now_us))
    assert "judged only up to" not in text(alice.get("/leaks", headers=HTML).text)


def test_a_detector_that_lags_is_said(leaking: Served, alice: Client, clock: Clock) -> None:
    assert "judged only up to" not in text(alice.get("/leaks", headers=HTML).text)
    clock.now_us += 4 * HOUR
    with leaking.database.write() as connection:
        connection.execute(update(host_state).values(shown_us=clock.now_us))
    assert "judged only up to 5 h ago" in text(alice.get("/leaks", headers=HTML).text)


def test_what_is_at_its_limit_or_soon_there_comes_first(alice: Client) -> None:
    assert listed(alice.get("/leaks", headers=HTML).text)[:2] == ["3-1", "1-1"]


def test_a_row_says_which_machine_program_kind_and_how_long(alice: Client) -> None:
    html = alice.get("/leaks", headers=HTML).text
    row = html[html.index('data-leak="1-1"') :]
    said = text(row[: row.index("</tr>")])
    for words in ("web-01", "java", "socket", "CLOSE_WAIT", "1,000 of 4,096", "+41/h", "full in 3 h", "growing"):
        assert words in said
    assert 'href="/leaks/1-1"' in row
    assert 'href="/hosts/web-01/programs/java"' in row


def test_a_known_cause_is_linked(alice: Client) -> None:
    html = alice.get("/leaks?signature=v3-pro", headers=HTML).text
    assert listed(html) == ["3-1"]
    assert 'href="/signatures/v3-pro"' in html[html.index('data-leak="3-1"') :]


def test_what_is_muted_says_so_and_for_how_long(alice: Client) -> None:
    html = alice.get("/leaks?triage=muted", headers=HTML).text
    assert listed(html) == ["2-1"]
    assert 'class="quieted"' in html
    assert "muted for 2 d" in text(html)


@pytest.mark.parametrize(
    ("query", "leaks"),
    [
        ("status=resolved", {"3-2"}),
        ("status=all", {"1-1", "2-1", "2-2", "3-1", "3-2"}),
        ("status=open", {"1-1", "2-1", "2-2", "3-1"}),
        ("search=WEB-0", {"1-1", "2-1", "2-2"}),
        ("search=ntb", {"3-1"}),
        ("program=java&type=socket&object=CLOSE_WAIT", {"1-1", "2-1"}),
        ("host=web-02", {"2-1", "2-2"}),
        ("host=nobody", set()),
        ("type=-", {"2-2"}),
        ("assignee=ann", {"2-2"}),
        ("assignee=-", {"1-1", "2-1", "3-1"}),
        ("phase=at_limit", {"3-1"}),
        ("label=site:seoul", {"1-1"}),
        ("search=nothing-like-it", set()),
    ],
)
def test_the_list_is_narrowed_by_its_address(alice: Client, query: str, leaks: set[str]) -> None:
    assert set(listed(alice.get(f"/leaks?{query}", headers=HTML).text)) == leaks


@pytest.mark.parametrize(
    "query",
    ["view=cards", "status=odd", "phase=odd", "triage=odd", "sort=colour", "cursor=rubbish", "label=odd", "done=x"],
)
def test_what_no_such_page_has_is_refused(alice: Client, query: str) -> None:
    assert alice.get(f"/leaks?{query}", headers=HTML).status_code == 422


def test_the_same_leak_on_many_hosts_is_one_group(alice: Client) -> None:
    html = alice.get("/leaks?view=groups", headers=HTML).text
    row = html[html.index('data-key="java"') :]
    said = text(row[: row.index("</tr>")])
    assert "socket CLOSE_WAIT" in said
    assert " 2 hosts " in said
    link = re.search(r'href="(/leaks\?[^"]*program=java[^"]*)"', row)
    assert link is not None
    assert set(listed(alice.get(link[1].replace("&amp;", "&"), headers=HTML).text)) == {"1-1", "2-1"}


def test_a_group_without_a_type_leads_to_its_leaks(alice: Client) -> None:
    html = alice.get("/leaks?view=groups&search=node", headers=HTML).text
    link = re.search(r'href="(/leaks\?[^"]*program=node[^"]*)"', html)
    assert link is not None
    assert listed(alice.get(link[1].replace("&amp;", "&"), headers=HTML).text) == ["2-2"]


def test_filters_hold_from_one_view_to_the_other(alice: Client) -> None:
    html = alice.get("/leaks?search=java&triage=new", headers=HTML).text
    assert 'href="/leaks?view=groups&amp;search=java&amp;triage=new"' in html


@pytest.mark.parametrize("sort", ["left", "-rate", "host", "program", "-handles", "-started"])
def test_every_order_has_its_page(alice: Client, sort: str) -> None:
    assert len(listed(alice.get(f"/leaks?sort={sort}", headers=HTML).text)) == 4


@pytest.mark.parametrize("sort", ["-hosts", "-lost", "-rate", "left", "first_seen", "program"])
def test_every_order_of_groups_has_its_page(alice: Client, sort: str) -> None:
    assert alice.get(f"/leaks?view=groups&sort={sort}", headers=HTML).status_code == 200


def test_many_leaks_come_page_by_page(leaking: Served, alice: Client) -> None:
    with leaking.database.write() as connection:
        add_leaks(connection, *[a_leak(4, number, program=f"p{number:03}") for number in range(1, 76)])
    first = alice.get("/leaks?sort=program", headers=HTML).text
    assert len(listed(first)) == 50
    link = re.search(r'href="(/leaks\?[^"]+)" rel="next"', first)
    assert link is not None
    second = alice.get(link[1].replace("&amp;", "&"), headers=HTML).text
    assert len(listed(second)) == 29
    assert not set(listed(first)) & set(listed(second))


def test_no_hosts_leads_to_adding_one(served: Served) -> None:
    page = signed_in(served, "Alice", Role.OPERATOR).get("/leaks", headers=HTML)
    assert "No hosts yet" in page.text
    assert 'class="btn-main" href="/hosts/add"' in page.text


def test_no_leaks_says_up_to_when_that_is_known(served: Served, clock: Clock) -> None:
    clock.now_us = NOW
    with served.database.write() as connection:
        for number in range(1, 4):
            add_host(connection, number, f"h{number}")
        connection.execute(update(host_state).values(shown_us=NOW))
        connection.execute(update(host_state).where(host_state.c.host_id < 3).values(digested_us=NOW - 2 * HOUR))
    said = text(signed_in(served, "Alice", Role.OPERATOR).get("/leaks", headers=HTML).text)
    for words in ("Nothing leaks on 3 hosts", "judged up to 2 h ago", "of 1 too little is known yet"):
        assert words in said


def test_a_filter_that_leaves_nothing_can_be_cleared(alice: Client) -> None:
    html = alice.get("/leaks?search=nothing-like-it", headers=HTML).text
    assert "No open leak matches these filters" in html
    assert '<a href="/leaks">Clear the filters</a>' in html


def test_a_refresh_gets_the_part_that_changes(alice: Client) -> None:
    page = alice.get("/leaks", headers={**HTML, "HX-Request": "true"})
    assert page.text.lstrip().startswith("<div")
    assert page.headers["vary"] == "HX-Request"


def test_a_note_stays_text(alice: Client) -> None:
    html = alice.get("/leaks", headers=HTML).text
    assert "&lt;b&gt;later&lt;/b&gt;" in html
    assert "<b>later" not in html


def test_the_pages_lead_to_the_leaks(alice: Client) -> None:
    assert '<a href="/leaks">Leaks</a>' in alice.get("/signatures", headers=HTML).text
    assert 'href="/leaks" aria-current="page"' in alice.get("/leaks", headers=HTML).text
