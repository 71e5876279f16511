"""When a process started never changes, whatever happens to the clock, to the collector or to what it keeps."""

import json
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.sources import SourceOptions
from collector.sources.linux import LinuxSource

if TYPE_CHECKING:
    from tests.collector.conftest import FakeMachine

BOOTED = 1795352357
HOUR = 3600


def source_of(machine: "FakeMachine", **options: object) -> LinuxSource:
    return LinuxSource(SourceOptions(root=machine.root, types_budget_s=0, **options))  # type: ignore[arg-type]


def starts(source: LinuxSource, now: float = 0) -> dict[int, str | None]:
    return {process.pid: process.started_at for process in source.read(now=now).processes}


def set_clock_by(machine: "FakeMachine", seconds: int) -> None:
    """As the kernel does: it takes the moment of its boot from the clock as it is now."""
    (machine.proc / "stat").write_text(f"btime {BOOTED + seconds}\n")


@pytest.mark.parametrize("seconds", [-10 * 365 * 86400, -HOUR, -1, 1, HOUR, 10 * 365 * 86400])
def test_a_clock_set_back_or_forward_changes_nothing_while_it_runs_nor_after_a_restart(
    machine: "FakeMachine", tmp_path: Path, seconds: int
) -> None:
    running = source_of(machine, state=tmp_path)
    before = starts(running)
    set_clock_by(machine, seconds)
    assert starts(running, now=60) == before, "read from what it knows"
    assert starts(running, now=100_000) == before, "checked anew"
    again = source_of(machine, state=tmp_path)
    assert starts(again) == before
    assert again.machine().booted_at == "2026-11-22T12:59:17Z"


def test_a_process_that_begins_after_the_clock_was_set_is_counted_from_the_same_boot(
    machine: "FakeMachine", tmp_path: Path
) -> None:
    running = source_of(machine, state=tmp_path)
    expected = starts(source_of(machine))[412]
    late = machine.process(412).rename(tmp_path / "412")
    starts(running)
    set_clock_by(machine, HOUR)
    late.rename(machine.process(412))
    assert starts(running, now=60)[412] == expected


def test_sleep_counts_in_ticks_and_leaves_the_boot_where_it_was(machine: "FakeMachine", tmp_path: Path) -> None:
    """The clock that readings are told, which stands still meanwhile, says nothing of when a process began."""
    source = source_of(machine, state=tmp_path)
    before = starts(source, now=60)
    assert starts(source, now=60.001) == before
    assert starts(source, now=60 + 8 * HOUR) == before


def clear(state: Path) -> None:
    (state / "boot.json").unlink()


def damage(state: Path) -> None:
    (state / "boot.json").write_text("{")


def put_a_list(state: Path) -> None:
    (state / "boot.json").write_text('["boot_id"]')


@pytest.mark.parametrize("lose", [clear, damage, put_a_list])
def test_what_is_kept_and_lost_while_it_runs_is_kept_again(
    machine: "FakeMachine", tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    running = source_of(machine, state=tmp_path)
    before = starts(running)
    lose(tmp_path)
    set_clock_by(machine, HOUR)
    assert starts(running, now=60) == before
    assert starts(source_of(machine, state=tmp_path)) == before


def test_what_could_not_be_kept_at_first_is_kept_once_there_is_room(machine: "FakeMachine", tmp_path: Path) -> None:
    (tmp_path / "boot.tmp").mkdir()
    running = source_of(machine, state=tmp_path)
    before = starts(running)
    (tmp_path / "boot.tmp").rmdir()
    set_clock_by(machine, HOUR)
    starts(running, now=60)
    assert starts(source_of(machine, state=tmp_path)) == before


def test_a_link_that_somebody_laid_is_not_written_through(machine: "FakeMachine", tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "boot.tmp").symlink_to(tmp_path / "precious")
    source_of(machine, state=tmp_path)
    assert (tmp_path / "precious").read_text() == "kept"
    assert json.loads((tmp_path / "boot.json").read_text())["booted_at"] == BOOTED
    assert (tmp_path / "boot.json").stat().st_mode & 0o777 == 0o600


def test_state_lost_between_two_runs_costs_nothing_unless_the_clock_was_set_as_well(
    machine: "FakeMachine", tmp_path: Path
) -> None:
    before = starts(source_of(machine, state=tmp_path))
    clear(tmp_path)
    assert starts(source_of(machine, state=tmp_path)) == before


def test_after_a_reboot_the_boot_time_is_measured_anew(machine: "FakeMachine", tmp_path: Path) -> None:
    source_of(machine, state=tmp_path)
    set_clock_by(machine, HOUR)
    (machine.proc / "sys/kernel/random/boot_id").write_text("another\n")
    assert source_of(machine, state=tmp_path).machine().booted_at == "2026-11-22T13:59:17Z"
    assert json.loads((tmp_path / "boot.json").read_text()) == {"boot_id": "another", "booted_at": BOOTED + HOUR}


def test_showing_keeps_nothing(machine: "FakeMachine", tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    source_of(machine, state=state, keep=False)
    assert list(state.iterdir()) == []


def test_without_a_boot_time_started_at_is_unknown(machine: "FakeMachine") -> None:
    (machine.proc / "stat").write_text("cpu 1 2\n")
    assert starts(source_of(machine))[1] is None


def test_on_this_machine_a_process_started_when_it_did() -> None:
    """Ticks and boot time are of one clock, which counts the time that the machine slept."""
    begun = time.time()
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        started = starts(LinuxSource(SourceOptions(types_budget_s=0)))[sleeper.pid]
    finally:
        sleeper.kill()
        sleeper.wait()
    assert started is not None
    moment = datetime.fromisoformat(started.replace("Z", "+00:00")).timestamp()
    assert abs(moment - begun) < 3
