"""Tables of the size of a large Windows machine: counted right, with the time taken printed."""

import itertools
import time

import pytest

from collector.sources import SourceOptions
from collector.sources.windows import WindowsSource
from tests.collector.windows.machine import (
    FIRST_INDEX,
    TYPES,
    FakeProcess,
    FakeRegistry,
    FakeWindows,
    Object,
    packed,
)

PROCESSES = 400
HANDLES = 200_000
PER_PROCESS = HANDLES // PROCESSES


@pytest.mark.parametrize("together", [True, False])
def test_two_hundred_thousand_handles_are_counted(
    together: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = [Object(TYPES[number % len(TYPES)], f"n-{number}", open=1) for number in range(PER_PROCESS)]
    running = [FakeProcess(4 * number, f"p{number}.exe", objects=kinds) for number in range(1, PROCESSES + 1)]
    order = list(itertools.product(running, range(PER_PROCESS)))
    if not together:  # each handle beside one of another process
        order.sort(key=lambda handle: handle[1])
    index = {name: FIRST_INDEX + number for number, name in enumerate(TYPES)}
    table = packed((process.pid, process.value(position), index[kinds[position].type]) for process, position in order)
    windows = FakeWindows(*running)
    listed = windows.processes()
    monkeypatch.setattr(windows, "processes", lambda: listed)
    monkeypatch.setattr(windows, "handles", lambda: memoryview(table))
    source = WindowsSource(SourceOptions(), kernel=windows, registry=FakeRegistry(), own_pid=0)
    times = []
    for number in range(3):
        before = time.process_time()
        reading = source.read(now=60.0 * number, inspect=frozenset({"p7.exe"}))
        times.append(time.process_time() - before)
        assert {process.handles for process in reading.processes} == {PER_PROCESS}
        assert all(sum((process.types or {}).values()) == PER_PROCESS for process in reading.processes)
    assert len(reading.processes) == PROCESSES
    with capsys.disabled():
        print(f"\n{HANDLES:,} handles of {PROCESSES} processes: {', '.join(f'{1000 * one:.0f} ms' for one in times)}")
