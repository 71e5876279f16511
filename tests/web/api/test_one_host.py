"""One host by its name, whatever it is called; its processes at a moment; forgetting it."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.pushing import body, process, snapshot, when
from tests.serving import Served
from tests.web.api.conftest import ODD_NAMES


def get(fleet: Served, path: str, **query: str) -> Any:
    return fleet.reader.get(f"/api/v1/hosts/{path}", params=query)


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
def test_every_name_can_be_reached(fleet: Served, name: str) -> None:
    path = quote(name, safe="")
    assert get(fleet, path).json()["name"] == name
    assert get(fleet, f"{path}/processes").json()["processes"][0]["program"] == "<b>"
    assert get(fleet, f"{path}/series").json()["series"][0]["last"] == [4]


def test_nul_in_an_address_is_what_the_wire_makes_of_it(fleet: Served) -> None:
    assert get(fleet, "%00").json()["name"] == "\ufffd"


def test_a_name_is_found_without_case(fleet: Served) -> None:
    assert get(fleet, "hOsT-001").json()["name"] == "Host-001"


@pytest.mark.parametrize("path", ["nobody", "x%00", "x%FF", "nobody/processes", "nobody/series", "%EF%BF%BF", "a/b"])
def test_what_is_not_there_is_404(fleet: Served, path: str) -> None:
    answer = get(fleet, path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_one_host_with_all_that_is_known(fleet: Served) -> None:
    found = get(fleet, "nt-leaking").json()
    assert (found["booted_at"], found["skew_s"], found["inventory_at"]) == (
        "2025-06-01T00:00:00Z",
        0,
        "2025-06-02T00:40:00Z",
    )
    assert found["software"] == [{"name": "V3 Pro 2000 Deluxe", "vendor": "AhnLab", "version": "5.0"}]
    assert (found["services"], found["drivers"]) == ([{"name": "=V3", "vendor": None, "version": None}], [])
    assert found["programs"] == [{"program": "ntbackup.exe", "handles": 440, "processes": 1}]
    assert found["leaks"] == []  # of less than an hour, nothing is said but by a signature
    assert [(one["id"], one["match"]["level"]) for one in found["matches"]] == [("v3-pro", "leaking")]


def test_the_newest_processes(fleet: Served) -> None:
    found = get(fleet, "rich/processes").json()
    assert (found["time"], len(found["processes"])) == (when(295), 3)
    assert found["processes"][0] == {
        "pid": 1,
        "started_at": when(-60),
        "name": "Java",
        "program": "Java",
        "user": None,
        "exe": None,
        "version": None,
        "handles": 295,
        "limit": 4_096,
        "types": {"Event": 295, "File": 2},
        "objects": [{"type": "Event", "name": "\\x-1000", "count": 295, "distinct": 1, "estimated": False}],
    }
    assert (found["processes"][1]["program"], found["processes"][1]["types"]) == ('svc[=Dns,\n"x"]', None)


@pytest.mark.parametrize(
    ("at", "time"),
    [
        (when(100), when(100)),
        (when(104.99), when(100)),
        ("2025-06-02T09:00:00+09:00", when(0)),
        ("2025-06-02T09:01:00 09:00", when(0)),
        (when(99_999), when(295)),
        (when(-0.001), None),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", when(295)),
    ],
)
def test_the_processes_at_or_before_a_time(fleet: Served, at: str, time: str | None) -> None:
    found = get(fleet, "rich/processes", at=at).json()
    assert found["time"] == time
    assert bool(found["processes"]) is (time is not None)


@pytest.mark.parametrize("at", ["yesterday", "2025-06-02", "2025-06-02T00:00:00", "1", "2025-06-02T25:00:00Z"])
def test_a_time_that_is_none_is_refused(fleet: Served, at: str) -> None:
    answer = get(fleet, "rich/processes", at=at)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "at")


def test_processes_of_a_host_that_sent_none(fleet: Served) -> None:
    assert get(fleet, "Host-000/processes").json() == {"time": None, "processes": []}
    assert get(fleet, "Host-000").json()["programs"] == []


def test_a_forgotten_host_is_gone_and_may_come_back(served: Served) -> None:
    own = served.of_host("web-01")
    own.push(body(snapshot(0), inventory={"software": [{"name": "a"}]}, about={"labels": {"a": "b"}}))
    assert served.reader.request("DELETE", "/api/v1/hosts/web-01").status_code == 403
    assert served.admin.request("DELETE", "/api/v1/hosts/WEB-01").status_code == 204
    assert served.reader.get("/api/v1/hosts/web-01").status_code == 404
    assert served.admin.request("DELETE", "/api/v1/hosts/web-01").status_code == 404
    assert own.push(body(snapshot(1))).status_code == 401
    assert served.relay.push(body(snapshot(0, process(handles=3)))).json()["accepted"] == 1
    found = served.reader.get("/api/v1/hosts/web-01").json()
    assert (found["handles"], found["software"], found["labels"]) == (3, [], {})
