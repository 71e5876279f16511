"""Get-Process and WMIC: headings in any order, numbers and start times as written, encodings."""

from datetime import UTC, datetime

import pytest

from server.dumps.dump import Damaged
from server.dumps.reading import read_dump
from tests.dumps.samples import only, sample


@pytest.mark.parametrize("name", ["get-process-5.1.csv", "get-process-7.csv"])
def test_columns_are_found_by_name_with_or_without_a_type_line(name: str) -> None:
    dump = sample(name)
    found = only(dump)
    assert (dump.format, dump.partial, dump.host) == ("get-process", False, None)
    assert (found["ntbackup.exe"].pid, found["ntbackup.exe"].handles, found["System"].handles) == (532, 18226, 5120)


def test_an_empty_count_is_unknown() -> None:
    assert only(sample("get-process-5.1.csv"))["agent.svc"].handles is None


def test_a_start_time_with_its_zone_is_used_to_the_microsecond() -> None:
    found = only(sample("get-process-7.csv"))
    assert found["ntbackup.exe"].started_at == datetime(2026, 11, 22, 1, 0, 0, 123456, UTC)
    assert found["notepad, a.exe"].started_at == datetime(2026, 11, 22, 1, tzinfo=UTC)
    assert found["ntbackup.exe"].exe == r"C:\Windows\System32\ntbackup.exe"


def test_a_start_time_in_some_language_is_not_guessed_and_digits_may_stand_in_groups() -> None:
    dump = sample("get-process-german.csv")
    assert (only(dump)["ntbackup.exe"].handles, only(dump)["ntbackup.exe"].started_at) == (18226, None)
    assert any("Start times" in note for note in dump.notes)
    assert dump.partial


def test_wmic_tells_host_and_start() -> None:
    dump = sample("wmic.csv")
    ntbackup = only(dump)["ntbackup.exe"]
    assert (dump.format, dump.host, dump.partial) == ("wmic", "NTSRV01", False)
    assert (ntbackup.pid, ntbackup.handles) == (214, 18226)
    assert ntbackup.started_at == datetime(2001, 8, 10, 3, 0, 0, 250_000, UTC)
    assert set(only(dump)) == {"Idle", "System", "ntbackup.exe"}


def test_a_command_line_is_dropped_with_its_commas() -> None:
    dump = sample("wmic-all.csv")
    assert only(dump)["ntbackup.exe"].handles == 18226
    assert "geheim" not in repr(dump)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Name,Id,Handles\nx,1\n", "line 2: expected 3 cells"),
        (b"Name,Id,Handles\nx,1,many\n", "line 2: expected a process"),
        (b"Name,Id,Handles\n", "expected processes"),
        (b"Name,Id,Handles,MachineName\nx,1,2,A\ny,2,2,B\n", "line 3: expected only processes of A"),
        (b"Node,HandleCount,Name,ProcessId\nA,1,x\n", "line 2: expected 4 cells"),
        (b"Node,HandleCount,Name,ProcessId\nA,1,x,1\nB,1,x,2\n", "line 3: expected only processes of A"),
        (b"Node,HandleCount,Name,ProcessId\nA,1,x,9007199254740993\n", "line 2: expected a process"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(content: bytes, message: str) -> None:
    with pytest.raises(Damaged, match=message):
        read_dump(content)
