"""What the pages say of hosts that fell silent, and of what happened on one."""

import re

import pytest

from server.access.principals import Role
from server.analysis.instants import MINUTE
from tests.conftest import Clock
from tests.pushing import START_US, body, process, snapshot, when
from tests.serving import Served
from tests.web.client import Client
from tests.web.test_pages import HTML, signed_in, text

MINUTELY = {"interval_s": 60}


@pytest.fixture
def alice(served: Served, clock: Clock) -> Client:
    """Looks at minute 66 at mail-02, which was silent from minute 2 to 10 and is so again since minute 40."""
    clock.now_us = START_US + 66 * MINUTE
    heard = [snapshot(minute) for minute in (0, 1, 2, *range(10, 41))]
    served.relay.push(body(*heard, host="mail-02", collector=MINUTELY))
    served.relay.push(body(snapshot(65), snapshot(66), host="web-01", collector=MINUTELY))
    served.app.state.runner.judge_waiting()
    return signed_in(served, "Alice", Role.VIEWER)


def test_the_fleet_says_who_is_silent_and_for_how_long(alice: Client) -> None:
    page = alice.get("/", headers=HTML).text
    assert "1 reporting" in text(page)
    assert "mail-02 silent for 26 min" in text(page)
    marked = re.findall(r'<tr [^>]*data-host="([^"]+)"(?:(?!</tr>).)*state-warn">silent', page, re.DOTALL)
    assert marked == ["mail-02"]


def test_silent_hosts_find_room_among_many_leaks(served: Served, alice: Client) -> None:
    for i in range(14):
        fills = [snapshot(minute, process("java", handles=230 + 12 * minute, limit=1024)) for minute in range(66)]
        served.relay.push(body(*fills, host=f"leak-{i:02}", collector={"interval_s": 60}))
    served.app.state.runner.judge_waiting()
    page = alice.get("/", headers=HTML).text
    attention = page.partition('id="attention-title"')[2].partition('id="hosts"')[0]
    assert attention.count("<tr id=") == 12
    assert "mail-02 silent for 26 min" in text(attention)
    assert 'href="/?reporting=silent#hosts"' in attention


def test_a_host_page_says_what_happened_and_leads_to_the_chart(alice: Client) -> None:
    page = alice.get("/hosts/mail-02", headers=HTML).text
    events = page.partition('id="events"')[2].partition('id="software"')[0]
    said = text(events)
    assert said.index("silent for 26 min so far") < said.index("silent for 8 min")
    links = re.findall(r'href="(/hosts/[^"#]+)#chart"', events)
    assert len(links) == 2
    assert f"from={when(2 - 30).replace(':', '%3A')}" in links[1].replace("&amp;", "&")
    for link in links:
        assert alice.get(link.replace("&amp;", "&"), headers=HTML).status_code == 200


def test_a_host_on_which_nothing_happened_says_so(alice: Client) -> None:
    assert "Nothing has happened on this host" in alice.get("/hosts/web-01", headers=HTML).text


def test_the_links_to_all_events_lead_there(alice: Client) -> None:
    page = alice.get("/hosts/mail-02", headers=HTML).text
    links = re.findall(r'href="(/api/v1/events[^"]+)"', page)
    assert len(links) == 2
    for link in links:
        answer = alice.get(link.replace("&amp;", "&"))
        assert answer.status_code == 200
        assert "silent for 8 min" in answer.text
