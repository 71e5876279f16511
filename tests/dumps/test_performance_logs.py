"""PDH-CSV and PDH-TSV: zones, instances that shift, blanks, hosts, other languages."""

from datetime import UTC, datetime

import pytest

from server.dumps import pdh
from server.dumps.dump import Damaged
from server.dumps.reading import read_dump
from tests.dumps.samples import only, sample

PIDS_AND_COUNTS = rb'"(PDH-CSV 4.0) (GMT)(0)","\\A\Process(x)\ID Process","\\A\Process(x)\Handle Count"' + b"\n"


def test_times_are_moved_to_utc_by_the_bias_of_the_heading() -> None:
    korea = sample("typeperf-korea.csv")
    assert korea.moments[0].time == datetime(2001, 8, 10, 12, 0, 0, 250_000, UTC)
    assert sample("logman-new-york.tsv").moments[0].time == datetime(2001, 8, 10, 13, 0, 0, 0, UTC)
    assert (korea.format, korea.host, korea.partial, len(korea.moments)) == ("pdh-csv", "NTSRV01", False, 4)


def test_a_namesake_that_moves_up_keeps_its_own_pid() -> None:
    moments = sample("typeperf-korea.csv").moments
    svchosts = [{p.pid: p.handles for p in moment.processes if p.name == "svchost.exe"} for moment in moments]
    assert svchosts == [{300: 210, 310: 220}, {300: 211, 310: 221}, {310: 222}, {310: 222}]


def test_blanks_are_a_process_that_is_not_there() -> None:
    counts = [
        [p.handles for p in moment.processes if p.name == "ntbackup.exe"]
        for moment in sample("typeperf-korea.csv").moments
    ]
    assert counts == [[], [1204], [1654], []]


def test_the_sum_of_all_processes_is_left_out() -> None:
    names = {p.name for moment in sample("typeperf-korea.csv").moments for p in moment.processes}
    assert names == {"System", "ntbackup.exe", "svchost.exe"}


def test_a_count_that_is_missing_beside_its_pid_is_unknown() -> None:
    dump = read_dump(PIDS_AND_COUNTS + b'"08/10/2001 21:00:00.250","214.000000"," "\n')
    assert only(dump)["x.exe"].handles is None


def test_date_and_time_in_two_cells_and_no_pids() -> None:
    dump = sample("perfmon-2000-dated.csv")
    assert dump.host == "NTSRV01"
    assert dump.moments[0].time == datetime(2001, 8, 10, 14, 0, 0, 250_000, UTC)
    assert [moment.processes[0].handles for moment in dump.moments] == [1204, 1210]
    assert {moment.processes[0].pid > 2**32 for moment in dump.moments} == {True}
    assert any("stand in for pids" in note for note in dump.notes)


def test_without_pids_namesakes_are_left_out() -> None:
    heading = rb'"(PDH-CSV 4.0) (GMT)(0)","\\A\Process(x)\Handle Count","\\A\Process(x#1)\Handle Count",' + (
        rb'"\\A\Process(y)\Handle Count"' + b"\n"
    )
    dump = read_dump(heading + b'"08/10/2001 21:00:00.250","1","2","3"\n')
    assert {name: process.handles for name, process in only(dump).items()} == {"y.exe": 3}
    assert any("log ID Process" in note for note in dump.notes)


def test_names_and_separators_of_another_language() -> None:
    dump = sample("relog-german.csv")
    assert (dump.host, only(dump)["ntbackup.exe"].pid, only(dump)["ntbackup.exe"].handles) == ("BK-DE", 214, 1204)


def test_newer_counters_tell_the_pid_in_the_name() -> None:
    assert {name: p.pid for name, p in only(sample("process-v2.csv")).items()} == {"ntbackup.exe": 214, "System": 4}


def test_an_instance_may_hold_brackets() -> None:
    heading = rb'"(PDH-CSV 4.0) (GMT)(0)","\\A\Process(a(b)/c)\ID Process","\\A\Process(a(b)/c)\Handle Count"'
    assert only(read_dump(heading + b'\n"08/10/2001 21:00:00.250","5","6"\n'))["a(b)/c.exe"].handles == 6


def test_without_a_zone_times_are_taken_as_utc_and_that_is_told() -> None:
    dump = read_dump(PIDS_AND_COUNTS.replace(b" (GMT)(0)", b"") + b'"08/10/2001 21:00:00.250","5","6"\n')
    assert dump.moments[0].time == datetime(2001, 8, 10, 21, 0, 0, 250_000, UTC)
    assert any("no zone" in note for note in dump.notes)


def test_a_last_line_cut_short_is_left_out_but_one_in_the_middle_is_damage() -> None:
    whole, cut = b'"08/10/2001 21:00:00.250","5","6"\n', b'"08/10/2001 21:05:00.250","5'
    dump = read_dump(PIDS_AND_COUNTS + whole + cut)
    assert len(dump.moments) == 1
    assert any("not whole" in note for note in dump.notes)
    with pytest.raises(Damaged, match="line 3: expected 3 cells"):
        read_dump(PIDS_AND_COUNTS + whole + cut + b'"\n' + whole)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PIDS_AND_COUNTS, "no moments"),
        (PIDS_AND_COUNTS + b'"13/40/2001 21:00:00.250","5","6"\n', "line 2: expected a time"),
        (PIDS_AND_COUNTS + b'"08/10/2001 21:00:00.250","5","many"\n', 'line 2: expected numbers.*"many"'),
        (PIDS_AND_COUNTS + b'"08/10/2001 21:00:00.250","5","1e+30"\n', "line 2: expected counts of at most"),
        (PIDS_AND_COUNTS.replace(rb"\\A\Process(x)\H", rb"\\B\Process(x)\H"), "only counters of A"),
        (rb'"(PDH-CSV 4.0) (GMT)(0)","\\A\Memory\Available Bytes"', r"Handle Count; it has available bytes"),
    ],
)
def test_what_is_wrong_is_told(content: bytes, message: str) -> None:
    with pytest.raises(Damaged, match=message):
        read_dump(content)


def test_a_log_with_too_many_moments_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdh, "MOST_MOMENTS", 2)
    with pytest.raises(Damaged, match=r"line 4: expected at most 2 moments.*relog -b BEGIN -e END"):
        read_dump(PIDS_AND_COUNTS + b'"08/10/2001 21:00:00.250","5","6"\n' * 3)
