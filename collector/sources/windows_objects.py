"""What handles lead to on Windows: names of types, learnt while running, and names of objects, from small samples.

Only objects of `NAMEABLE` are ever asked for their names: for a File, Windows may never answer.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from collector.names import template
from collector.sources import windows_buffers
from collector.sources.windows_buffers import HandleTable, Held, ServiceEntry
from collector.sources.windows_files import FileFacts
from collector.wire import NamedObject

# fmt: off
NAMEABLE = frozenset({
    "Event", "Mutant", "Semaphore", "Timer", "Section", "Job", "Directory", "SymbolicLink", "Key", "WindowStation",
    "Desktop",
})
# fmt: on
UNKNOWN = "Unknown"
CALIBRATION = "Event"
SAMPLE = 32
# A sample may be wrong by so many of its handles before it is believed against the count that the object itself tells.
STEPS_OF_DOUBT = 2
MOST_OBJECTS = 20
PROCESSES_ASKED_FOR_A_TYPE = 4


class Kernel(Protocol):
    """The system calls of one machine. Handles are plain numbers, FILETIMEs and buffers as Windows gives them.

    `wine`: the processes' own counts of their handles are wrong. `own_handle`: the value of an event held open here.
    """

    wine: bool

    @property
    def own_handle(self) -> int: ...

    def processes(self) -> tuple[memoryview, int]: ...

    def handles(self) -> memoryview: ...

    def types(self) -> memoryview: ...

    def booted(self) -> int: ...

    def open_process(self, pid: int) -> int: ...

    def duplicate(self, process: int, value: int) -> int | None: ...

    def close(self, handle: int) -> None: ...

    def type_name(self, handle: int) -> str | None: ...

    def object_name(self, handle: int) -> str | None: ...

    def open_count(self, handle: int) -> int | None: ...

    def command_line(self, pid: int) -> str | None: ...

    def image_path(self, pid: int) -> str | None: ...

    def is_remote(self, drive: str) -> bool: ...

    def file_facts(self, path: str) -> FileFacts: ...

    def services(self) -> list[ServiceEntry]: ...

    def version(self) -> tuple[int, int, int, str, int]: ...

    def allow_debugging(self) -> None: ...


class TypeNames:
    """Index in the handle table to name of type. The numbers change with each build of Windows, so each one that
    turns up is learnt from a handle of that type, or else from the list of types, laid beside the table by means of
    this program's own event."""

    def __init__(self, kernel: Kernel, own_pid: int) -> None:
        self._kernel = kernel
        self._own_pid = own_pid
        self._names: dict[int, str] = {}

    def learn(self, table: HandleTable) -> None:
        """Sees to it that each index of the table has a name."""
        unseen = {index for held in table.held.values() for index in held.by_index} - self._names.keys()
        if not unseen:
            return
        for index, samples in table.one_of_each(unseen, most=PROCESSES_ASKED_FOR_A_TYPE).items():
            name = next(filter(None, map(self._ask, samples)), None)
            if name is not None:
                self._names[index] = name
        left = unseen - self._names.keys()
        if left:
            listed = self._listed(table)
            # What is still unknown is tried again at the next reading: its handle may just have been closed.
            self._names |= {index: listed[index] for index in left & listed.keys()}

    def counts(self, held: Held) -> dict[str, int]:
        found: dict[str, int] = {}
        for index, count in held.by_index.items():
            name = self._names.get(index, UNKNOWN)
            found[name] = found.get(name, 0) + count
        return found

    def of(self, index: int) -> str:
        return self._names.get(index, UNKNOWN)

    def _ask(self, sample: tuple[int, int]) -> str | None:
        pid, value = sample
        try:
            with _opened(self._kernel, pid) as process, _duplicate(self._kernel, process, value) as copy:
                return None if copy is None else self._kernel.type_name(copy) or None
        except (PermissionError, ProcessLookupError):
            return None

    def _listed(self, table: HandleTable) -> dict[int, str]:
        """By the list of types: where each one stands, or what index it says it has, is off by a constant."""
        entries = list(windows_buffers.types(self._kernel.types()))
        own = table.index_of(self._own_pid, self._kernel.own_handle)
        place = next((place for place, entry in enumerate(entries) if entry.name == CALIBRATION), None)
        if own is None or place is None:
            return {}
        if entries[place].own_index:
            return {entry.own_index + own - entries[place].own_index: entry.name for entry in entries}
        return {number + own - place: entry.name for number, entry in enumerate(entries)}


