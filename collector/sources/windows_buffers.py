"""What Windows' system calls fill buffers with, on 64-bit systems, taken apart. Pure: bytes in, plain values out.

None of it trusts a length that a buffer claims for itself beyond where the buffer ends.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

EPOCH_AS_FILETIME = 11_644_473_600
FILETIME_PER_SECOND = 10_000_000

# SYSTEM_PROCESS_INFORMATION: next entry, creation time, length and address of the image's name, pid, handles, memory.
PROCESS = struct.Struct("<I28xq16xH6xQ8xQ8xI44xQ")
# SYSTEM_HANDLE_TABLE_ENTRY_INFO_EX: 40 bytes, of which the owner's pid, the value and the index of the type matter.
TABLE_HEADER = 16
ENTRY_SIZE = 40
OWNER_AND_TYPE = struct.Struct("<8xQ14xH8x")
OWNER_VALUE_AND_TYPE = struct.Struct("<8xQQ6xH8x")
# OBJECT_TYPE_INFORMATION: room that the name takes behind it, the name's length, the type's own index.
TYPE = struct.Struct("<HH86xB13x")
SERVICE = struct.Struct("<QQ9I4x")
LONGEST_SERVICE_NAME = 256
# In a larger process every so many entries are looked at: a sample needs no more.
MOST_ENTRIES_LOOKED_AT = 50_000


class ProcessEntry(NamedTuple):
    """A process as the system lists it. `created`: FILETIME, 0 where it does not tell. `handles` is its own count of
    them, which is right on Windows alone; `memory` is what is resident, in bytes."""

    pid: int
    created: int
    name: str
    handles: int
    memory: int


class ServiceEntry(NamedTuple):
    """A service or driver. `kind`: the bits of its service type; `pid` 0: it does not run in a process of its own."""

    name: str
    kind: int
    pid: int


class TypeEntry(NamedTuple):
    """A type of object as the system lists it: its name and the index that it says it has, 0 before Windows 8.1."""

    name: str
    own_index: int


def unix_time(filetime: int) -> float:
    return filetime / FILETIME_PER_SECOND - EPOCH_AS_FILETIME


def processes(buffer: memoryview, base: int) -> Iterator[ProcessEntry]:
    """SystemProcessInformation; `base` is the address that the buffer was filled at, since names are pointed to."""
    offset = 0
    while offset + PROCESS.size <= len(buffer):
        following, created, length, address, pid, handles, memory = PROCESS.unpack_from(buffer, offset)
        yield ProcessEntry(pid, created, _text(buffer, address - base, length) if address else "", handles, memory)
        if following < PROCESS.size:
            return
        offset += following


def types(buffer: memoryview) -> Iterator[TypeEntry]:
    """OBJECT_TYPES_INFORMATION, in the system's order."""
    if len(buffer) < 4:
        return
    offset = 8
    for _ in range(struct.unpack_from("<I", buffer)[0]):
        if offset + TYPE.size > len(buffer):
            return
        length, room, index = TYPE.unpack_from(buffer, offset)
        yield TypeEntry(_text(buffer, offset + TYPE.size, length), index)
        offset += TYPE.size + (room + 7 & ~7)


def services(buffer: memoryview, base: int, count: int) -> Iterator[ServiceEntry]:
    """An array of ENUM_SERVICE_STATUS_PROCESSW."""
    for number in range(min(count, len(buffer) // SERVICE.size)):
        name, _, kind, _, _, _, _, _, _, pid, _ = SERVICE.unpack_from(buffer, number * SERVICE.size)
        yield ServiceEntry(text_until_nul(buffer, name - base), kind, pid)


def counted_text(buffer: memoryview, base: int) -> str:
    """A UNICODE_STRING at the beginning of a buffer that holds its text as well, somewhere behind it."""
    length, address = struct.unpack_from("<H6xQ", buffer)
    return _text(buffer, address - base, length)


def text_until_nul(buffer: memoryview, offset: int) -> str:
    if not 0 <= offset <= len(buffer):
        return ""
    content = bytes(buffer[offset : offset + 2 * LONGEST_SERVICE_NAME])
    end = 0
    while end + 1 < len(content) and content[end : end + 2] != b"\0\0":
        end += 2
    return content[:end].decode("utf-16-le", "replace")


def _text(buffer: memoryview, offset: int, length: int) -> str:
    if not 0 <= offset <= offset + length <= len(buffer):
        return ""
    return bytes(buffer[offset : offset + length]).decode("utf-16-le", "replace")


@dataclass(slots=True)
class Held:
    """The handles of one process: how many of each index of type, and where in the table they begin."""

    start: int
    total: int = 0
    by_index: dict[int, int] = field(default_factory=dict)


class HandleTable:
    """SystemExtendedHandleInformation: every handle of every process, counted in one pass."""

    def __init__(self, buffer: memoryview) -> None:
        claimed = struct.unpack_from("<Q", buffer)[0] if len(buffer) >= TABLE_HEADER else 0
        self.length = min(claimed, max(0, len(buffer) - TABLE_HEADER) // ENTRY_SIZE)
        self._entries = buffer[TABLE_HEADER : TABLE_HEADER + self.length * ENTRY_SIZE]
        self.held: dict[int, Held] = {}
        start = 0
        # A Counter keeps the order of first sight, and the system lists one process after the other: so where the
        # handles of a process begin is known without a second pass. `entries_of` checks that.
        for (pid, index), count in Counter(OWNER_AND_TYPE.iter_unpack(self._entries)).items():
            held = self.held.get(pid)
            if held is None:
                held = self.held[pid] = Held(start)
            held.by_index[index] = count
            held.total += count
            start += count

    def entries_of(self, pid: int) -> list[tuple[int, int]]:
        """Value and index of type of the handles of one process; of a very large one evenly spaced entries alone."""
        held = self.held.get(pid)
        if held is None:
            return []
        step = -(-held.total // MOST_ENTRIES_LOOKED_AT)
        own = self._slice(held.start, held.start + held.total, step)
        found = [(value, index) for owner, value, index in own if owner == pid]
        if len(found) < -(-held.total // step):  # not listed one after the other
            everything = OWNER_VALUE_AND_TYPE.iter_unpack(self._entries)
            found = [(value, index) for owner, value, index in everything if owner == pid][::step]
        return found

    def one_of_each(self, wanted: set[int], *, most: int) -> dict[int, list[tuple[int, int]]]:
        """For each wanted index of type up to `most` handles of different processes, as (pid, value)."""
        found: dict[int, list[tuple[int, int]]] = {index: [] for index in wanted}
        for pid, held in self.held.items():
            lacking = {index for index in wanted.intersection(held.by_index) if len(found[index]) < most}
            if lacking:
                for value, index in self.entries_of(pid):
                    if index in lacking:
                        lacking.discard(index)
                        found[index].append((pid, value))
        return found

    def index_of(self, pid: int, value: int) -> int | None:
        return next((index for found, index in self.entries_of(pid) if found == value), None)

    def _slice(self, start: int, end: int, step: int) -> Iterator[tuple[int, int, int]]:
        if step == 1:
            yield from OWNER_VALUE_AND_TYPE.iter_unpack(self._entries[start * ENTRY_SIZE : end * ENTRY_SIZE])
            return
        for number in range(start, end, step):
            yield OWNER_VALUE_AND_TYPE.unpack_from(self._entries, number * ENTRY_SIZE)
