"""`GET /api/v1/events`: what happened on hosts, newest first."""

import csv
import io
from typing import Any

import pytest

from server.analysis.instants import MINUTE
from tests.conftest import Clock
from tests.e2e.processes import wait_for
from tests.pushing import START_US, V3_PRO, Wire, body, process, snapshot, when
from tests.serving import Served
from tests.web.api.conftest import pending

MINUTELY = {"interval_s": 60}


def send(served: Served, sent: Wire) -> None:
    assert served.relay.push(sent).status_code == 200
    assert wait_for(lambda: pending(served) == 0, seconds=20)


@pytest.fixture
def three(served: Served, clock: Clock) -> Served:
    """web-01 with a bit of everything, mail-02 that fell silent at minute 60, calm-03; as of minute 100."""
    clock.now_us = START_US + 100 * MINUTE
    java, again = process(handles=5, limit=1024), process(pid=2, handles=5, limit=4096) | {"started_at": when(41)}
    init = process("init", pid=9)
    for minute, one in ((40, java), (42, again)):
        version = "5.0" if minute == 40 else "5.1"
        software = [{**V3_PRO, "version": version}]
        send(served, body(snapshot(minute, one, init), collector=MINUTELY, inventory={"software": software}))
    for host, minutes in (("web-01", (50, 98)), ("mail-02", (0, 1, 20, 60)), ("calm-03", (97, 98, 99))):
        send(served, body(*[snapshot(minute, again, init) for minute in minutes], host=host, collector=MINUTELY))
    return served


def asked(served: Served, query: str = "") -> dict[str, Any]:
    answer = served.reader.get(f"/api/v1/events?{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def told(served: Served, query: str = "") -> list[tuple[str, str]]:
    return [(item["host"], item["text"]) for item in asked(served, query)["items"]]


def test_what_happened_is_told_newest_first(three: Served) -> None:
    assert told(three) == [
        ("mail-02", "silent for 40 min so far"),
        ("web-01", "silent for 48 min"),
        ("web-01", "silent for 8 min"),
        ("web-01", "V3 Pro 2000 Deluxe updated from 5.0 to 5.1"),
        ("web-01", "limit of java from 1,024 to 4,096"),
        ("web-01", "java restarted: process 1, now 2"),
        ("mail-02", "silent for 40 min"),
        ("mail-02", "silent for 19 min"),
    ]


def test_a_silence_that_lasts_has_no_end(three: Served) -> None:
    first, second = asked(three, "host=MAIL-02&kind=silence&limit=2")["items"]
    assert (first["time"], first["until"]) == (when(60), None)
    assert (second["time"], second["until"]) == (when(20), when(60))


def test_it_ends_with_the_next_snapshot(three: Served) -> None:
    send(three, body(snapshot(99), host="mail-02", collector=MINUTELY))
    assert asked(three, "host=mail-02&limit=1")["items"][0]["until"] == when(99)


def test_late_snapshots_undo_a_silence(three: Served) -> None:
    send(three, body(*[snapshot(minute) for minute in range(3, 60, 3)], host="mail-02", collector=MINUTELY))
    assert told(three, "host=mail-02&kind=silence") == [("mail-02", "silent for 40 min so far")]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_pages_hold_each_event_once(three: Served, size: int) -> None:
    whole, pages, cursor = asked(three)["items"], [], ""
    for _ in range(20):
        page = asked(three, f"limit={size}&cursor={cursor}")
        pages += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert pages == whole


def test_events_are_narrowed(three: Served) -> None:
    counts = {
        f"from={when(41)}&to={when(42)}": 4,
        f"from={when(60)}": 1,
        "kind=software&kind=limit": 2,
        "kind=reboot": 0,
        "kind=": 8,
        "host=calm-03": 0,
        "host=nobody": 0,
    }
    assert {query: len(asked(three, query)["items"]) for query in counts} == counts


@pytest.mark.parametrize("query", ["kind=party", "from=yesterday", "cursor=x", "limit=0", f"to={when(1)[:-1]}"])
def test_what_is_not_understood_is_refused(served: Served, query: str) -> None:
    answer = served.reader.get(f"/api/v1/events?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == query.partition("=")[0]


def test_events_come_as_csv(three: Served) -> None:
    answer = three.reader.get("/api/v1/events?kind=limit&format=csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["host"], row["detail"]) == ("web-01", "program=java before=1024 after=4096")


def test_a_host_that_is_forgotten_leaves_no_event(three: Served) -> None:
    assert three.admin.request("DELETE", "/api/v1/hosts/mail-02").status_code == 204
    assert {host for host, _ in told(three)} == {"web-01"}


def test_hosts_are_marked_after_three_missed_intervals(three: Served, clock: Clock) -> None:
    def reporting() -> set[str]:
        answer = three.reader.get("/api/v1/hosts?reporting=yes").json()
        one = three.reader.get("/api/v1/hosts/calm-03").json()
        assert one["reporting"] == ("calm-03" in {item["name"] for item in answer["items"]})
        return {item["name"] for item in answer["items"]}

    assert reporting() == {"web-01", "calm-03"}
    clock.now_us = START_US + 102 * MINUTE
    assert reporting() == {"calm-03"}
    clock.now_us += 1
    assert reporting() == set()
    assert told(three, f"from={when(98)}") == [
        ("calm-03", "silent for 3 min so far"),
        ("web-01", "silent for 4 min so far"),
    ]
