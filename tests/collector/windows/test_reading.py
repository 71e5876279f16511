"""A reading of a Windows machine: counts and types of everything, names for suspects, and what could not be seen."""

import json
from pathlib import Path

import pytest

from collector.sources import Reading, SourceOptions
from collector.sources.windows import LOOK_EVERY_S, WindowsSource
from collector.sources.windows_files import FileFacts
from collector.wire import Process
from tests.collector.windows.machine import FakeProcess, FakeRegistry, FakeWindows, Object, files_of

V3 = Object("Event", r"\BaseNamedObjects\V3SOCKHOOK")
OWN = 900


class Machine:
    """A fake Windows with a backup program on it, and the source that reads it a minute apart."""

    def __init__(self, *, wine: bool = False, names: bool = True, budget_s: float = 1.0) -> None:
        self.backup = FakeProcess(8, "NTBackup.exe", objects=[Object("File")] * 5 + [Object("Event")] * 20)
        own = FakeProcess(OWN, "python.exe", objects=[Object("Event")])
        self.windows = FakeWindows(FakeProcess(0, ""), FakeProcess(4, "System", created=0), self.backup, own, wine=wine)
        options = SourceOptions(types_budget_s=budget_s, names=names)
        self.ticks = 0.0
        self.source = WindowsSource(
            options,
            kernel=self.windows,
            registry=FakeRegistry(),
            clock=self.tick,
            own_pid=OWN,
            files=files_of(self.windows),
        )
        self.now = 0.0

    def tick(self) -> float:
        return self.ticks

    def read(self, *, inspect: str = "", later_s: float = 60.0) -> Reading:
        self.now += later_s
        return self.source.read(now=self.now, inspect=frozenset(filter(None, [inspect])))

    def read_backup(self, *, inspect: str = "", later_s: float = 60.0) -> Process:
        reading = self.read(inspect=inspect, later_s=later_s)
        return next(one for one in reading.processes if one.pid == 8)


def test_counts_and_types_of_every_process_come_with_every_reading() -> None:
    machine = Machine()
    for _ in range(2):
        reading = machine.read()
        assert [(one.pid, one.name, one.handles, one.types) for one in reading.processes] == [
            (4, "System", 0, None),
            (8, "NTBackup.exe", 25, {"File": 5, "Event": 20}),
            (OWN, "python.exe", 1, {"Event": 1}),
        ]
    assert [one.started_at for one in reading.processes] == [None, *["2026-11-22T12:00:00Z"] * 2]
    assert {one.limit for one in reading.processes} == {16_777_216}
    assert reading.coverage.to_json() == {
        "processes": 3, "denied": 0, "types_denied": 0, "broken": 0, "unnamed": 0
    }  # fmt: skip
    assert machine.source.memory_mb() == 30.0
    assert machine.windows.asked == []


def test_a_process_has_the_path_and_the_version_of_its_program_for_life() -> None:
    machine, path = Machine(), r"C:\Windows\system32\ntbackup.exe"
    machine.windows.image_paths[8] = path
    machine.windows.file_versions[path] = FileFacts("Microsoft Corporation", "5.0.1.1")
    assert (machine.read_backup().exe, machine.read_backup().version) == (path, "5.0.1.1")
    machine.windows.image_paths.clear()
    found = machine.read_backup().to_json()
    assert (found["exe"], found["version"]) == (path, "5.0.1.1")
    assert "exe" not in machine.read().processes[0].to_json()


def test_a_process_that_grows_is_looked_at_by_name() -> None:
    machine = Machine()
    assert machine.read_backup().objects is None
    machine.backup.objects += [V3] * 100
    assert [(one.name, one.count) for one in machine.read_backup().objects or ()] == [(V3.name, 100)]
    assert machine.read_backup().objects is None


def test_growth_of_one_type_under_a_flat_total_is_growth() -> None:
    machine = Machine()
    machine.read()
    machine.backup.objects[:5] = [V3] * 5
    assert machine.read_backup().objects is not None


def test_slow_growth_adds_up() -> None:
    machine = Machine()
    looks = []
    for _ in range(5):
        looks.append(machine.read_backup(later_s=LOOK_EVERY_S).objects is not None)
        machine.backup.objects.append(V3)
    assert looks == [False, False, False, False, True]


