"""Leaks through REST: their fields, what narrows and orders them, groups, CSV, and answers that are as described."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest

from server.analysis.instants import DAY, HOUR
from server.web import guard
from tests.conftest import Clock, NewDatabase
from tests.serving import Program, Served, serving
from tests.store.leaking import NOW, a_leak, add_host, add_leaks, add_match
from tests.web.api.test_openapi import fits

V3 = "\\BaseNamedObjects\\V3SOCKHOOK"
ODD = "=<b>\"';--%_\\漢 \n"


def fill(served: Served) -> None:
    with served.database.write() as connection:
        add_host(connection, 1, "web-01", labels={"site": "seoul"})
        add_host(connection, 2, "NTBK01", family="windows")
        add_leaks(
            connection,
            a_leak(1, 1, limit=4_096, exhausted_us=NOW + DAY, exhausted_from_us=NOW + HOUR, assignee="Ann"),
            a_leak(1, 2, program=ODD, type=None, state="resolved", resolved_us=NOW - HOUR, exhausted_us=NOW + DAY),
            a_leak(2, 1, program="ntbackup.exe", type="Event", object=V3, limit=2**24, handles=None),
            a_leak(2, 2, standing=False),
            a_leak(2, 3, phase="at_limit", at_limit_us=NOW - 3 * HOUR),
        )
        add_match(connection, 2, "v3-pro", "leaking", "ntbackup.exe")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def leaky(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase
) -> Iterator[Served]:
    """For what only reads."""
    directory = tmp_path_factory.mktemp("leaky")
    with pytest.MonkeyPatch.context() as patch, new_database(request.param, directory) as url:
        patch.setattr(guard, "now_us", lambda: NOW)
        with serving(url, directory) as served:
            fill(served)
            yield served


@pytest.fixture
def changing(served: Served, clock: Clock) -> Served:
    clock.now_us = NOW
    fill(served)
    return served


def items(caller: Program, path: str = "/api/v1/leaks", **query: Any) -> list[dict[str, Any]]:
    answer = caller.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_the_fields_of_a_leak(leaky: Served) -> None:
    (item,) = items(leaky.reader, program="java", host="WEB-01")
    assert item == {
        "id": "1-1",
        "host": "web-01",
        "program": "java",
        "type": "socket",
        "object": None,
        "state": "leaking",
        "phase": "growing",
        "triage": "new",
        "started_at": "2024-10-01T23:00:00Z",
        "started_range": ["2024-10-01T23:00:00Z", "2024-10-01T23:00:00Z"],
        "detected_at": "2024-10-02T23:00:00Z",
        "at_limit_at": None,
        "resolved_at": None,
        "resolved_by": None,
        "last_seen_at": "2024-10-03T23:00:00Z",
        "handles": 1_000,
        "rate_per_hour": 10.0,
        "rate_low": 9.0,
        "rate_high": 11.0,
        "limit": 4_096,
        "limit_of": "process",
        "limit_process": {"pid": 100, "started_at": None, "handles": 1000, "limit": 4096},
        "exhausted_at": "2024-10-05T00:00:00Z",
        "exhausted_range": ["2024-10-04T01:00:00Z", None],
        "signatures": [],
        "assignee": "Ann",
        "note": None,
        "muted_until": None,
        "muted_above_rate_per_hour": None,
        "group": item["group"],
    }


def test_what_is_not_known_is_null(leaky: Served) -> None:
    (item,) = items(leaky.reader, host="NTBK01", type="Event")
    assert [item[name] for name in ("handles", "exhausted_at", "exhausted_range")] == [None] * 3
    assert (item["limit_of"], item["signatures"]) == ("system", [{"id": "v3-pro", "level": "leaking"}])


def test_what_is_over_has_no_forecast(leaky: Served) -> None:
    (item,) = items(leaky.reader, status="resolved")
    assert (item["program"], item["exhausted_at"], item["resolved_at"]) == (ODD, None, "2024-10-03T23:00:00Z")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["1-1", "2-1", "2-3"]),
        ({"status": "all"}, ["1-1", "1-2", "2-1", "2-3"]),
        ({"host": "web-01"}, ["1-1"]),
        ({"host": "nobody"}, []),
        ({"program": ODD, "status": "all"}, ["1-2"]),
        ({"search": ODD.strip(), "status": "all"}, ["1-2"]),
        ({"search": "sockhook"}, ["2-1"]),
        ({"signature": "v3-pro"}, ["2-1"]),
        ({"type": "", "status": "all"}, ["1-2"]),
        ({"assignee": ""}, ["2-1", "2-3"]),
        ({"assignee": "Ann"}, ["1-1"]),
        ({"object": V3}, ["2-1"]),
        ({"phase": "at_limit"}, ["2-3"]),
        ({"label": "site:seoul"}, ["1-1"]),
        ({"triage": "muted"}, []),
    ],
)
def test_the_list_is_narrowed(leaky: Served, query: dict[str, str], expected: list[str]) -> None:
    assert sorted(item["id"] for item in items(leaky.reader, **query)) == expected


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"status": "closed"}, "status"),
        ({"triage": "x"}, "triage"),
        ({"phase": "x"}, "phase"),
        ({"sort": "x"}, "sort"),
        ({"sort": "--rate"}, "sort"),
        ({"limit": "501"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"label": "x"}, "label"),
        ({"search": "x" * 1_025}, "search"),
        ({"format": "xml"}, "format"),
        *[({"group": text}, "group") for text in ("x", "é", "bnVsbA", "WzEsMiwzXQ", "WyJhIl0")],
    ],
)
@pytest.mark.parametrize("url", ["/api/v1/leaks", "/api/v1/leaks/groups"])
def test_a_bad_parameter_is_named(leaky: Served, url: str, query: dict[str, str], path: str) -> None:
    answer = leaky.reader.get(url, params=query)
    assert (answer.status_code, [fault["path"] for fault in answer.json()["errors"]]) == (422, [path])


@pytest.mark.parametrize("sort", ["-detected_at", "exhausted_at", "-rate_per_hour", "last_seen_at", "-handles"])
def test_an_order_may_be_called_as_its_field(leaky: Served, sort: str) -> None:
    assert len(items(leaky.reader, sort=sort)) == 3


@pytest.mark.parametrize("sort", ["detected", "-rate", "left", "host"])
def test_pages_survive_what_changes_meanwhile(changing: Served, sort: str) -> None:
    with changing.database.write() as connection:
        add_leaks(connection, *[a_leak(1, 10 + i, program=f"p{i % 7}", rate_per_hour=i % 5) for i in range(40)])
    first = changing.reader.get("/api/v1/leaks", params={"sort": sort, "limit": 7}).json()
    gone = first["items"][-1]["id"]  # the very one that the cursor names
    assert changing.admin.request("PATCH", f"/api/v1/leaks/{gone}", json={"state": "resolved"}).status_code == 200
    found = [item["id"] for item in first["items"]]
    cursor = first["next"]
    while cursor:
        page = changing.reader.get("/api/v1/leaks", params={"sort": sort, "limit": 7, "cursor": cursor}).json()
        found += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert (len(found), len(set(found))) == (43, 43)


def test_groups(leaky: Served) -> None:
    found = items(leaky.reader, "/api/v1/leaks/groups")
    java = found[0]
    assert java == {
        "id": java["id"],
        "program": "java",
        "type": "socket",
        "object": None,
        "hosts": 2,
        "leaks": 2,
        "open": 2,
        "resolved": 0,
        "at_limit": 1,
        "handles_lost": 960,
        "handles": 2_000,
        "rate_per_hour": 20.0,
        "first_seen_at": "2024-10-01T23:00:00Z",
        "first_detected_at": "2024-10-02T23:00:00Z",
        "last_detected_at": "2024-10-02T23:00:00Z",
        "exhausted_at": "2024-10-05T00:00:00Z",
        "triage": {"new": 2, "acknowledged": 0, "muted": 0},
        "signatures": [],
    }
    assert [one["signatures"] for one in found[1:]] == [[{"id": "v3-pro", "level": "leaking"}]]


def test_a_group_leads_to_its_leaks(leaky: Served) -> None:
    for status in ("open", "all", "resolved"):
        groups = items(leaky.reader, "/api/v1/leaks/groups", status=status)
        lists = [items(leaky.reader, group=one["id"], status=status) for one in groups]
        assert [len(found) for found in lists] == [one["leaks"] for one in groups]
        assert all(leak["group"] == one["id"] for one, found in zip(groups, lists, strict=True) for leak in found)


def test_one_leak_with_its_evidence_and_log(leaky: Served) -> None:
    found = leaky.reader.get("/api/v1/leaks/2-3").json()
    assert found["evidence"]["kind"] == "days"
    assert found["evidence"]["pieces"] == [
        {"from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:00:00.000001Z", "low": 2}
    ]
    assert len(found["evidence"]["words"]) >= 1
    assert [(one["kind"], one["time"]) for one in found["log"]] == [
        ("started", "2024-10-01T23:00:00Z"),
        ("detected", "2024-10-02T23:00:00Z"),
        ("at_limit", "2024-10-03T21:00:00Z"),
    ]
    assert found["related"] == {"leaks": 1, "hosts": 1}
    (item,) = items(leaky.reader, phase="at_limit")
    assert item.items() <= found.items()


@pytest.mark.parametrize(
    "name", ["2-2", "9-9", "1", "x-1", "1-1-1", "-1-1", "1-²", "9999999999-1", "1-99999999999", "a%2Fb"]
)
def test_what_is_not_there_is_a_404(leaky: Served, name: str) -> None:
    assert leaky.reader.get(f"/api/v1/leaks/{name}").status_code == 404
    assert leaky.admin.request("PATCH", f"/api/v1/leaks/{name}", json={"note": "x"}).status_code == 404


def rows(program: Program, url: str) -> list[dict[str, str]]:
    answer = program.get(url)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))


def test_lists_as_csv(leaky: Served) -> None:
    found = {row["id"]: row for row in rows(leaky.reader, "/api/v1/leaks?format=csv&status=all")}
    assert found["2-1"]["signatures"] == "v3-pro=leaking"
    assert (found["1-1"]["exhausted_at"], found["1-1"]["limit_of"]) == ("2024-10-05T00:00:00Z", "process")
    assert found["1-2"]["program"] == f"'{ODD}"
    groups = rows(leaky.reader, "/api/v1/leaks/groups?format=csv")
    assert groups[0]["triage"] == "new=2 acknowledged=0 muted=0"


def test_huge_counts_add_up_without_failing(changing: Served) -> None:
    with changing.database.write() as connection:
        most = {"handles": 2**53 - 1, "rate_per_hour": 1e300, "program": "huge"}
        add_leaks(connection, *[a_leak(1, 100 + i, **most) for i in range(3)])
    for sort in ("lost", "-handles", "rate", "-left"):
        groups = items(changing.reader, "/api/v1/leaks/groups", sort=sort, limit=1)
        assert len(groups) == 1
    (group,) = items(changing.reader, "/api/v1/leaks/groups", program="huge")
    assert group["handles"] == 3 * (2**53 - 1) or abs(group["handles"] - 3 * 2**53) < 100


def test_groups_with_and_without_a_name_are_not_one(changing: Served) -> None:
    with changing.database.write() as connection:
        empty: list[Any] = [None, ""]
        add_leaks(
            connection, *[a_leak(1, 50 + i, program="x", type=empty[i % 2], object=empty[i // 2]) for i in range(4)]
        )
    found: list[str] = []
    cursor: str | None = None
    for _ in range(9):
        query = {"limit": 1, "program": "x"} | ({"cursor": cursor} if cursor else {})
        page = changing.reader.get("/api/v1/leaks/groups", params=query).json()
        found += [one["id"] for one in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert (len(found), len(set(found))) == (4, 4)


ANSWERS = [
    ("/api/v1/leaks", "/api/v1/leaks?status=all"),
    ("/api/v1/leaks", "/api/v1/leaks?limit=0"),
    ("/api/v1/leaks/groups", "/api/v1/leaks/groups?status=all"),
    ("/api/v1/leaks/{leak_id}", "/api/v1/leaks/1-1"),
    ("/api/v1/leaks/{leak_id}", "/api/v1/leaks/1-9"),
    ("/api/v1/sensitivities", "/api/v1/sensitivities"),
]


def test_answers_are_as_described(changing: Served) -> None:
    document = changing.reader.get("/openapi.json").json()
    for path, url in ANSWERS:
        fits(document, "get", path, changing.reader.get(url))
        fits(document, "get", path, changing.anonymous.get(url))
        fits(document, "get", path, changing.relay.get(url))
    admin, rule = changing.admin, {"program": "java", "level": "low", "label": "a:b"}
    fits(document, "post", "/api/v1/sensitivities", admin.post("/api/v1/sensitivities", json=rule))
    fits(document, "post", "/api/v1/sensitivities", admin.post("/api/v1/sensitivities", json={}))
    one, many = "/api/v1/leaks/1-1", "/api/v1/leaks"
    for sent in ({"note": "x", "muted_until": "2024-10-06T00:00:00Z"}, {"triage": "x"}):
        fits(document, "patch", "/api/v1/leaks/{leak_id}", admin.request("PATCH", one, json=sent))
        fits(document, "patch", many, admin.request("PATCH", many, json={**sent, "ids": ["1-1", "2-1"]}))
    fits(
        document,
        "patch",
        "/api/v1/leaks/{leak_id}",
        admin.request("PATCH", "/api/v1/leaks/1-2", json={"state": "leaking"}),
    )
    fits(document, "get", "/api/v1/leaks/{leak_id}", changing.reader.get(one))
