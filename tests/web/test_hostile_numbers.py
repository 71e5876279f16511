"""What the wire lets pass but no column, page or database can multiply, add up or draw as it is."""

import pytest

from server.analysis.instants import rfc3339
from server.analysis.readings import MOST, MOST_SUM
from server.jobs.judging import judge_host
from server.web import guard
from tests.pushing import Wire, body, catalogue, host_row, process, snapshot
from tests.serving import Served

MANY = [process("java", pid=pid, handles=MOST) for pid in range(1, 2_001)]
PAGE = {"Accept": "text/html"}


def test_a_total_beyond_what_a_column_holds_stops_at_its_most(served: Served) -> None:
    assert served.relay.push(body(snapshot(0, *MANY))).status_code == 200
    host = served.reader.get("/api/v1/hosts/web-01").json()
    assert (host["handles"], host["programs"][0]["handles"]) == (MOST_SUM, MOST_SUM)
    drawn = served.reader.get("/api/v1/hosts/web-01/series").json()
    assert drawn["series"][0]["last"] == [MOST_SUM]


def test_a_host_of_such_counts_is_judged_and_drawn(served: Served) -> None:
    for minutes in range(0, 60, 10):
        assert served.relay.push(body(snapshot(minutes, *MANY))).status_code == 200
    judge_host(served.database, host_row(served.database).host_id, catalogue())
    assert served.reader.get("/hosts/web-01", headers=PAGE).status_code == 200
    assert host_row(served.database).worst_handles == MOST_SUM


def test_one_host_with_an_endless_interval_does_not_break_the_fleet(served: Served) -> None:
    now = rfc3339(guard.now_us())
    sent = body({"time": now, "processes": [process()]}, collector={"interval_s": MOST})
    assert served.relay.push(sent).status_code == 200
    for path in ("/", "/api/v1/status", "/api/v1/hosts?reporting=yes"):
        assert served.reader.get(path, headers=PAGE).status_code == 200
    assert served.reader.get("/api/v1/status").json()["reporting"] == 1


@pytest.mark.parametrize("cost", [{"rss_mb": 1e308}, {"rss_mb": -1, "cpu_ms": 2**63}, {"read_ms": 1e308, "cpu_ms": -5}])
def test_a_collector_that_claims_an_impossible_cost_has_a_page(served: Served, cost: Wire) -> None:
    served.relay.push(body(snapshot(0), collector={"interval_s": 1, "cost": cost}))
    assert served.reader.get("/hosts/web-01", headers=PAGE).status_code == 200


def test_more_labels_than_a_database_plans_in_time_are_refused(served: Served) -> None:
    wanted = "&".join(f"label=site:{number}" for number in range(1_000))
    answer = served.reader.get(f"/api/v1/hosts?{wanted}")
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "label")


def test_the_same_label_many_times_counts_as_one(served: Served) -> None:
    served.relay.push(body(snapshot(0), about={"labels": {"site": "seoul"}}))
    answer = served.reader.get("/api/v1/hosts?" + "&".join(["label=site:seoul"] * 500))
    assert [host["name"] for host in answer.json()["items"]] == ["web-01"]
