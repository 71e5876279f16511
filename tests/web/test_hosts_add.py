"""`/hosts/add` shows who came in: first as waiting, and with the first reading as a link to the host."""

import re

import pytest

from server.access.principals import Role
from server.analysis.instants import HOUR, SECOND
from tests.conftest import Clock
from tests.pushing import START_US, body, process, snapshot
from tests.serving import Served
from tests.web.client import Client
from tests.web.test_pages import HTML, signed_in, text

REFRESH = {**HTML, "HX-Request": "true"}


@pytest.fixture
def alice(served: Served, clock: Clock) -> Client:
    clock.now_us = START_US
    return signed_in(served, "Alice", Role.OPERATOR)


def token_on(page: str) -> str:
    found = re.search(r"HANDLEWATCH_TOKEN=(hw_[\w-]+); curl", page)
    assert found is not None
    return found[1]


def test_a_host_waits_and_turns_into_a_link_with_its_first_reading(served: Served, alice: Client, clock: Clock) -> None:
    page = alice.get("/hosts/add", headers=HTML).text
    assert "None yet" in page
    enrolled = served.program(token_on(page)).post("/api/v1/enroll", json={"host": "Web-09"})
    clock.now_us = START_US + 120 * SECOND
    waiting = alice.get("/hosts/add", headers=REFRESH).text
    assert 'data-enrolled="waiting"' in waiting
    assert "Web-09 enrolled 2 min ago ; waiting for the first reading" in text(waiting)
    assert 'href="/hosts/Web-09"' not in waiting
    own = served.program(enrolled.json()["token"])
    assert own.push(body(snapshot(0, process("java", handles=3900)), host="Web-09")).status_code == 200
    arrived = alice.get("/hosts/add", headers=REFRESH).text
    assert 'data-enrolled="arrived"' in arrived
    assert 'href="/hosts/Web-09"' in arrived
    assert "3,900 handles in 1 process," in text(arrived)


def test_a_refresh_makes_no_token(served: Served, alice: Client) -> None:
    assert "hw_" not in alice.get("/hosts/add", headers=REFRESH).text
    assert "Alice" not in "".join(served.admin.get("/api/v1/hosts").text)


def test_a_host_that_enrols_anew_waits_for_a_reading_since(served: Served, alice: Client, clock: Clock) -> None:
    served.relay.push(body(snapshot(0), host="old-1"))
    clock.now_us = START_US + HOUR
    served.enroller.post("/api/v1/enroll", json={"host": "OLD-1"})
    assert 'data-enrolled="waiting"' in alice.get("/hosts/add", headers=REFRESH).text


def test_after_an_hour_it_is_off_the_list(served: Served, alice: Client, clock: Clock) -> None:
    served.enroller.post("/api/v1/enroll", json={"host": "web-09"})
    clock.now_us = START_US + HOUR + SECOND
    assert "web-09" not in alice.get("/hosts/add", headers=REFRESH).text


def test_of_a_rollout_the_newest_are_listed_and_the_rest_counted(served: Served, alice: Client) -> None:
    for number in range(53):
        served.enroller.post("/api/v1/enroll", json={"host": f"web-{number}"})
    page = alice.get("/hosts/add", headers=REFRESH).text
    assert page.count("data-enrolled=") == 50
    assert "And 3 that enrolled before these." in page


def test_both_lines_carry_the_token_and_this_servers_address(alice: Client) -> None:
    page = alice.get("/hosts/add", headers=HTML).text
    token = token_on(page)
    assert f"(echo HANDLEWATCH_TOKEN={token}; curl -fsSL http://handles.test/install.sh) | sudo sh" in page
    assert f"$env:HANDLEWATCH_TOKEN = &#39;{token}&#39;; " in page
    assert "irm http://handles.test/install.ps1 -UseBasicParsing | iex" in page


def test_without_encryption_the_page_says_what_that_means(alice: Client) -> None:
    assert "reached without encryption" in alice.get("/hosts/add", headers=HTML).text
    local = alice.get("/hosts/add", headers={**HTML, "Host": "127.0.0.1:8765"}).text
    assert "reached without encryption" not in local