@dataclass(slots=True)
class _Sampled:
    """Handles of one type that were asked for their names: how many answered, and what they said."""

    asked: int = 0
    named: Counter[str] = field(default_factory=Counter)
    # Handles to the object of that name in all processes, this program's duplicate not counted.
    open: dict[str, int] = field(default_factory=dict)


class TooLong(Exception):
    """The budget ended in the middle of a process."""


class ObjectNames:
    """Names of what one process holds. `clock` is the one that budgets are kept by."""

    def __init__(self, kernel: Kernel, types: TypeNames, *, clock: Callable[[], float]) -> None:
        self._kernel = kernel
        self._types = types
        self._clock = clock

    def look(self, table: HandleTable, pid: int, *, deadline: float) -> list[NamedObject]:
        """The most frequent names of the process's nameable handles.

        Raises PermissionError where it may not be opened, ProcessLookupError where it has gone, and TooLong.
        """
        with _opened(self._kernel, pid) as process:
            values: dict[str, list[int]] = {}
            for value, index in table.entries_of(pid):
                name = self._types.of(index)
                if name in NAMEABLE:
                    values.setdefault(name, []).append(value)
            counts = self._types.counts(table.held[pid]) if pid in table.held else {}
            found: list[NamedObject] = []
            for type_name, own in values.items():
                sampled = self._sample(process, type_name, _evenly(own, SAMPLE), deadline)
                found += _objects(type_name, sampled, counts[type_name])
        return sorted(found, key=lambda one: (-one.count, one.type, one.name))[:MOST_OBJECTS]

    def _sample(self, process: int, type_name: str, values: list[int], deadline: float) -> _Sampled:
        sampled = _Sampled()
        for value in values:
            if self._clock() > deadline:
                raise TooLong
            with _duplicate(self._kernel, process, value) as copy:
                # Closed since the table was read; or its number given to another object, and of a File no name may be
                # asked.
                if copy is None or self._kernel.type_name(copy) != type_name:
                    continue
                sampled.asked += 1
                name = self._kernel.object_name(copy)
                if name:
                    sampled.named[name] += 1
                    sampled.open[name] = max(1, (self._kernel.open_count(copy) or 0) - 1)
        return sampled


@contextmanager
def _opened(kernel: Kernel, pid: int) -> Iterator[int]:
    """Raises PermissionError, or ProcessLookupError."""
    process = kernel.open_process(pid)
    try:
        yield process
    finally:
        kernel.close(process)


@contextmanager
def _duplicate(kernel: Kernel, process: int, value: int) -> Iterator[int | None]:
    """None for a handle that has been closed. Raises PermissionError."""
    copy = kernel.duplicate(process, value)
    try:
        yield copy
    finally:
        if copy is not None:
            kernel.close(copy)


def _evenly(values: list[int], most: int) -> list[int]:
    if len(values) <= most:
        return values
    return [values[number * len(values) // most] for number in range(most)]


def _objects(type_name: str, sampled: _Sampled, held: int) -> list[NamedObject]:
    """Scaled up from the sample to all handles of the type that the process holds; exact where all were asked."""
    names: dict[str, list[str]] = {}
    for name in sampled.named:
        names.setdefault(template(name), []).append(name)
    if sampled.asked >= held:
        return [
            NamedObject(type_name, folded, sum(sampled.named[name] for name in same), len(same))
            for folded, same in names.items()
        ]
    scale = held / sampled.asked if sampled.asked else 0.0
    found = []
    for folded, same in names.items():
        seen = sum(sampled.named[name] for name in same)
        count = round(seen * scale)
        # A handle to an object of a thousand handles stands for a thousandth of an object.
        distinct = round(scale * sum(sampled.named[name] / sampled.open[name] for name in same))
        if distinct <= len(same):  # there are no others: what all processes hold of these bounds what this one does,
            everywhere = sum(sampled.open[name] for name in same)
            # and is the better answer unless the sample says that others hold a good part of it.
            count = min(everywhere, held) if everywhere - count <= STEPS_OF_DOUBT * scale else count
        count = max(count, seen)
        found.append(NamedObject(type_name, folded, count, min(count, max(distinct, len(same))), estimated=True))
    return found
