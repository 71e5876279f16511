"""Dump files over REST: what is understood of them, what is asked for, what they never change."""

import gzip

import pytest

from server.access.principals import Role
from server.analysis.instants import DAY
from tests.conftest import Clock
from tests.pushing import NT, START_US, V3_PRO, body, host_row, snapshot, times_of, when
from tests.serving import Served
from tests.web.test_pages import signed_in

HANDLE_A = rb"""
Handle v2.10
Copyright (C) 1997-2003 Mark Russinovich
Sysinternals - www.sysinternals.com

------------------------------------------------------------------------------
System pid: 2
   8: Process       System
------------------------------------------------------------------------------
ntbackup.exe pid: 187
   4: Key           HKLM
  1c: File          C:\WINNT\system32
  20: Event         \BaseNamedObjects\V3SOCKHOOK
  24: Event         \BaseNamedObjects\V3SOCKHOOK
  28: Event         \BaseNamedObjects\V3SOCKHOOK
""".replace(b"\n", b"\r\n")
AT = "/api/v1/import"


@pytest.fixture
def running(served: Served, clock: Clock) -> Served:
    clock.now_us = START_US + DAY
    return served


def test_a_file_is_stored_and_what_was_understood_is_said(running: Served) -> None:
    answer = running.relay.post(f"{AT}?host=NTBK01&time={when(5)}", content=HANDLE_A)
    said = answer.json()
    assert answer.status_code == 200, said
    assert (said["accepted"], said["duplicates"], said["format"], said["host"]) == (1, 0, "handle", "NTBK01")
    assert (said["from"], said["to"], said["moments"], said["processes"]) == (when(5), when(5), 1, 2)
    found = running.reader.get("/api/v1/hosts/NTBK01/processes").json()
    ntbackup = next(one for one in found["processes"] if one["pid"] == 187)
    assert ntbackup["objects"][0]["name"] == r"\BaseNamedObjects\V3SOCKHOOK"
    assert ntbackup["objects"][0]["count"] == 3


def test_a_file_imported_twice_is_stored_once(running: Served) -> None:
    for accepted in (1, 0):
        said = running.relay.post(f"{AT}?host=NTBK01&time={when(5)}", content=HANDLE_A).json()
        assert (said["accepted"], said["duplicates"]) == (accepted, 1 - accepted)


def test_a_packed_file_is_unpacked_whether_the_header_says_so_or_not(running: Served) -> None:
    packed = gzip.compress(HANDLE_A)
    for minute, headers in ((1, {"Content-Encoding": "gzip"}), (2, None)):
        answer = running.relay.post(f"{AT}?host=a&time={when(minute)}", content=packed, headers=headers)
        assert answer.json()["accepted"] == 1


@pytest.mark.parametrize(
    ("query", "status", "path"),
    [
        (f"time={when(0)}", 422, "host"),
        ("host=a", 422, "time"),
        ("host=a&time=2025-06-02T00:00:00", 422, "time"),
        ("host=a&time=yesterday", 422, "time"),
        (f"host=a&time={when(3000)}", 422, "time"),
        (f"host=a&time={when(0)}&format=csv", 422, "format"),
        (f"host=a&time={when(0)}&os=dos", 422, "os"),
        (f"host=..&time={when(0)}", 422, "host.name"),
        (f"host={'x' * 1025}&time={when(0)}", 422, "host"),
    ],
)
def test_what_is_missing_or_wrong_is_named(running: Served, query: str, status: int, path: str) -> None:
    answer = running.relay.post(f"{AT}?{query}", content=HANDLE_A)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["path"] == path


def test_a_time_without_a_zone_is_asked_for_its_zone(running: Served) -> None:
    answer = running.relay.post(f"{AT}?host=a&time=2025-06-02T00:00:00", content=HANDLE_A)
    assert "zone" in answer.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\x00" * 500, b"\xff\xd8\xff\xe0 a picture", b"\x1f\x8b\x08 no"])
def test_what_is_no_dump_is_refused(running: Served, content: bytes) -> None:
    answer = running.relay.post(f"{AT}?host=a&time={when(0)}", content=content)
    assert answer.status_code in (400, 415)
    assert host_row(running.database, "a") is None


def test_only_relays_admins_and_operators_may_import(running: Served) -> None:
    url = f"{AT}?host=a&time={when(0)}"
    assert running.anonymous.post(url, content=HANDLE_A).status_code == 401
    for program in (running.reader, running.enroller, running.of_host("a")):
        assert program.post(url, content=HANDLE_A).status_code == 403
    assert running.admin.post(url, content=HANDLE_A).status_code == 200


def test_an_operator_may_import_with_the_csrf_token_alone(running: Served) -> None:
    alice, bob = signed_in(running, "Alice", Role.OPERATOR), signed_in(running, "Bob", Role.VIEWER)
    url = f"{AT}?host=a&time={when(0)}"
    assert alice.post(url, content=HANDLE_A).status_code == 403
    token = alice.get("/import").text.partition('name="csrf-token" content="')[2].partition('"')[0]
    headers = {"X-CSRF-Token": token, "Origin": "http://handles.test"}
    assert alice.post(url, content=HANDLE_A, headers=headers).status_code == 200
    assert bob.post(url, content=HANDLE_A, headers=headers).status_code == 403


def test_an_import_never_changes_what_a_collector_said(running: Served) -> None:
    about = {"labels": {"site": "seoul"}, "booted_at": when(-60)}
    collector = {"version": "1.0", "source": "windows", "interval_s": 60}
    running.relay.push(body(snapshot(0), host="a", os=NT, about=about, collector=collector))
    before = host_row(running.database, "a")
    answer = running.relay.post(f"{AT}?host=a&time={when(5)}&os=linux&os_name=x", content=HANDLE_A)
    assert answer.json()["accepted"] == 1
    after = host_row(running.database, "a")
    for name in (
        "os_family",
        "os_name",
        "os_version",
        "service_pack",
        "labels",
        "collector",
        "booted_us",
        "interval_s",
    ):
        assert getattr(after, name) == getattr(before, name), name


def test_a_collector_replaces_what_imports_said(running: Served) -> None:
    url = f"{AT}?host=a&time={when(5)}&os=windows&os_name=Windows%20NT%20Server"
    running.relay.post(url, content=HANDLE_A)
    assert host_row(running.database, "a").collector["source"] == "import:handle"
    running.relay.push(body(snapshot(0), host="a", collector={"version": "1.0"}))
    row = host_row(running.database, "a")
    assert (row.os_family, row.os_name, row.collector["version"]) == ("linux", None, "1.0")


def test_the_system_is_said_once_and_kept(running: Served) -> None:
    system = "os=windows&os_name=Windows%20NT%20Server&os_version=4.0.1381&service_pack=6a"
    running.relay.post(f"{AT}?host=a&time={when(5)}&{system}", content=HANDLE_A)
    running.relay.post(f"{AT}?host=a&time={when(6)}", content=HANDLE_A)
    row = host_row(running.database, "a")
    assert (row.os_family, row.os_name, row.service_pack) == ("windows", "Windows NT Server", "6a")


def test_labels_and_inventory_stay(running: Served) -> None:
    running.relay.push(body(snapshot(0), host="a", about={"labels": {"k": "v"}}, inventory={"software": [V3_PRO]}))
    running.relay.post(f"{AT}?host=a&time={when(5)}", content=HANDLE_A)
    one = running.reader.get("/api/v1/hosts/a").json()
    assert one["labels"] == {"k": "v"}
    assert len(one["software"]) == 1
    assert len(times_of(running.database, "a")) == 2
