"""A file that lists a few processes, or names none by its start, between a collector's snapshots: nothing ends."""

from collections.abc import Sequence

import pytest

from server.analysis.instants import DAY
from tests.conftest import Clock
from tests.pushing import NT, START_US, Wire, body, compacted, host_row, judged, process, snapshot, when
from tests.serving import Served

SEARCH = rb"""
Handle v3.46

ntbackup.exe       pid: 187    type: Event          24: \BaseNamedObjects\V3SOCKHOOK
ntbackup.exe       pid: 187    type: Event          28: \BaseNamedObjects\V3SOCKHOOK
"""
WHOLE = rb"""
Handle v3.46

System pid: 2 NT AUTHORITY\SYSTEM
   8: Process       System
ntbackup.exe pid: 187 NT AUTHORITY\SYSTEM
   4: Key           HKLM
  20: Event         \BaseNamedObjects\V3SOCKHOOK
  24: Event         \BaseNamedObjects\V3SOCKHOOK
"""
OF_ONE = rb"""
Handle v3.46

ntbackup.exe pid: 187 NT AUTHORITY\SYSTEM
   4: Key           HKLM
  20: Event         \BaseNamedObjects\V3SOCKHOOK
  24: Event         \BaseNamedObjects\V3SOCKHOOK
"""


@pytest.fixture
def running(served: Served, clock: Clock) -> Served:
    clock.now_us = START_US + DAY
    return served


def collected(running: Served, minutes: Sequence[int], *, growth: int = 3) -> None:
    def reading(minute: int) -> Wire:
        backup = process("ntbackup.exe", pid=187, handles=1000 + growth * minute)
        return snapshot(minute, process("System", pid=2, handles=400), process("spooler.exe", pid=40), backup)

    said = {"version": "1.0", "source": "windows", "interval_s": 60}
    answer = running.relay.push(body(*map(reading, minutes), host="a", os=NT, collector=said))
    assert answer.status_code == 200, answer.text


def imported(running: Served, minute: float, content: bytes) -> None:
    answer = running.relay.post(f"/api/v1/import?host=a&time={when(minute)}", content=content)
    assert answer.json()["accepted"] == 1, answer.text


@pytest.mark.parametrize("content", [SEARCH, WHOLE, OF_ONE])
def test_no_process_was_restarted_because_a_file_came_between(running: Served, content: bytes) -> None:
    collected(running, range(90))
    imported(
        running,
        70.5,
        content if content is not WHOLE else WHOLE.replace(b"ntb", b"spooler.exe pid: 40 x\n 4: Key x\nntb"),
    )
    judged(running.database, "a")
    assert running.reader.get("/api/v1/events?host=a&kind=restart").json()["items"] == []


@pytest.mark.parametrize("content", [SEARCH, OF_ONE])
def test_lists_go_on_showing_what_the_last_whole_snapshot_said(running: Served, content: bytes) -> None:
    collected(running, range(10))
    before = host_row(running.database, "a")
    imported(running, 9.5, content)
    after = host_row(running.database, "a")
    assert (after.handles, after.processes, after.denied) == (before.handles, before.processes, before.denied)
    assert after.shown_us > before.shown_us


def test_what_a_file_of_some_does_not_list_is_not_read_rather_than_gone(running: Served) -> None:
    collected(running, range(3))
    imported(running, 2.5, SEARCH)
    found = running.reader.get("/api/v1/hosts/a/processes").json()["processes"]
    assert {one["pid"]: one["handles"] for one in found} == {2: None, 40: None, 187: None}


def test_what_leaks_is_not_forgotten_for_a_file_of_names(running: Served) -> None:
    collected(running, range(200), growth=60)
    imported(running, 199.5, SEARCH)
    judged(running.database, "a")
    leaks = running.reader.get("/api/v1/hosts/a").json()["leaks"]
    assert [(one["program"], one["handles"]) for one in leaks] == [("ntbackup.exe", 12_940)]


