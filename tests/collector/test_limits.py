"""What all processes of a machine share: its table of open files and each user's inotify instances."""

import os
from typing import TYPE_CHECKING, Any

import pytest

from collector.sources import SourceOptions
from collector.sources.linux import LinuxSource
from collector.wire import Coverage, Snapshot

if TYPE_CHECKING:
    from tests.collector.conftest import FakeMachine


def write(machine: "FakeMachine", name: str, content: str) -> None:
    path = machine.proc / "sys/fs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def shared(machine: "FakeMachine") -> dict[str, Any]:
    return LinuxSource(SourceOptions(root=machine.root, types_budget_s=1000)).read(now=0).machine or {}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("4832\t0\t814000\n", {"used": 4832, "limit": 814000}),
        ("4832\t32\t9223372036854775807\n", {"used": 4800, "limit": None}),
    ],
)
def test_the_table_of_open_files_is_told(machine: "FakeMachine", content: str, expected: dict[str, int]) -> None:
    write(machine, "file-nr", content)
    assert shared(machine) == {"open_files": expected}


@pytest.mark.parametrize("content", ["", "many\n", "1 2\n"])
def test_what_the_kernel_does_not_tell_is_left_out(machine: "FakeMachine", content: str) -> None:
    write(machine, "file-nr", content)
    assert shared(machine) == {}


def test_inotify_instances_are_summed_by_user_against_their_limit(machine: "FakeMachine") -> None:
    write(machine, "inotify/max_user_instances", "128\n")
    (machine.root / "etc/passwd").write_text(f"app:x:{os.getuid()}:0::/:\n")
    machine.set_links(1, ["anon_inode:inotify"] * 3 + ["/dev/null"])
    machine.set_links(187, ["anon_inode:inotify"])
    assert shared(machine)["inotify"] == {"limit": 128, "users": [{"user": "app", "instances": 4}]}


def test_they_are_remembered_between_looks_and_forgotten_with_the_process(machine: "FakeMachine") -> None:
    write(machine, "inotify/max_user_instances", "128\n")
    machine.set_links(1, ["anon_inode:inotify"] * 3)
    source = LinuxSource(SourceOptions(root=machine.root, types_budget_s=1000))
    first, second = source.read(now=0).machine, source.read(now=60).machine
    assert first == second
    machine.process(1).rename(machine.root / "1")
    third = source.read(now=120).machine
    assert third == {"inotify": {"limit": 128, "users": []}}


def test_a_process_that_has_become_too_large_to_be_read_whole_keeps_what_it_had(machine: "FakeMachine") -> None:
    write(machine, "inotify/max_user_instances", "128\n")
    machine.set_links(1, ["anon_inode:inotify"] * 3)
    source = LinuxSource(SourceOptions(root=machine.root, types_budget_s=0.02), cpu=lambda: 0.0)
    first = source.read(now=0).machine
    machine.set_links(1, ["anon_inode:inotify"] * 3 + ["anon_inode:[eventfd]"] * 3000)
    assert source.read(now=60).machine == first


def test_a_snapshot_carries_them_and_one_without_them_says_nothing() -> None:
    told = {"open_files": {"used": 1, "limit": 2}}
    assert Snapshot(0, Coverage(), [], told).to_json()["machine"] == told
    assert "machine" not in Snapshot(0, Coverage(), []).to_json()


def test_on_this_machine_they_are_what_the_kernel_says() -> None:
    told = LinuxSource(SourceOptions(types_budget_s=0)).read(now=0).machine or {}
    assert told["open_files"]["used"] > 0
    assert told["inotify"]["limit"] > 0
