"""Every list can be had as CSV, which a spreadsheet reads back and can't be tricked with."""

import csv
import io
from typing import Any

import pytest

from tests.pushing import body, process, snapshot, when
from tests.serving import Served
from tests.web.api.conftest import ODD_NAMES


def rows(fleet: Served, path: str, **query: Any) -> list[dict[str, str]]:
    answer = fleet.reader.get(path, params={"format": "csv", **query})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["content-disposition"].startswith("attachment;")
    return list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))


def test_hosts_read_back(fleet: Served) -> None:
    found = rows(fleet, "/api/v1/hosts", limit=500)
    names = {row["name"] for row in found}
    assert {name for name in ODD_NAMES if name[0] not in "=+"} <= names
    assert all(None not in row and None not in row.values() for row in found)
    row = next(row for row in found if row["name"] == "nt-leaking")
    assert (row["handles"], row["signatures"], row["labels"]) == ("440", "v3-pro=leaking", "role=backup")
    assert (row["reporting"], row["service_pack"], row["last_seen_at"]) == ("no", "6a", "2025-06-02T00:40:00Z")


def test_names_never_become_formulas(fleet: Served) -> None:
    names = {row["name"] for row in rows(fleet, "/api/v1/hosts", limit=500)}
    assert {"'=1+1", "'+%20"} <= names
    assert not any(name.startswith(("=", "+", "-", "@", "\t", "\r")) for name in names)


def test_the_next_page_is_told_in_a_header(fleet: Served) -> None:
    answer = fleet.reader.get("/api/v1/hosts?format=csv&limit=5")
    cursor = answer.headers["x-next-cursor"]
    after = rows(fleet, "/api/v1/hosts", limit=5, cursor=cursor)
    assert len({row["name"] for row in after} | {line.split(",")[0] for line in answer.text.split("\r\n")[1:6]}) == 10


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv", "text/csv"),
        ("text/csv, */*;q=0.1", "text/csv"),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/csv, application/json", "application/json"),
    ],
)
def test_what_is_accepted_is_answered(fleet: Served, accept: str, kind: str) -> None:
    answer = fleet.reader.get("/api/v1/hosts?limit=1", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(kind)


def test_format_wins_over_what_is_accepted(fleet: Served) -> None:
    answer = fleet.reader.get("/api/v1/hosts?limit=1&format=json", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "application/json"


def test_processes_read_back(fleet: Served) -> None:
    found = rows(fleet, "/api/v1/hosts/rich/processes", at=when(50))
    assert [(row["pid"], row["program"], row["handles"]) for row in found] == [
        ("1", "Java", "50"),
        ("3", "java", "1"),
        ("2", 'svc[=Dns,\n"x"]', ""),
    ]
    assert (found[0]["time"], found[0]["limit"], found[0]["types"]) == (when(50), "4096", "Event=50 File=2")


def test_series_read_back(fleet: Served) -> None:
    found = rows(fleet, "/api/v1/hosts/rich/series", by="program")
    assert len(found) == 60
    assert (found[0]["time"], found[0]["Java"], found[0]['svc[=Dns,\n"x"]']) == (when(0), "1", "")


def test_a_program_in_the_head_of_a_series_never_becomes_a_formula(served: Served) -> None:
    served.relay.push(body(snapshot(0, process('=cmd|" /C calc"!A0'))))
    found = rows(served, "/api/v1/hosts/web-01/series", by="program")
    assert list(found[0]) == ["time", '\'=cmd|" /C calc"!A0']


def test_the_hosts_of_a_signature_read_back(fleet: Served) -> None:
    found = rows(fleet, "/api/v1/signatures/v3-pro/hosts", limit=500)
    assert len(found) == 41
    row = found[0]
    assert (row["host"], row["level"], row["program"], row["handles"]) == (
        "nt-leaking",
        "leaking",
        "ntbackup.exe",
        "340",
    )
    assert (row["software"], row["version"], row["applies_to"]) == ("V3 Pro 2000 Deluxe", "5.0", "yes")