def test_handles_that_a_file_showed_are_not_cleared_by_the_next_reading(running: Served) -> None:
    collected(running, range(60))
    imported(running, 59.5, SEARCH)
    collected(running, range(60, 90))
    judged(running.database, "a")
    shown = running.reader.get("/api/v1/hosts/a").json()["signatures"]
    assert [(one["id"], one["level"]) for one in shown] == [("v3-pro", "present")]


def test_a_pid_used_by_another_program_is_another_process(running: Served) -> None:
    collected(running, range(3))
    imported(running, 2.5, SEARCH.replace(b"ntbackup.exe", b"arcserve.exe"))
    found = running.reader.get("/api/v1/hosts/a/processes").json()["processes"]
    assert sorted((one["pid"], one["name"]) for one in found) == [
        (2, "System"),
        (40, "spooler.exe"),
        (187, "arcserve.exe"),
    ]


def test_a_silence_after_a_file_is_still_told_by_the_collectors_interval(running: Served) -> None:
    collected(running, range(3))
    imported(running, 2.5, SEARCH)
    collected(running, [60])
    judged(running.database, "a")
    silences = running.reader.get("/api/v1/events?host=a&kind=silence").json()["items"]
    assert (when(2.5), when(60)) in [(one["time"], one["until"]) for one in silences]


@pytest.mark.parametrize("minute", [30.5, 89.5])
def test_a_file_of_one_process_is_no_fall_of_the_total(running: Served, minute: float) -> None:
    collected(running, range(90))
    imported(running, minute, OF_ONE)
    drawn = running.reader.get(f"/api/v1/hosts/a/series?by=total&from={when(0)}&to={when(90)}").json()
    totals = dict(zip(drawn["times"], drawn["series"][0]["last"], strict=True))
    assert totals.pop(when(minute)) is None
    assert min(totals.values()) == 1410


def test_a_file_of_one_process_is_no_total_of_a_host_known_by_it_alone(running: Served) -> None:
    imported(running, 0, OF_ONE)
    judged(running.database, "a")
    assert host_row(running.database, "a").handles is None
    asked = f"/api/v1/hosts/a/series?from={when(-1)}&to={when(1)}&by="
    assert running.reader.get(asked + "total").json()["series"][0]["last"] == [None]
    programs = running.reader.get(asked + "program").json()["series"]
    assert [(one["key"]["program"], one["last"]) for one in programs] == [("ntbackup.exe", [3])]
    range_ = f"from={when(-1)}&to={when(1)}"
    assert "No total is known" in running.reader.get(f"/hosts/a?by=total&{range_}").text
    usual = running.reader.get(f"/hosts/a?{range_}").text
    assert "No total is known" not in usual
    assert "by=program&amp;top" in usual
    assert running.reader.get("/").status_code == 200


def test_a_file_of_one_process_does_not_lower_the_total_of_its_hour(running: Served, clock: Clock) -> None:
    clock.now_us = START_US + 21 * DAY
    collected(running, range(90))
    imported(running, 30.5, OF_ONE)
    collected(running, [20 * 24 * 60])
    compacted(running.database, "a")
    drawn = running.reader.get(f"/api/v1/hosts/a/series?by=total&from={when(0)}&to={when(90)}").json()
    assert min(one for one in drawn["series"][0]["min"] if one is not None) == 1410


def test_a_collector_that_lost_its_rights_still_has_a_total(running: Served) -> None:
    def reading(minute: int) -> Wire:
        own = process("own", pid=1, handles=5)
        others = [process("x", pid=pid, handles=7 if minute < 5 else None) for pid in range(2, 9)]
        return snapshot(minute, own, *others)

    assert running.relay.push(body(*map(reading, range(10)), host="a")).status_code == 200
    drawn = running.reader.get(f"/api/v1/hosts/a/series?by=total&from={when(0)}&to={when(90)}").json()
    assert drawn["series"][0]["last"] == [54] * 5 + [5] * 5