def test_what_the_server_asks_for_is_looked_at_once_in_ten_minutes() -> None:
    machine = Machine()
    looks = [machine.read_backup(inspect="ntbackup.exe").objects is not None for _ in range(21)]
    assert [number for number, looked in enumerate(looks) if looked] == [0, 10, 20]


def test_a_process_that_may_not_be_opened_is_counted_all_the_same() -> None:
    machine = Machine()
    machine.read()
    machine.backup.objects += [V3] * 100
    machine.windows.denied = {8}
    reading = machine.read()
    found = reading.processes[1]
    assert (found.handles, found.types, found.objects) == (125, {"File": 5, "Event": 120}, None)
    assert (reading.coverage.unnamed, reading.coverage.denied) == (1, 0)
    assert "names of 1 of 3 processes not readable, their counts are" in reading.unseen[0]
    assert [one.to_json().get("unnamed") for one in reading.processes] == [None, True, None]
    assert machine.read_backup().unnamed, "until it has been opened"
    machine.windows.denied.clear()
    machine.backup.objects += [V3] * 100
    assert not machine.read_backup().unnamed


def test_names_can_be_switched_off() -> None:
    machine = Machine(names=False)
    machine.read()
    machine.backup.objects += [V3] * 100
    assert machine.read_backup(inspect="ntbackup.exe").objects is None
    assert machine.windows.asked == []


def test_what_does_not_fit_the_budget_waits_for_the_next_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(budget_s=0.5)
    machine.read()
    machine.backup.objects += [V3] * 100
    name_of = machine.windows.object_name

    def slow(handle: int) -> str | None:
        machine.ticks += 0.4
        return name_of(handle)

    monkeypatch.setattr(machine.windows, "object_name", slow)
    reading = machine.read()
    assert (reading.postponed, reading.looked, reading.processes[1].objects) == (1, 0, None)
    monkeypatch.undo()
    reading = machine.read()
    assert (reading.postponed, reading.looked) == (0, 1)


def test_a_new_process_under_an_old_pid_is_another_one() -> None:
    machine = Machine()
    machine.read()
    machine.backup.created += 10_000_000
    machine.backup.objects += [V3] * 100
    found = machine.read_backup()
    assert (found.started_at, found.objects) == ("2026-11-22T12:00:01Z", None)


def test_a_process_between_the_two_calls_has_the_count_that_windows_tells() -> None:
    machine = Machine()
    machine.windows.process(4).told = 77
    assert machine.read().processes[0].handles == 77


def test_under_wine_the_processes_own_counts_are_not_believed() -> None:
    machine = Machine(wine=True)
    machine.windows.process(4).told = 128
    assert machine.read().processes[0].handles == 0


@pytest.mark.parametrize(("wine", "handles", "denied"), [(False, 25, 0), (True, None, 3)])
def test_without_the_table_there_are_counts_at_least(wine: bool, handles: int | None, denied: int) -> None:
    machine = Machine(wine=wine)
    machine.windows.table_refused = True
    reading = machine.read()
    assert (reading.processes[1].handles, reading.processes[1].types) == (handles, None)
    assert reading.coverage.denied == denied
    assert "does not give this program the table of handles" in reading.unseen[0]


def test_the_boot_time_stays_when_the_clock_is_set(tmp_path: Path) -> None:
    machine = Machine()
    options = SourceOptions(state=tmp_path)

    def booted_at() -> str | None:
        source = WindowsSource(options, kernel=machine.windows, registry=FakeRegistry(), own_pid=OWN)
        return source.machine().booted_at

    assert booted_at() == "2026-11-22T11:00:00Z"
    machine.windows.boot += 7200 * 10_000_000
    assert booted_at() == "2026-11-22T11:00:00Z"
    for process in machine.windows.running:
        process.created += 10_000_000_000
    assert booted_at() == "2026-11-22T13:00:00Z"
    assert json.loads((tmp_path / "boot.json").read_text())["booted_at"] == 1795352400


def test_a_boot_time_that_was_kept_and_lost_is_kept_again(tmp_path: Path) -> None:
    source = WindowsSource(
        SourceOptions(state=tmp_path), kernel=Machine().windows, registry=FakeRegistry(), own_pid=OWN
    )
    kept = (tmp_path / "boot.json").read_text()
    (tmp_path / "boot.json").unlink()
    source.read(now=60)
    assert (tmp_path / "boot.json").read_text() == kept
