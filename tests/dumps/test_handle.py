"""Sysinternals handle, versions 1 to 5, in all its listings."""

import pytest

from server.dumps.dump import Damaged
from server.dumps.reading import read_dump
from tests.dumps.samples import DATA, named, only, sample

V3 = ("Event", r"\BaseNamedObjects\V3SOCKHOOK")


def test_a_full_listing_gives_totals_types_and_names() -> None:
    dump = sample("handle-3.2-all.txt")
    ntbackup = only(dump)["ntbackup.exe"]
    assert (dump.format, dump.os_family, dump.partial) == ("handle", "windows", False)
    assert (ntbackup.pid, ntbackup.handles, ntbackup.user) == (214, 8, r"NTSRV01\Administrator")
    assert ntbackup.types == {"Event": 3, "File": 2, "Key": 1, "<Unknown type>": 1, "Port": 1}
    assert named(ntbackup)[V3] == 2


def test_a_process_that_could_not_be_opened_has_names_but_no_total() -> None:
    system = only(sample("handle-3.2-all.txt"))["System"]
    assert (system.handles, system.types, system.user) == (None, {}, None)
    assert named(system)["File", r"C:\WINNT\system32\config\SYSTEM"] == 1


def test_types_longer_than_their_column_and_names_in_any_script_are_kept() -> None:
    helper = only(sample("handle-5-all.txt"))["백업 도우미.exe"]
    assert helper.types["WaitCompletionPacket"] == helper.types["TpWorkerFactory"] == helper.types["ALPC Port"] == 1
    assert named(helper)["File", r"C:\Program Files\백업\기록.log"] == 1
    assert named(helper)["Event", r"\Sessions\1\BaseNamedObjects\V3SOCKHOOK"] == 3


def test_without_all_types_nothing_becomes_a_total() -> None:
    dump = sample("handle-1-files.txt")
    ntbackup = only(dump)["ntbackup.exe"]
    assert dump.partial
    assert (ntbackup.handles, ntbackup.types) == (None, {})
    assert named(ntbackup)["File", r"C:\WINNT\system32"] == 1


def test_one_process_is_whole_but_the_machine_is_not() -> None:
    dump = sample("handle-5-all-one.txt")
    assert dump.partial
    assert only(dump)["ntbackup.exe"].handles == 2


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("handle-3.2-search.txt", {"ntbackup.exe": 2, "averylongbackupprogram.exe": 1, "explorer.exe": 0}),
        ("handle-5-search.txt", {"ntbackup.exe": 2, "spoolsv.exe": 1}),
        ("handle-5-search.csv", {"ntbackup.exe": 2}),
    ],
)
def test_a_search_counts_what_it_found_and_knows_no_totals(name: str, counts: dict[str, int]) -> None:
    dump = sample(name)
    assert dump.partial
    assert {process: named(found).get(V3, 0) for process, found in only(dump).items()} == counts
    assert all(process.handles is None and process.types == {} for process in only(dump).values())


def test_a_search_tells_a_long_type_from_the_user_after_it() -> None:
    row = b"a.exe  pid: 9  type: WaitCompletionPacket NTSRV01\\Administrator  60: \\x\n"
    assert named(only(read_dump(row))["a.exe"]) == {("WaitCompletionPacket", r"\x"): 1}


def test_a_search_that_tells_no_types_says_that_they_are_taken_from_the_names() -> None:
    assert any("no types" in note for note in sample("handle-3.2-search.txt").notes)
    assert not any("no types" in note for note in sample("handle-5-search.txt").notes)


def test_names_in_a_table_may_hold_commas() -> None:
    ntbackup = only(sample("handle-5-all.csv"))["ntbackup.exe"]
    assert ntbackup.types == {"Event": 3, "File": 1}
    assert named(ntbackup)["File", r"C:\Backup, old\set,1.bkf"] == 1


def test_a_table_may_be_parted_by_tabs() -> None:
    found = only(read_dump((DATA / "handle-5-search.csv").read_bytes().replace(b",", b"\t")))
    assert named(found["ntbackup.exe"]) == {V3: 2}


def test_a_sum_by_type_adds_types_that_come_twice() -> None:
    summed = only(sample("handle-4-sums.txt"))["(all processes)"]
    assert (summed.handles, summed.types["<Unknown type>"], summed.types["WaitCompletionPacket"]) == (18429, 167, 25)


def test_a_sum_without_its_total_is_none() -> None:
    summed = only(read_dump(b"Handle type summary:\n  Event : 12\n"))["(all processes)"]
    assert (summed.handles, summed.types) == (None, {})


def test_a_sum_that_does_not_add_up_is_damaged() -> None:
    with pytest.raises(Damaged, match=r"line 3: expected the sum of the types above, 12,"):
        read_dump(b"Handle type summary:\n  Event : 12\nTotal handles: 13\n")


def test_of_several_runs_in_one_file_the_last_is_read() -> None:
    run = b"System pid: 2\n   4: Event  \nntbackup.exe pid: 214 A\\B\n   8: Event  \n"
    dump = read_dump(run + run + b"   C: Event  \n")
    assert only(dump)["ntbackup.exe"].handles == 2
    assert any("2 runs" in note for note in dump.notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Handle v3.2\n\n  1C: File  (RW-)   C:\\x\n", "line 3: expected the process these handles belong to"),
        (b"System pid: 2\n   4: Event\nwhat is this\n", r'line 3: .*"what is this"'),
        (b"Handle v3.2\n", "line 2: expected a process"),
        (b"Handle v3.2\nNo matching handles found.\n", "administrator"),
        (b"Process,PID,Type,Handle,Name\nntbackup.exe,x,Event,0x4,a\n", "line 2: expected the 5 columns"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(content: bytes, message: str) -> None:
    with pytest.raises(Damaged, match=message):
        read_dump(content)


def test_the_most_frequent_names_come_first_and_no_more_than_fit() -> None:
    rows = b"".join(
        b"   4: Event         \\many\n" if n % 2 else b"   4: Event         \\one-%d\n" % n for n in range(600)
    )
    process = only(read_dump(b"System pid: 4\n" + rows))["System"]
    assert process.objects is not None
    assert (process.objects[0].name, process.objects[0].count, len(process.objects)) == (r"\many", 300, 200)
    assert process.handles == 600
