"""lsof -F on Unix, oh on old Windows."""

from tests.dumps.samples import named, only, sample


def test_only_numbered_descriptors_count_under_the_types_of_a_collector() -> None:
    dump = sample("lsof.txt")
    found = only(dump)
    assert (dump.format, dump.os_family, dump.partial) == ("lsof", "linux", False)
    assert (found["systemd"].handles, found["systemd"].user) == (6, "root")
    assert found["systemd"].types == {"device": 1, "socket": 3, "eventpoll": 1, "inotify": 1}
    assert found["java"].types == {"deleted": 1, "pipe": 1, "socket": 3, "memfd": 1}


def test_sockets_have_the_names_a_collector_gives_them_and_are_told_apart() -> None:
    sockets = {one.name: (one.count, one.distinct) for one in only(sample("lsof.txt"))["java"].objects or []}
    assert sockets["tcp CLOSE_WAIT"] == (2, 2)
    assert sockets["udp"] == (1, 1)


def test_threads_are_no_processes() -> None:
    assert [process.pid for process in sample("lsof.txt").moments[0].processes] == [1, 812, 900]


def test_what_lsof_could_not_read_is_unknown() -> None:
    dump = sample("lsof.txt")
    assert only(dump)["sshd"].handles is None
    assert any("could not read 1" in note for note in dump.notes)


def test_a_listing_of_some_descriptors_is_no_total() -> None:
    dump = sample("lsof-internet.txt")
    java = only(dump)["java"]
    assert (dump.partial, java.handles, java.types) == (True, None, {})
    assert named(java) == {("socket", "tcp CLOSE_WAIT"): 1}


def test_fields_may_be_parted_by_nuls() -> None:
    systemd = only(sample("lsof-nul.txt"))["systemd"]
    assert (systemd.handles, systemd.types) == (2, {"device": 1, "file": 1})


def test_oh_is_read_and_says_that_it_is_best_effort() -> None:
    dump = sample("oh.txt")
    ntbackup = only(dump)["ntbackup.exe"]
    assert (dump.format, ntbackup.pid, ntbackup.handles) == ("oh", 214, 3)
    assert named(ntbackup) == {("Event", r"\BaseNamedObjects\V3SOCKHOOK"): 2}
    assert any("best effort" in note for note in dump.notes)
