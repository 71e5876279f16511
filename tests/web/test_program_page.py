"""The page of a program over real data: across its restarts, gone, never seen, and with odd names."""

import re
from urllib.parse import quote, unquote

import pytest

from server.access.principals import Role
from server.analysis.instants import DAY, HOUR, MINUTE
from tests.conftest import Clock
from tests.pushing import START_US, body, host_row, judged, process, snapshot, when
from tests.serving import Served
from tests.store.leaking import a_leak, add_leaks
from tests.web.client import Client
from tests.web.test_leak_page import HTML, signed_in, text

ODD = "a/b?c#d%<i>.exe"


@pytest.fixture
def restarted(served: Served, clock: Clock) -> Served:
    """On web-01 java was replaced at half-time of an hour; cron was gone by then."""
    clock.now_us = START_US + HOUR + MINUTE
    readings = []
    for step in range(7):
        second = step > 3
        started = {"started_at": when(35 if second else -60)}
        java = process(
            pid=22 if second else 11, limit=1_024, handles=100 + 50 * (step % 4), types={"socket": 60}, **started
        )
        other = process("cron", pid=7, handles=9)
        odd = process(ODD, pid=8, handles=4)
        readings.append(snapshot(10 * step, java, odd, *([] if second else [other])))
    served.relay.push(body(*readings))
    judged(served.database)
    return served


@pytest.fixture
def bob(restarted: Served) -> Client:
    return signed_in(restarted, "Bob", Role.VIEWER)


def test_a_program_is_shown_across_its_restarts(bob: Client) -> None:
    html = bob.get("/hosts/web-01/programs/java?range=24h", headers=HTML).text
    said = text(html)
    assert "200 handles in 1 process; no leak of it is known here." in said
    assert "java restarted: process 11, now 22" in said
    assert '"kind": "restart"' in html
    address = re.search(r'data-series-url="([^"]+)"', html)
    assert address is not None
    series = bob.get(address[1].replace("&amp;", "&")).json()["series"]
    assert [value for value in series[0]["last"] if value] == [100, 150, 200, 250, 100, 150, 200]


@pytest.mark.parametrize(
    ("by", "keys"), [("process", ["PID 11, 2025-06-01", "PID 22, 2025-06-02"]), ("type", ["socket"])]
)
def test_its_chart_can_be_split(bob: Client, by: str, keys: list[str]) -> None:
    html = bob.get(f"/hosts/web-01/programs/java?range=24h&by={by}", headers=HTML).text
    assert sorted(re.findall(r'data-label="([^"]+)"', html)) == keys


def test_its_leaks_are_listed_and_those_elsewhere_linked(restarted: Served, bob: Client) -> None:
    restarted.relay.push(body(snapshot(0), host="web-02"))
    here, there = (host_row(restarted.database, name).host_id for name in ("web-01", "web-02"))
    times = {"started_us": START_US, "detected_us": START_US + 30 * MINUTE, "last_seen_us": START_US + HOUR}
    over = {"state": "resolved", "resolved_us": START_US + 45 * MINUTE}
    with restarted.database.write() as connection:
        rows = [a_leak(here, 1, **times, **over), a_leak(here, 2, **times), a_leak(there, 1, **times)]
        add_leaks(connection, *rows)
    html = bob.get("/hosts/web-01/programs/java", headers=HTML).text
    listed = re.findall(r'data-leak="([^"]+)"', html)
    assert listed == [f"{here}-2", f"{here}-1"]
    assert "1 leak of it is open. It leaks on 1 other host." in text(html)


def test_a_program_that_is_gone_says_when_it_was_seen(bob: Client) -> None:
    said = text(bob.get("/hosts/web-01/programs/cron?from=2025-06-02T00:40&to=2025-06-02T01:00", headers=HTML).text)
    assert "Not running; last seen" in said
    assert "It did not run in this range" in said
    assert "2025-06-02 00:30 UTC" in said


def test_a_program_never_seen_is_a_page_that_says_so(bob: Client) -> None:
    answer = bob.get("/hosts/web-01/programs/nothing-like-it", headers=HTML)
    assert answer.status_code == 404
    assert "was not seen on web-01" in text(answer.text)
    assert bob.get("/hosts/nowhere/programs/java", headers=HTML).status_code == 404


def test_a_program_of_an_odd_name_has_its_page(bob: Client) -> None:
    page = bob.get(f"/hosts/web-01/programs/{quote(ODD, safe='')}", headers=HTML)
    assert page.status_code == 200
    assert "4 handles in 1 process" in text(page.text)
    assert "<i>" not in page.text
    assert f"/hosts/web-01/programs/{quote(ODD, safe='')}" in bob.get("/hosts/web-01", headers=HTML).text


def test_case_does_not_matter_on_windows(restarted: Served, bob: Client) -> None:
    restarted.relay.push(body(snapshot(0, process("Backup.EXE")), host="NT", os={"family": "windows"}))
    assert "Backup.EXE on NT" in text(bob.get("/hosts/nt/programs/backup.exe", headers=HTML).text)
    assert bob.get("/hosts/web-01/programs/JAVA", headers=HTML).status_code == 404


def test_a_moment_can_be_chosen(bob: Client) -> None:
    said = text(bob.get("/hosts/web-01/programs/java?at=2025-06-02T00:25:00Z", headers=HTML).text)
    assert "200 handles in 1 process at 2025-06-02 00:20 UTC" in said


@pytest.mark.parametrize("query", ["range=2y", "by=object", "from=x", "from=2025-06-02T03:00&to=2025-06-02T02:00"])
def test_a_bad_address_is_told(bob: Client, query: str) -> None:
    assert bob.get(f"/hosts/web-01/programs/java?{query}", headers=HTML).status_code == 422


def test_a_silent_host_still_shows_its_programs(restarted: Served, bob: Client, clock: Clock) -> None:
    clock.now_us += 10 * DAY
    said = text(signed_in(restarted, "Alice", Role.VIEWER).get("/hosts/web-01/programs/java", headers=HTML).text)
    assert "silent" in said
    assert "200 handles in 1 process" in said


@pytest.mark.parametrize(
    "name", ["..", ".", "", " ", "/", "../..", "a/../b", "%2e%2e", "..\ufffe", "\ufffe", "x" * 1_024, "漢" * 1_024]
)
def test_a_program_of_any_name_has_a_page_that_links_lead_to(restarted: Served, bob: Client, name: str) -> None:
    answer = restarted.relay.push(body(snapshot(0, process(name, pid=5, handles=4_321)), host="odd/.."))
    assert answer.status_code == 200, answer.text
    judged(restarted.database, "odd/..")
    html = bob.get("/hosts/odd%2F..", headers=HTML).text
    address = re.search(r'href="(/hosts/odd%2F../programs/[^"]+)"', html)
    assert address is not None
    assert not {".", ".."} & {unquote(part) for part in address[1].split("/")}
    page = bob.get(address[1], headers=HTML)
    assert page.status_code == 200
    assert "4,321 handles in 1 process" in text(page.text)
    series = re.search(r'data-series-url="([^"]+)"', page.text)
    assert series is not None
    assert bob.get(series[1].replace("&amp;", "&")).status_code == 200
