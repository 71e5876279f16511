"""Counts, identities, names and limits of all processes, read from a fake machine."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.sources import Reading, SourceOptions, procfs
from collector.sources.linux import LinuxSource
from collector.wire import Process

if TYPE_CHECKING:
    from tests.collector.conftest import FakeMachine


def source_of(machine: "FakeMachine", **options: object) -> LinuxSource:
    return LinuxSource(SourceOptions(root=machine.root, types_budget_s=0, **options))  # type: ignore[arg-type]


def by_pid(reading: Reading) -> dict[int, Process]:
    return {process.pid: process for process in reading.processes}


def test_every_process_is_counted(machine: "FakeMachine") -> None:
    found = by_pid(source_of(machine).read(now=0))
    assert {pid: process.handles for pid, process in found.items()} == {1: 8, 187: 3, 412: 4, 900: 1, 950: 6, 1001: 13}


def test_kernel_threads_are_left_out(machine: "FakeMachine") -> None:
    reading = source_of(machine).read(now=0)
    assert 2 not in by_pid(reading)
    assert reading.coverage.processes == 7


def test_a_process_that_cannot_be_understood_is_counted_as_broken(machine: "FakeMachine") -> None:
    coverage = source_of(machine).read(now=0).coverage
    assert (coverage.broken, coverage.denied) == (1, 0)


def test_a_name_may_hold_blanks_and_parentheses(machine: "FakeMachine") -> None:
    assert by_pid(source_of(machine).read(now=0))[187].name == "a) S (b"


@pytest.mark.parametrize(
    ("pid", "name"),
    [(412, "systemd-journald"), (900, "unattended-upgrade-shutdown"), (950, "node"), (1001, "java")],
)
def test_a_name_that_the_kernel_cut_is_made_whole(machine: "FakeMachine", pid: int, name: str) -> None:
    assert by_pid(source_of(machine).read(now=0))[pid].name == name


@pytest.mark.parametrize(("pid", "name"), [(1, "init"), (950, "node"), (187, "unnamed")])
def test_a_process_without_a_name_has_that_of_its_program(machine: "FakeMachine", pid: int, name: str) -> None:
    machine.set_comm(pid, "")
    assert by_pid(source_of(machine).read(now=0))[pid].name == name


def test_nothing_else_of_a_command_line_becomes_a_name(machine: "FakeMachine") -> None:
    (machine.process(412) / "cmdline").write_bytes(b"systemd-journal: password=hunter2\0x\0")
    assert by_pid(source_of(machine).read(now=0))[412].name == "systemd-journal"


def test_limits_are_soft_ones_and_unlimited_is_none(machine: "FakeMachine") -> None:
    found = by_pid(source_of(machine).read(now=0))
    assert (found[1].limit, found[1001].limit, found[187].limit) == (1024, 20, None)


def test_a_process_starts_so_many_ticks_after_boot(machine: "FakeMachine") -> None:
    assert os.sysconf("SC_CLK_TCK") == 100
    found = by_pid(source_of(machine).read(now=0))
    assert (found[1].started_at, found[950].started_at) == ("2026-11-22T12:59:17.260Z", "2026-11-22T13:00:52Z")


def test_a_process_that_goes_while_it_is_read_is_neither_denied_nor_broken(machine: "FakeMachine") -> None:
    (machine.process(412) / "stat").unlink()
    reading = source_of(machine).read(now=0)
    assert 412 not in by_pid(reading)
    assert (reading.coverage.processes, reading.coverage.denied, reading.coverage.broken) == (6, 0, 1)


@pytest.mark.parametrize("file", ["stat", "limits", "cgroup", "exe", "cmdline"])
def test_a_process_may_go_at_any_point_of_its_first_reading(
    machine: "FakeMachine", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """Gone as soon as that file of it is asked for: it is left out or is as it was, and costs the others nothing."""
    read, readlink, gone = procfs.read, os.readlink, tmp_path / "gone"

    def go(path: str) -> None:
        if path == f"{machine.process(412)}/{file}" and not gone.exists():
            machine.process(412).rename(gone)

    def read_late(path: str, most: int = 1 << 20) -> bytes:
        go(path)
        return read(path, most)

    def readlink_late(path: str) -> str:
        go(path)
        return readlink(path)

    monkeypatch.setattr(procfs, "read", read_late)
    monkeypatch.setattr(os, "readlink", readlink_late)
    reading = source_of(machine).read(now=0)
    assert gone.exists()
    assert set(by_pid(reading)) - {412} == {1, 187, 900, 950, 1001}
    assert (reading.coverage.denied, reading.coverage.broken) == (0, 1)


def test_a_gone_process_is_not_an_error(machine: "FakeMachine", tmp_path: Path) -> None:
    source = source_of(machine)
    source.read(now=0)
    machine.process(412).rename(tmp_path / "412")
    reading = source.read(now=60)
    assert 412 not in by_pid(reading)
    assert (reading.coverage.denied, reading.coverage.broken) == (0, 1)


def test_a_reused_pid_is_another_process(machine: "FakeMachine", tmp_path: Path) -> None:
    source = source_of(machine)
    before = by_pid(source.read(now=0))[412]
    machine.process(412).rename(tmp_path / "412")
    machine.process(900).rename(machine.process(412))
    after = by_pid(source.read(now=60))[412]
    assert (before.name, after.name) == ("systemd-journald", "unattended-upgrade-shutdown")
    assert before.started_at != after.started_at


def test_a_steady_process_is_not_read_again_but_for_its_count(machine: "FakeMachine") -> None:
    source = source_of(machine)
    source.read(now=0)
    (machine.process(1) / "stat").unlink()
    (machine.process(1) / "limits").unlink()
    machine.set_links(1, ["/dev/null"])
    process = by_pid(source.read(now=10))[1]
    assert (process.name, process.handles, process.limit) == ("systemd", 1, 1024)


def test_a_name_is_read_again_now_and_then_since_exec_changes_it(machine: "FakeMachine") -> None:
    source = source_of(machine)
    started = by_pid(source.read(now=0))[1].started_at
    machine.set_comm(1, "init")
    assert by_pid(source.read(now=10))[1].name == "systemd"
    after = by_pid(source.read(now=60))[1]
    assert (after.name, after.started_at) == ("init", started)
    machine.set_comm(1, "again")
    assert by_pid(source.read(now=120))[1].name == "init"
    assert by_pid(source.read(now=661))[1].name == "again"


def test_a_limit_is_read_again_from_half_of_it_on(machine: "FakeMachine") -> None:
    source = source_of(machine)
    source.read(now=0)
    machine.set_limit(1001, 4096)
    machine.set_limit(1, 4096)
    found = by_pid(source.read(now=10))
    assert (found[1001].limit, found[1].limit) == (4096, 1024)


def test_what_the_machine_is(machine: "FakeMachine") -> None:
    found = source_of(machine).machine()
    assert found.os == {"family": "linux", "name": "Debian GNU/Linux", "version": "12", "kernel": "6.1.0-18-amd64"}
    assert found.booted_at == "2026-11-22T12:59:17Z"


def test_a_machine_without_os_release_is_still_linux(machine: "FakeMachine") -> None:
    (machine.root / "etc" / "os-release").unlink()
    assert source_of(machine).machine().os["name"] == "Linux"


def test_a_process_has_the_name_of_its_user_or_else_the_number(machine: "FakeMachine") -> None:
    source, own = source_of(machine), os.getuid()
    (machine.root / "etc" / "passwd").write_text(
        f"nobody:x:{own + 1}:0::/:\n+nis\napp:x:{own}:0::/:\nalias:x:{own}:0::/:\n"
    )
    assert {process.user for process in source.read(now=0).processes} == {"app"}
    (machine.root / "etc" / "passwd").unlink()
    assert by_pid(source_of(machine).read(now=0))[950].user == str(own)


def test_the_list_of_users_is_read_again_for_one_that_it_did_not_have(
    machine: "FakeMachine", monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.root / "etc" / "passwd").write_text("app:x:7:0::/:\n")
    owners = {1: 7, 950: 8}
    monkeypatch.setattr(procfs, "owner", lambda process: owners.get(int(Path(process).name), 7))
    source = source_of(machine)
    assert by_pid(source.read(now=0))[950].user == "8"
    (machine.root / "etc" / "passwd").write_text("app:x:7:0::/:\nnew:x:9:0::/:\n")
    owners[1] = 9
    assert by_pid(source.read(now=10_000))[1].user == "new"


def test_a_process_has_the_path_of_its_executable_where_that_may_be_seen(machine: "FakeMachine") -> None:
    source = source_of(machine)
    found = by_pid(source.read(now=0))
    assert (found[950].exe, found[1].exe) == ("/usr/bin/node", None)
    assert found[950].to_json()["exe"] == "/usr/bin/node"
    assert "exe" not in found[1].to_json()


def test_an_executable_that_was_replaced_or_can_be_seen_no_more_is_the_one_it_was(machine: "FakeMachine") -> None:
    link = machine.process(950) / "exe"
    link.unlink()
    link.symlink_to("/usr/bin/node (deleted)")
    source = source_of(machine)
    assert by_pid(source.read(now=0))[950].exe == "/usr/bin/node"
    link.unlink()
    assert by_pid(source.read(now=1000))[950].exe == "/usr/bin/node"
