"""A leak from the first push to what people make of it, through REST alone."""

from typing import Any

import pytest

from server.analysis.instants import HOUR, rfc3339
from server.store.judgements import count_unjudged
from tests.e2e.processes import wait_for
from tests.pushing import START_US, body, process
from tests.serving import Served

HOURS = 10 * 24


def day_of(first: int, last: int) -> Any:
    """Hourly snapshots: java takes five sockets an hour and gives none back, beside one that does nothing."""
    snapshots = []
    for hour in range(first, last):
        types = {"socket": 100 + 5 * hour, "file": 50}
        java = process("java", pid=1, handles=150 + 5 * hour, limit=65_536, types=types)
        quiet = process("quiet", pid=2, handles=40, types={"file": 40})
        snapshots.append({"time": rfc3339(START_US + hour * HOUR), "processes": [java, quiet]})
    return body(*snapshots, collector={"version": "1.0", "source": "linux", "interval_s": 3_600})


def judged(served: Served) -> None:
    def pending() -> int:
        with served.database.read() as connection:
            return count_unjudged(connection)

    assert wait_for(lambda: pending() == 0, seconds=60)


@pytest.fixture
def leaking(served: Served) -> Served:
    assert served.relay.push(day_of(0, HOURS)).json()["accepted"] == HOURS
    judged(served)
    return served


def one(served: Served, status: str = "open") -> dict[str, Any]:
    (found,) = served.reader.get("/api/v1/leaks", params={"status": status}).json()["items"]
    return dict(found)


def test_what_leaks_is_listed_with_its_numbers(leaking: Served) -> None:
    found = one(leaking)
    assert (found["host"], found["program"], found["type"], found["limit"]) == ("web-01", "java", "socket", 65_536)
    assert found["rate_per_hour"] == pytest.approx(5.0, rel=0.05)
    assert found["started_range"][0] <= found["started_at"] <= found["started_range"][1] <= found["detected_at"]
    assert leaking.reader.get("/api/v1/hosts/web-01").json()["leaks"] == [found]
    assert [host["leaks"] for host in leaking.reader.get("/api/v1/hosts?leaking=yes").json()["items"]] == [1]
    detail = leaking.reader.get(f"/api/v1/leaks/{found['id']}").json()
    assert detail["evidence"]["words"]
    assert detail["evidence"]["pieces"]


def test_what_a_person_resolved_stays_so_until_it_grows_on(leaking: Served) -> None:
    url = f"/api/v1/leaks/{one(leaking)['id']}"
    assert leaking.admin.request("PATCH", url, json={"state": "resolved", "assignee": "Ann"}).status_code == 200
    assert leaking.relay.push(day_of(HOURS, HOURS + 1)).status_code == 200
    judged(leaking)
    assert one(leaking, "resolved")["resolved_at"] == rfc3339(START_US + (HOURS - 1) * HOUR)
    assert leaking.relay.push(day_of(HOURS + 1, HOURS + 10 * 24)).status_code == 200
    judged(leaking)
    returned = leaking.reader.get("/api/v1/leaks").json()["items"]
    assert [(leak["phase"], leak["assignee"]) for leak in returned] == [("returned", "Ann")]
    log = leaking.reader.get(f"/api/v1/leaks/{returned[0]['id']}").json()["log"]
    assert [entry["kind"] for entry in log if entry["kind"] != "at_limit"].count("returned") == 1
    assert leaking.reader.get("/api/v1/hosts?leaking=yes").json()["total"] == 1
