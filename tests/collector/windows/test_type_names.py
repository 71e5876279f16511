"""Names of types are learnt while running: from a handle of each, or from the list by means of an own event."""

import pytest

from collector.sources.windows_buffers import HandleTable
from collector.sources.windows_objects import TypeNames
from tests.collector.windows.machine import FakeProcess, FakeWindows, Object, handle_table, recorded, type_list

OWN = 900


def machine() -> FakeWindows:
    others = [Object("Key"), Object("File"), Object("Event"), Object("File")]
    found = FakeWindows(FakeProcess(8, "a.exe", objects=others), FakeProcess(OWN, "us.exe", objects=[Object("Event")]))
    found.own_handle = 4
    return found


def learnt(windows: FakeWindows) -> tuple[TypeNames, HandleTable]:
    names, table = TypeNames(windows, OWN), HandleTable(windows.handles())
    names.learn(table)
    return names, table


def test_each_type_is_learnt_from_a_handle_of_it() -> None:
    windows = machine()
    names, table = learnt(windows)
    assert names.counts(table.held[8]) == {"Key": 1, "File": 2, "Event": 1}
    assert windows.open_handles == {}
    assert windows.asked == []


def test_what_is_known_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = machine()
    names, _ = learnt(windows)
    monkeypatch.delattr(FakeWindows, "open_process")
    names.learn(HandleTable(windows.handles()))


@pytest.mark.parametrize("own_index", [True, False])
def test_where_no_process_may_be_opened_an_own_event_shows_how_the_list_lies(
    monkeypatch: pytest.MonkeyPatch, own_index: bool
) -> None:
    windows = machine()
    windows.denied = {8, OWN}
    shuffled = ("Directory", "Thread", "Token", "Event", "Process", "File", "Key")
    types = memoryview(type_list(shuffled, own_index=own_index))
    monkeypatch.setattr(windows, "types", lambda: types)
    monkeypatch.setattr("tests.collector.windows.machine.TYPES", shuffled)
    monkeypatch.setattr("tests.collector.windows.machine.FIRST_INDEX", 37)
    names, table = learnt(windows)
    assert names.counts(table.held[8]) == {"Key": 1, "File": 2, "Event": 1}


def test_a_table_of_wine_goes_with_its_list(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = machine()
    windows.denied = {8, OWN}
    windows.own_handle = 92
    monkeypatch.setattr(windows, "types", lambda: recorded("types"))
    names = TypeNames(windows, 260)
    table = HandleTable(recorded("handles"))
    names.learn(table)
    assert names.counts(table.held[40])["Event"] == 101
    assert names.counts(table.held[40])["Key"] == 13


def test_what_nobody_can_name_is_counted_as_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = machine()
    windows.denied = {8, OWN}
    monkeypatch.setattr(windows, "types", lambda: memoryview(b""))
    names, table = learnt(windows)
    assert names.counts(table.held[8]) == {"Unknown": 4}
    windows.denied = set()
    names.learn(table)
    assert names.counts(table.held[8]) == {"Key": 1, "File": 2, "Event": 1}


def test_a_process_that_has_gone_meanwhile_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = machine()
    table = HandleTable(memoryview(handle_table(windows.running)))
    del windows.running[0]
    names = TypeNames(windows, OWN)
    names.learn(table)
    assert names.counts(table.held[8]) == {"Key": 1, "File": 2, "Event": 1}
