"""Which processes are looked at, and what their links say, on a fake machine."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.sources import Reading, SourceOptions
from collector.sources.linux import LinuxSource
from collector.wire import NamedObject, Process

if TYPE_CHECKING:
    from tests.collector.conftest import FakeMachine


def source_of(machine: "FakeMachine", *, budget: float = 1000, tick: float = 0, names: bool = True) -> LinuxSource:
    """A source whose clock goes on by `tick` each time it is asked."""
    clock: Iterator[float] = (number * tick for number in count())
    return LinuxSource(SourceOptions(root=machine.root, types_budget_s=budget, names=names), cpu=lambda: next(clock))


def process(reading: Reading, pid: int) -> Process:
    return next(found for found in reading.processes if found.pid == pid)


def objects(reading: Reading, pid: int) -> dict[tuple[str, str], NamedObject]:
    return {(found.type, found.name): found for found in process(reading, pid).objects or []}


def test_links_become_types(machine: "FakeMachine") -> None:
    machine.set_links(
        1,
        [
            *[f"anon_inode:[{kind}]" for kind in ("eventfd", "eventpoll", "timerfd", "signalfd", "pidfd", "io_uring")],
            *["anon_inode:inotify", "anon_inode:[fanotify]", "net:[4026531833]"],
            *["socket:[1]", "socket:[2]", "pipe:[3]", "/memfd:x (deleted)", "/tmp/x (deleted)"],
        ],
    )
    assert process(source_of(machine).read(now=0), 1).types == {
        "eventfd": 1,
        "eventpoll": 1,
        "inotify": 1,
        "timerfd": 1,
        "signalfd": 1,
        "pidfd": 1,
        "io_uring": 1,
        "other": 2,
        "socket": 2,
        "pipe": 1,
        "memfd": 1,
        "deleted": 1,
    }


def test_a_path_is_guessed_at_where_its_mount_is_not_known_to_be_local(machine: "FakeMachine") -> None:
    machine.set_links(1, ["/dev/null", "/dev/shm/x", "/proc", "/etc/passwd"])
    assert process(source_of(machine).read(now=0), 1).types == {"device": 1, "file": 3}


@pytest.mark.parametrize(
    ("filesystem", "types"), [("ext4", {"directory": 1, "file": 1, "pipe": 1}), ("nfs4", {"file": 3})]
)
def test_the_file_system_is_asked_only_where_it_is_local(
    machine: "FakeMachine", tmp_path: Path, filesystem: str, types: dict[str, int]
) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    machine.set_links(1, [str(tmp_path), str(tmp_path / "file"), str(tmp_path / "fifo")])
    (machine.process(1) / "mountinfo").write_text(f"27 1 254:0 / / rw,relatime shared:1 - {filesystem} /dev/vda rw\n")
    (machine.process(1) / "fdinfo").mkdir()
    for number in range(3):
        (machine.process(1) / "fdinfo" / str(number)).write_text("pos:\t0\nflags:\t02\nmnt_id:\t27\n")
    assert process(source_of(machine).read(now=0), 1).types == types


def test_a_mount_that_is_gone_from_the_table_is_not_asked(machine: "FakeMachine", tmp_path: Path) -> None:
    machine.set_links(1, [str(tmp_path)])
    (machine.process(1) / "mountinfo").write_text("27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n")
    (machine.process(1) / "fdinfo").mkdir()
    (machine.process(1) / "fdinfo" / "0").write_text("pos:\t0\nmnt_id:\t99\n")
    assert process(source_of(machine).read(now=0), 1).types == {"file": 1}


def test_a_process_that_goes_while_its_links_are_read_costs_the_others_nothing(
    machine: "FakeMachine", monkeypatch: pytest.MonkeyPatch
) -> None:
    listdir, gone = os.listdir, machine.root / "gone"

    def listdir_late(path: str | int) -> list[str]:
        names = listdir(path)
        if isinstance(path, int) and not gone.exists() and len(names) == 13:
            machine.process(1001).rename(gone)
            for name in names:
                (gone / "fd" / name).unlink()
        return names

    monkeypatch.setattr(os, "listdir", listdir_late)
    reading = source_of(machine).read(now=0)
    assert gone.exists()
    assert process(reading, 1001).handles == 13
    assert not process(reading, 1001).types
    assert (reading.looked, reading.coverage.types_denied) == (6, 0)


def test_a_process_whose_count_did_not_move_is_left_alone_for_ten_minutes(machine: "FakeMachine") -> None:
    source = source_of(machine)
    assert source.read(now=0).looked == 6
    quiet = [source.read(now=now) for now in (60, 300, 599)]
    assert [reading.looked for reading in quiet] == [0, 0, 0]
    assert all(found.types is None for reading in quiet for found in reading.processes)
    assert source.read(now=600).looked == 6


def test_a_process_that_grows_is_looked_at_with_names(machine: "FakeMachine") -> None:
    source = source_of(machine)
    source.read(now=0)
    machine.set_links(187, ["anon_inode:[eventfd]"] * 5 + ["/srv/job-8123.log", "/srv/job-8124.log"])
    reading = source.read(now=60)
    assert reading.looked == 1
    assert process(reading, 187).types == {"eventfd": 5, "file": 2}
    assert objects(reading, 187) == {
        ("eventfd", "anon_inode:[eventfd]"): NamedObject("eventfd", "anon_inode:[eventfd]", 5),
        ("file", "/srv/job-#.log"): NamedObject("file", "/srv/job-#.log", 2, distinct=2),
    }


def test_deleted_files_are_named_as_the_kernel_names_them(machine: "FakeMachine") -> None:
    source = source_of(machine)
    source.read(now=0)
    machine.set_links(187, [f"/var/log/app-{number}.log (deleted)" for number in range(100, 120)] + ["/srv/a"])
    found = objects(source.read(now=60), 187)
    name = "/var/log/app-#.log (deleted)"
    assert found["deleted", name] == NamedObject("deleted", name, 20, distinct=20)
    assert set(found) == {("deleted", name), ("file", "/srv/a")}


def test_a_process_that_shrinks_waits_for_its_turn(machine: "FakeMachine") -> None:
    source = source_of(machine)
    source.read(now=0)
    machine.set_links(187, [])
    machine.set_links(1, ["/dev/null"])
    assert source.read(now=60).looked == 0


def test_a_process_near_its_limit_has_names_at_its_first_look(machine: "FakeMachine") -> None:
    reading = source_of(machine).read(now=0)
    named = {found.pid for found in reading.processes if found.objects is not None}
    assert named == {1001}


def test_sockets_are_named_by_protocol_and_state(machine: "FakeMachine") -> None:
    found = objects(source_of(machine).read(now=0), 1001)
    assert {name: (item.count, item.distinct) for (kind, name), item in found.items() if kind == "socket"} == {
        "tcp CLOSE_WAIT": (8, 8),
        "tcp ESTABLISHED": (1, 1),
        "tcp LISTEN": (1, 1),
        "udp": (1, 1),
        "unix /run/systemd/journal/stdout": (1, 1),
    }


def test_few_sockets_are_not_worth_reading_the_tables(machine: "FakeMachine") -> None:
    machine.set_links(1001, [f"socket:[{5000 + number}]" for number in range(7)])
    machine.set_limit(1001, 10)
    found = objects(source_of(machine).read(now=0), 1001)
    assert set(found) == {("socket", "socket:[#]")}


def test_advice_asks_for_names(machine: "FakeMachine") -> None:
    source = source_of(machine)
    reading = source.read(now=0, inspect=frozenset({"systemd-journald"}))
    assert process(reading, 412).objects is not None
    assert process(reading, 1).objects is None


def test_advice_may_mean_one_of_the_services_that_an_image_runs(machine: "FakeMachine") -> None:
    for pid, service in ((1001, "tomcat9"), (950, "billing")):
        (machine.process(pid) / "cgroup").write_text(f"0::/system.slice/{service}.service\n")
        machine.set_limit(pid, 4096)
    reading = source_of(machine).read(now=0, inspect=frozenset({"node[billing]", "java[kafka]"}))
    assert process(reading, 950).program == "node[billing]"
    assert process(reading, 950).objects is not None
    assert process(reading, 1001).objects is None


def test_at_most_twenty_names_are_given_the_most_frequent_ones(machine: "FakeMachine") -> None:
    machine.set_links(412, [f"/srv/{letter}" for letter in "abcdefghijklmnopqrstuvwxy"] + ["/srv/z"] * 2)
    reading = source_of(machine).read(now=0, inspect=frozenset({"systemd-journald"}))
    found = process(reading, 412).objects or []
    assert len(found) == 20
    assert (found[0].name, found[0].count, found[0].distinct) == ("/srv/z", 2, 1)


def test_names_can_be_switched_off(machine: "FakeMachine") -> None:
    reading = source_of(machine, names=False).read(now=0)
    assert process(reading, 1001).types == {"device": 1, "socket": 12}
    assert all(found.objects is None for found in reading.processes)


def test_without_a_budget_there_are_counts_alone(machine: "FakeMachine") -> None:
    reading = source_of(machine, budget=0).read(now=0)
    assert all(found.types is None for found in reading.processes)
    assert len(reading.processes) == 6


def test_what_does_not_fit_the_budget_waits_and_comes_first_next_time(machine: "FakeMachine") -> None:
    source = source_of(machine, budget=0.02, tick=0.002)
    turns = [source.read(now=60 * number) for number in range(8)]
    assert turns[0].postponed > 0
    looked = [{found.pid for found in reading.processes if found.types is not None} for reading in turns]
    assert set().union(*looked) == {1, 187, 412, 900, 950, 1001}
    assert all(reading.types_ms <= 40 for reading in turns)


def test_a_process_too_large_for_any_budget_has_sampled_names_and_no_types(machine: "FakeMachine") -> None:
    machine.set_links(1001, ["/dev/null"] + ["anon_inode:[eventfd]"] * 2999)
    reading = source_of(machine, budget=0.02).read(now=0)
    big = process(reading, 1001)
    assert big.types is None
    [found] = [item for item in big.objects or [] if item.type == "eventfd"]
    assert found.estimated
    assert found.distinct is None
    assert 2900 <= found.count <= 3000
    assert process(reading, 1).types is not None


def test_where_one_link_cannot_be_read_nothing_is_said_about_types(machine: "FakeMachine") -> None:
    (machine.process(1) / "fd" / "77").touch()
    reading = source_of(machine).read(now=0)
    assert process(reading, 1).types is None
    assert process(reading, 412).types is not None
