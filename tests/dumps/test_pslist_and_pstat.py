"""Process lists of machines that run nothing newer: pslist (from beside them) and pstat (on them)."""

import pytest

from server.dumps.dump import Damaged
from server.dumps.reading import read_dump
from tests.dumps.samples import only, sample


@pytest.mark.parametrize("name", ["pslist-1.12.txt", "pslist-1.26.txt"])
def test_counts_host_and_names_of_a_plain_list(name: str) -> None:
    dump = sample(name)
    found = only(dump)
    assert (dump.format, dump.host, dump.partial) == ("pslist", "NTSRV01", False)
    assert (found["ntbackup.exe"].pid, found["ntbackup.exe"].handles, found["System"].handles) == (214, 18226, 104)
    assert found["ntbackup.exe"].started_at is None


def test_names_get_their_extension_back_unless_they_have_one_or_no_file() -> None:
    names = set(only(sample("pslist-1.26.txt")))
    assert names == {"Idle", "System", "ntbackup.exe", "a long helper name of ours.exe", "agent.svc"}


def test_a_tree_is_read_without_its_indents() -> None:
    assert only(sample("pslist-1.4-tree.txt"))["ntbackup.exe"].handles == 1679


def test_a_list_without_handle_counts_knows_none() -> None:
    dump = sample("pslist-1.4-x.txt")
    assert {process.handles for process in only(dump).values()} == {None}
    assert any("no column Hnd" in note for note in dump.notes)


def test_a_list_of_some_processes_says_so() -> None:
    dump = read_dump(
        b"Name  Pid Pri Thd  Hnd   Priv        CPU Time    Elapsed Time\nx 5 8 1 7 1 0:00:00.1 0:00:00.1\n"
    )
    assert dump.partial
    assert only(dump)["x.exe"].handles == 7


def test_two_machines_in_one_file_are_refused() -> None:
    one = b"Process information for %s:\n\nName Pid Pri Thd Hnd\nSystem 2 8 32 104\n"
    with pytest.raises(Damaged, match="line 5: expected only processes of A"):
        read_dump(one % b"A" + one % b"B", format="pslist")


@pytest.mark.parametrize("name", ["pstat.txt", "pstat-blocks.txt"])
def test_pstat_is_read_once_with_the_pid_of_either_part(name: str) -> None:
    dump = sample(name)
    found = only(dump)
    assert (dump.format, dump.partial) == ("pstat", False)
    assert (found["ntbackup.exe"].pid, found["ntbackup.exe"].handles, found["System"].handles) == (214, 18226, 104)


def test_a_damaged_table_of_pstat_tells_the_line() -> None:
    with pytest.raises(Damaged, match=r'line 2: expected a process.* "0:00:00\.000 nonsense"'):
        read_dump(b"    User Time   Kernel Time    Ws   Faults  Commit Pri Hnd Thd Pid Name\n0:00:00.000 nonsense\n")
