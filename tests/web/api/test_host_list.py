"""`GET /api/v1/hosts`: every parameter, every field, and a cursor that leads through all hosts once."""

import base64
import json
from typing import Any

import pytest

from server.store.fleet import HOST_SORTS
from tests.serving import Served
from tests.web.api.conftest import ODD_NAMES, PLAIN

TOTAL = PLAIN + len(ODD_NAMES) + 43


def ask(fleet: Served, **query: Any) -> Any:
    return fleet.reader.get("/api/v1/hosts", params=query)


def names(fleet: Served, **query: Any) -> list[str]:
    answer = ask(fleet, limit=500, **query)
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


@pytest.mark.parametrize("sort", ["", *HOST_SORTS, *(f"-{name}" for name in HOST_SORTS), "last_seen_at"])
def test_a_cursor_leads_through_all_hosts_once_in_any_order(fleet: Served, sort: str) -> None:
    found: list[str] = []
    cursor: str | None = None
    for _ in range(20):
        page = ask(fleet, sort=sort, limit=47, **({"cursor": cursor} if cursor else {})).json()
        assert page["total"] == TOTAL
        found += [item["name"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert cursor is None
    assert (len(found), len(set(found))) == (TOTAL, TOTAL)
    assert found == names(fleet, sort=sort)


def test_descending_is_ascending_backwards(fleet: Served) -> None:
    for sort in HOST_SORTS:
        assert names(fleet, sort=f"-{sort}") == names(fleet, sort=sort)[::-1]


def test_orders_are_what_they_say(fleet: Served) -> None:
    items = ask(fleet, sort="-handles", limit=500).json()["items"]
    counts = [-1 if item["handles"] is None else item["handles"] for item in items]
    assert counts == sorted(counts, reverse=True)
    items = ask(fleet, sort="last_seen", limit=500).json()["items"]
    times = [item["last_seen_at"] or "" for item in items]
    assert times == sorted(times)
    assert ask(fleet, sort="-leaks", limit=1).json()["items"][0]["name"] == "nt-leaking"


def forged(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!!!",
        "é",
        "W10",
        forged(),
        forged("name"),
        forged("name", 1),
        forged("name", None),
        forged("name", "a", "b"),
        forged("os", "a"),
        forged("-name", "a"),
        forged("name", "a\0b"),
        forged("name", ["a"]),
        forged("name", "\ud800"),
        base64.urlsafe_b64encode(b"[" * 20_000).decode(),
    ],
    ids=range(15),
)
def test_a_cursor_of_another_kind_is_refused(fleet: Served, cursor: str) -> None:
    answer = ask(fleet, cursor=cursor)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "cursor")


@pytest.mark.parametrize("value", [True, 1.5, "1", None, 2**63, -(2**63) - 1, 10**30])
def test_a_forged_count_in_a_cursor_is_refused(fleet: Served, value: Any) -> None:
    assert ask(fleet, sort="handles", cursor=forged("handles", value, "a")).status_code == 422


def test_a_cursor_of_another_order_is_refused(fleet: Served) -> None:
    cursor = ask(fleet, sort="handles", limit=5).json()["next"]
    for sort in ("-handles", "processes", "name"):
        assert ask(fleet, sort=sort, cursor=cursor).status_code == 422


@pytest.mark.parametrize(
    ("query", "path"),
    [
        *[({"limit": text}, "limit") for text in ("0", "501", "-1", "x", "1.0", "9" * 40, "٣")],
        *[({"sort": text}, "sort") for text in ("x", "--name", "name;", "host_id")],
        ({"label": "nocolon"}, "label"),
        ({"leaking": "maybe"}, "leaking"),
        ({"reporting": "2"}, "reporting"),
        ({"search": "x" * 1_025}, "search"),
        ({"format": "xml"}, "format"),
    ],
)
def test_a_bad_parameter_is_named(fleet: Served, query: dict[str, str], path: str) -> None:
    answer = ask(fleet, **query)
    assert (answer.status_code, [fault["path"] for fault in answer.json()["errors"]]) == (422, [path])


def test_search_finds_names_and_labels_without_case(fleet: Served) -> None:
    assert names(fleet, search="hOST-00") == [f"Host-00{i}" for i in range(10)]
    assert names(fleet, search="CAFÉ") == ["😀-café-漢字"]
    assert set(names(fleet, search="Backup")) == {"nt-leaking"}
    assert names(fleet, search="no such thing") == []


@pytest.mark.parametrize("search", ["%", "_", "\\", "'", '"', "*", "\0", "a/b"])
def test_search_takes_every_character_as_it_is(fleet: Served, search: str) -> None:
    wanted = search.replace("\0", "\ufffd")
    assert set(names(fleet, search=search)) == {name for name in ODD_NAMES if wanted in name}


def test_filters(fleet: Served) -> None:
    assert len(names(fleet, os="macos")) == PLAIN // 5
    assert set(names(fleet, label="site:site 1")) == {f"Host-{i:03}" for i in range(PLAIN) if i % 2 and i % 3 == 1}
    assert set(names(fleet, label=["site:site 1", "zone:inner:ü"])) == set()
    assert names(fleet, label="role:backup") == ["nt-leaking"]
    assert names(fleet, leaking="yes") == ["nt-leaking"]
    assert len(names(fleet, leaking="no")) == TOTAL - 1
    assert len(names(fleet, signature="v3-pro")) == 41
    assert names(fleet, signature="none") == []
    assert names(fleet, reporting="yes") == ["alive"]
    assert names(fleet, os="windows", search="present", signature="v3-pro") == [f"nt-present-{i:02}" for i in range(30)]


def test_the_fields_of_a_host(fleet: Served) -> None:
    item = ask(fleet, search="nt-leaking").json()["items"][0]
    assert item == {
        "name": "nt-leaking",
        "os": {"family": "windows", "name": "Windows NT Server", "version": "4.0.1381", "service_pack": "6a"},
        "last_seen_at": "2025-06-02T00:40:00Z",
        "reporting": False,
        "handles": 440,
        "processes": 1,
        "coverage": {"processes": 1, "denied": 0, "types_denied": None, "unnamed": None, "broken": None},
        "worst_program": "ntbackup.exe",
        "worst_handles": 440,
        "leaks": 0,
        "signatures": [{"id": "v3-pro", "level": "leaking"}],
        "labels": {"role": "backup"},
        "collector": {"version": "1.0", "source": "windows", "interval_s": 300, "cost": {"cpu_s": 0.5}},
    }


def test_a_host_without_a_snapshot(fleet: Served) -> None:
    item = ask(fleet, search="Host-013").json()["items"][0]
    assert (item["last_seen_at"], item["handles"], item["processes"], item["leaks"]) == (None, None, None, 0)
