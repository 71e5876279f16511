"""Buffers as Windows fills them: recorded ones, made-up ones, and ones that claim more than they hold."""

import struct
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sources import windows_buffers
from collector.sources.windows_buffers import HandleTable
from tests.collector.windows.machine import BASE, FakeProcess, packed, process_list, recorded, recorded_facts, type_list


def test_the_recorded_processes_are_all_there() -> None:
    found = list(windows_buffers.processes(recorded("processes"), recorded_facts()["base"]))
    assert Counter(one.name for one in found) == {
        "python.exe": 2, "ntbackup.exe": 1, "services.exe": 1, "winedevice.exe": 2, "explorer.exe": 1,
        "plugplay.exe": 1, "svchost.exe": 1, "rpcss.exe": 1,
    }  # fmt: skip
    assert all(one.created > 0 and 1 << 20 < one.memory < 1 << 30 for one in found)
    assert len({one.pid for one in found}) == len(found)


def test_the_recorded_handles_are_counted_by_owner_and_type() -> None:
    table = HandleTable(recorded("handles"))
    names = {one.pid: one.name for one in windows_buffers.processes(recorded("processes"), recorded_facts()["base"])}
    held = {names[pid]: held for pid, held in table.held.items() if names[pid] == "ntbackup.exe"}
    assert held["ntbackup.exe"].by_index[8] == 101
    assert sum(one.total for one in table.held.values()) == table.length == 476


def test_the_recorded_types_have_names_and_indices() -> None:
    found = list(windows_buffers.types(recorded("types")))
    assert [one.name for one in found[8:11]] == ["Event", "Mutant", "Semaphore"]
    assert [one.own_index for one in found] == list(range(2, 22))


def test_the_recorded_entries_of_a_process_are_where_they_are_said_to_be() -> None:
    table = HandleTable(recorded("handles"))
    for pid, held in table.held.items():
        assert Counter(index for _, index in table.entries_of(pid)) == held.by_index
    assert table.index_of(recorded_facts()["own_pid"], recorded_facts()["own_handle"]) == 8


def test_handles_that_are_not_listed_together_are_found_all_the_same() -> None:
    table = HandleTable(memoryview(packed(iter([(8, 4, 3), (12, 4, 3), (8, 8, 5), (12, 8, 3)]))))
    assert table.entries_of(8) == [(4, 3), (8, 5)]
    assert table.entries_of(12) == [(4, 3), (8, 3)]
    assert table.entries_of(16) == []


def test_of_a_very_large_process_evenly_spaced_entries_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_buffers, "MOST_ENTRIES_LOOKED_AT", 10)
    table = HandleTable(memoryview(packed((8, 4 * number, 3) for number in range(95))))
    assert [value for value, _ in table.entries_of(8)] == [4 * number for number in range(0, 95, 10)]


def test_names_outside_the_buffer_are_empty() -> None:
    content = bytearray(process_list([FakeProcess(8, "a.exe"), FakeProcess(12, "b.exe")]))
    struct.pack_into("<Q", content, 64, BASE - 1)
    assert [one.name for one in windows_buffers.processes(memoryview(content), BASE)] == ["", "b.exe"]


def test_half_a_name_is_no_error() -> None:
    content = bytearray(process_list([FakeProcess(8, "a.exe")]))
    struct.pack_into("<H", content, 56, 7)
    assert next(windows_buffers.processes(memoryview(content), BASE)).pid == 8


@given(st.binary(max_size=600), st.integers(0, 1 << 64))
def test_nothing_that_a_buffer_says_leads_out_of_it(content: bytes, base: int) -> None:
    view = memoryview(content)
    table = HandleTable(view)
    assert sum(held.total for held in table.held.values()) == table.length <= len(content) // 40
    assert len(list(windows_buffers.processes(view, base))) <= len(content) // 100
    assert len(list(windows_buffers.types(view))) <= len(content) // 104
    assert len(list(windows_buffers.services(view, base, 1 << 31))) <= len(content) // 56


def test_types_without_an_index_of_their_own_are_listed_in_order() -> None:
    found = list(windows_buffers.types(memoryview(type_list(("Type", "ALPC Port", "Event"), own_index=False))))
    assert [(one.name, one.own_index) for one in found] == [("Type", 0), ("ALPC Port", 0), ("Event", 0)]
