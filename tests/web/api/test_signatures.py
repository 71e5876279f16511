"""The catalogue over REST, and the machines that show one; NT 4.0's example from its push to its place on the list."""

import json
from pathlib import Path
from typing import Any

import pytest

from server.analysis.instants import MINUTE
from server.store.showing import SHOWING_SORTS
from tests.conftest import Clock
from tests.e2e.processes import wait_for
from tests.pushing import NT, START_US, V3_PRO, body, hooked, process, snapshot, when
from tests.serving import Served

EXAMPLE = Path(__file__).resolve().parents[2] / "wire" / "push-1.json"


def showing(served: Served, **query: Any) -> Any:
    return served.reader.get("/api/v1/signatures/v3-pro/hosts", params=query)


def items(served: Served, **query: Any) -> Any:
    assert wait_for(lambda: served.reader.get("/api/v1/status").json()["pending_hosts"] == 0, seconds=10)
    return showing(served, **query).json()["items"]


def test_the_nt_4_example_is_present(served: Served, clock: Clock) -> None:
    clock.now_us = START_US + 600 * 24 * 60 * MINUTE
    answer = served.relay.push(json.loads(EXAMPLE.read_text("utf-8")))
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    assert items(served) == [
        {
            "host": "NTBK01",
            "os": {"family": "windows", "name": "Windows NT Server", "version": "4.0.1381", "service_pack": "6a"},
            "level": "present",
            "applies_to": True,
            "program": "ntbackup.exe",
            "pid": 187,
            "handles": 11_950,
            "distinct": 11_950,
            "estimated": False,
            "rate_per_hour": None,
            "first_seen_at": "2026-11-22T10:00:00Z",
            "last_seen_at": "2026-11-22T10:00:00Z",
            "peak": 11_950,
            "software": {"name": "V3 Pro 2000 Deluxe", "vendor": "AhnLab", "version": "5.0"},
            "changed": None,
            "programs": [
                {
                    "program": "ntbackup.exe",
                    "pid": 187,
                    "level": "present",
                    "handles": 11_950,
                    "distinct": 11_950,
                    "estimated": False,
                    "rate_per_hour": None,
                }
            ],
        }
    ]


def test_a_host_from_exposed_to_cleared(served: Served, clock: Clock) -> None:
    clock.now_us = START_US + 24 * 60 * MINUTE
    installed = {"software": [V3_PRO]}
    found = []

    def send(*snapshots: Any, **more: Any) -> None:
        assert served.relay.push(body(*snapshots, host="NTBK01", os=NT, **more)).status_code == 200
        [one] = items(served)
        found.append((one["level"], one["handles"], one["changed"]))

    send(snapshot(0, process("ntbackup.exe", pid=187)), inventory=installed)
    send(*[hooked(minute, 50) for minute in range(5, 40, 5)])
    send(*[hooked(minute, 50 + 9 * (minute - 40)) for minute in range(40, 85, 5)])
    send(snapshot(90, process("ntbackup.exe", pid=190, objects=[])), inventory={"software": []})
    assert found == [
        ("exposed", None, None),
        ("present", 50, None),
        ("leaking", 410, None),
        ("cleared", 0, "V3 Pro 2000 Deluxe 5.0 removed; ntbackup.exe (pid 187) ended"),
    ]
    assert served.reader.get("/api/v1/hosts?signature=v3-pro").json()["items"][0]["signatures"] == [
        {"id": "v3-pro", "level": "cleared"}
    ]


def test_a_pushed_host_is_judged_at_once(served: Served) -> None:
    for minute in range(3):
        served.relay.push(body(hooked(minute, 9), host=f"host-{minute}", os=NT))
    assert len(items(served)) == 3


def test_the_catalogue(fleet: Served) -> None:
    [one] = fleet.reader.get("/api/v1/signatures").json()["items"]
    assert (one["id"], one["type"], one["least_count"]) == ("v3-pro", "Event", 2)
    assert one["hosts"] == {"leaking": 1, "present": 30, "exposed": 10, "cleared": 0}
    assert fleet.reader.get("/api/v1/signatures/v3-pro").json() == one
    assert "AhnLab" in one["resolution"]


def test_the_worst_come_first(fleet: Served) -> None:
    levels = [item["level"] for item in showing(fleet, limit=500).json()["items"]]
    assert levels == ["leaking"] + ["present"] * 30 + ["exposed"] * 10


def test_hosts_outside_the_list_are_shown_and_marked(fleet: Served) -> None:
    found = {item["host"]: item["applies_to"] for item in showing(fleet, level="present", limit=500).json()["items"]}
    assert found == {f"nt-present-{i:02}": bool(i % 2) for i in range(30)}


@pytest.mark.parametrize("sort", ["", *SHOWING_SORTS, *(f"-{name}" for name in SHOWING_SORTS)])
def test_a_cursor_leads_through_all_once_in_any_order(fleet: Served, sort: str) -> None:
    found: list[str] = []
    query: dict[str, Any] = {"sort": sort, "limit": 7}
    for _ in range(10):
        page = showing(fleet, **query).json()
        found += [item["host"] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert (len(found), len(set(found)), page["next"]) == (41, 41, None)
    assert found == [item["host"] for item in showing(fleet, sort=sort, limit=500).json()["items"]]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"level": "bad"}, "level"),
        ({"sort": "x"}, "sort"),
        ({"limit": "0"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"format": "x"}, "format"),
    ],
)
def test_a_bad_parameter_is_named(fleet: Served, query: dict[str, str], path: str) -> None:
    answer = showing(fleet, **query)
    assert (answer.status_code, [fault["path"] for fault in answer.json()["errors"]]) == (422, [path])


@pytest.mark.parametrize("path", ["nope", "nope/hosts", "%00/hosts", "V3-PRO"])
def test_an_unknown_signature_is_404(fleet: Served, path: str) -> None:
    assert fleet.reader.get(f"/api/v1/signatures/{path}").status_code == 404


def test_a_late_look_moves_first_seen(served: Served) -> None:
    for minute in (60, 30, 45):
        served.relay.push(body(hooked(minute, 9), os=NT))
    [one] = items(served)
    assert (one["first_seen_at"], one["last_seen_at"]) == (when(30), when(60))
