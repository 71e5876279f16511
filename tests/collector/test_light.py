"""What a reading may cost: CPU on a machine with 2,000 processes and 1,000,000 handles, and the time kept for types."""

import os
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from collector.sources import SourceOptions, linux
from collector.sources.linux import LinuxSource

if TYPE_CHECKING:
    from tests.collector.conftest import FakeMachine

PROCESSES, EACH = 2_000, 500
STAT = "{pid} (worker) S 1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 {ticks} 0 0 0\n"
LIMITS = "Max open files            1048576              1048576              files     \n"


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    for pid in range(1, PROCESSES + 1):
        process = tmp_path / "proc" / str(pid)
        (process / "fd").mkdir(parents=True)
        (process / "stat").write_text(STAT.format(pid=pid, ticks=1000 + pid))
        (process / "limits").write_text(LIMITS)
        (process / "cgroup").write_text(f"0::/system.slice/service-{pid % 50}.service\n")
    (tmp_path / "proc" / "stat").write_text("btime 1795352357\n")
    return tmp_path


def test_two_thousand_processes_with_a_million_handles_take_less_than_a_second(
    crowd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size of a directory is a count in a real /proc alone, so here it is said to be."""
    stat = os.stat

    def told(path: Any, **options: Any) -> Any:
        found = stat(path, **options)
        if str(path).endswith("/fd"):
            return SimpleNamespace(st_ino=found.st_ino, st_size=EACH)
        return found

    monkeypatch.setattr(linux, "_count_is_in_stat", lambda own: True)
    monkeypatch.setattr(os, "stat", told)
    source = LinuxSource(SourceOptions(root=crowd))
    spent = []
    for now in (0, 60, 120, 700):
        begun = time.thread_time()
        reading = source.read(now=now)
        spent.append(time.thread_time() - begun)
        assert sum(process.handles or 0 for process in reading.processes) == PROCESSES * EACH
    assert max(spent) < 1


def test_the_time_kept_for_types_is_kept_and_its_use_reported(machine: "FakeMachine") -> None:
    """Each time the clock is asked a tenth of the budget has gone by."""
    tick = count()
    source = LinuxSource(SourceOptions(root=machine.root, types_budget_s=0.02), cpu=lambda: next(tick) * 0.002)
    for pid in (1, 187, 412, 900, 950, 1001):
        machine.set_links(pid, ["anon_inode:[eventfd]"] * 40)
    readings = [source.read(now=60.0 * number) for number in range(12)]
    assert readings[0].postponed > 0
    assert all(reading.types_ms <= 2 * 20 for reading in readings)
    assert sum(reading.looked for reading in readings[:9]) == 6, "each once, and none again within ten minutes"


def test_types_of_a_process_that_did_not_move_are_read_every_ten_minutes_at_most(machine: "FakeMachine") -> None:
    source = LinuxSource(SourceOptions(root=machine.root, types_budget_s=1000))
    times = [now for now in range(0, 7200, 60) if source.read(now=now).looked]
    assert times == list(range(0, 7200, 600))


def test_its_own_handles_do_not_grow_over_ten_thousand_readings(machine: "FakeMachine") -> None:
    source = LinuxSource(SourceOptions(root=machine.root, types_budget_s=1000))
    source.read(now=0)
    before = os.listdir("/proc/self/fd")
    for number in range(1, 10_000):
        source.read(now=60.0 * number)
    assert len(os.listdir("/proc/self/fd")) <= len(before)
