"""Two moments of one program side by side: over REST and on the page."""

import csv
import io

import pytest

from server.access.principals import Role
from server.analysis.instants import DAY
from tests.conftest import Clock
from tests.pushing import NT, START_US, body, hooked, process, snapshot, when
from tests.serving import Served
from tests.web.test_import_api import AT, HANDLE_A
from tests.web.test_pages import HTML, signed_in, text

HOOK = r"\BaseNamedObjects\V3SOCKHOOK"
URL = "/api/v1/hosts/NTBK01/compare"


@pytest.fixture
def running(served: Served, clock: Clock) -> Served:
    clock.now_us = START_US + DAY
    more = HANDLE_A + b"  2c: Event         \\BaseNamedObjects\\V3SOCKHOOK\r\n  30: File          C:\\x\r\n"
    for minute, content in ((0, HANDLE_A), (60, more)):
        answer = served.relay.post(f"{AT}?host=NTBK01&time={when(minute)}", content=content)
        assert answer.json()["accepted"] == 1, answer.json()
    return served


def test_what_grew_most_comes_first(running: Served) -> None:
    found = running.reader.get(f"{URL}?program=NTBACKUP.EXE").json()
    assert (found["a"]["time"], found["b"]["time"]) == (when(0), when(60))
    assert (found["a"]["handles"], found["b"]["handles"]) == (5, 7)
    assert found["a"]["pids"] == [187]
    by_type = [(one["type"], one["a"], one["b"], one["difference"]) for one in found["types"]]
    assert by_type == [("Event", 3, 4, 1), ("File", 1, 2, 1), ("Key", 1, 1, 0)]
    by_name = {one["name"]: (one["a"], one["b"], one["difference"]) for one in found["objects"]}
    assert by_name[HOOK] == (3, 4, 1)
    assert by_name[r"C:\x"] == (0, 1, 1)
    assert [one["difference"] for one in found["objects"]] == [1, 1, 0, 0]


def test_moments_in_between_that_tell_only_totals_are_passed_over(running: Served) -> None:
    counts = snapshot(90, process("ntbackup.exe", pid=187, handles=9))
    counts["processes"][0]["started_at"] = None
    running.relay.push(body(counts, host="NTBK01", os=NT))
    found = running.reader.get(f"{URL}?pid=187").json()
    assert (found["a"]["time"], found["b"]["time"]) == (when(0), when(60))


def test_moments_can_be_chosen(running: Served) -> None:
    found = running.reader.get(f"{URL}?pid=187&a={when(60)}&b={when(0)}").json()
    assert found["types"][-1]["difference"] == -1


def test_what_nobody_looked_at_is_not_nought(running: Served) -> None:
    running.relay.push(body(hooked(0, 5), snapshot(5, process("ntbackup.exe", pid=187)), host="b", os=NT))
    found = running.reader.get(f"/api/v1/hosts/b/compare?pid=187&a={when(0)}&b={when(5)}").json()
    [one] = found["objects"]
    assert (one["a"], one["b"], one["difference"]) == (5, None, None)


def test_it_can_be_had_as_csv(running: Served) -> None:
    rows = list(csv.reader(io.StringIO(running.reader.get(f"{URL}?pid=187&format=csv").text)))
    assert rows[0] == ["type", "name", "a", "b", "difference"]
    assert ["Event", HOOK, "3", "4", "1"] in rows


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 422), ("pid=x", 422), ("pid=187&a=yesterday", 422), ("pid=999", 404), ("program=none.exe", 404)],
)
def test_what_can_not_be_compared_is_said(running: Served, query: str, status: int) -> None:
    assert running.reader.get(f"{URL}?{query}").status_code == status


def test_the_page_shows_both_and_links_to_the_data(running: Served) -> None:
    alice = signed_in(running, "Alice", Role.VIEWER)
    page = alice.get("/hosts/NTBK01/compare?program=ntbackup.exe", headers=HTML)
    assert "V3SOCKHOOK Event 3 4 +1" in text(page.text)
    assert "/api/v1/hosts/NTBK01/compare?program=ntbackup.exe&amp;a=" in page.text
    nothing = alice.get("/hosts/NTBK01/compare?pid=999", headers=HTML)
    assert "There are no two moments to compare" in text(nothing.text)


def test_the_process_table_links_to_it(running: Served) -> None:
    alice = signed_in(running, "Alice", Role.VIEWER)
    page = alice.get("/hosts/NTBK01", headers=HTML).text
    assert 'href="/hosts/NTBK01/compare?program=ntbackup.exe&amp;pid=187"' in page
