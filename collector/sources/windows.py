"""Reads every process of a Windows machine: two calls for all processes and all handles, then names for suspects."""

import os
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from collector.sources import (
    Machine,
    NotThereYet,
    Reading,
    Source,
    SourceOptions,
    asked_for,
    windows_buffers,
    windows_facts,
)
from collector.sources.boot import BootTime
from collector.sources.windows_buffers import HandleTable, ProcessEntry
from collector.sources.windows_facts import Instances, Registry
from collector.sources.windows_files import Files
from collector.sources.windows_objects import NAMEABLE, Kernel, ObjectNames, TooLong, TypeNames
from collector.wire import Coverage, Inventory, Process, rfc3339

LIMIT = 16_777_216
# What a count may move before it is taken for growth: four handles, or a part in 64.
MOVES, MOVES_SHIFT = 4, 6
LOOK_EVERY_S = 600.0
MOST_TYPES = 64  # as the wire format bounds a process
IDLE = 0


@dataclass(slots=True)
class Known:
    """A process between readings. `seen` is what it held of each type when it was last compared, `held` in all;
    `instance_tries`: in how many readings its instance is still looked for."""

    instance_tries: int
    exe: str | None
    version: str | None
    started_at: str | None
    held: int
    seen: dict[str, int]
    compared_at: float
    instance: str | None = None
    looked_at: float | None = None
    due_since: float | None = None
    names_denied: bool = False


@dataclass(slots=True)
class Suspect:
    """A process whose names are due in this reading."""

    known: Known
    process: Process
    types: dict[str, int] = field(default_factory=dict)


class WindowsSource:
    """Readings through `kernel` and `registry`. `clock` counts its own cost and bounds it: elapsed time, since the CPU
    time that Windows keeps moves in steps of 16 ms."""

    name = "windows"

    def __init__(
        self,
        options: SourceOptions,
        *,
        kernel: Kernel,
        registry: Registry,
        clock: Callable[[], float] = time.perf_counter,
        own_pid: int | None = None,
        files: Files | None = None,
    ) -> None:
        self._options = options
        self._kernel = kernel
        self._registry = registry
        self._clock = clock
        self._own_pid = os.getpid() if own_pid is None else own_pid
        self._known: dict[tuple[int, int], Known] = {}
        self._types = TypeNames(kernel, self._own_pid)
        self._objects = ObjectNames(kernel, self._types, clock=clock)
        self._instances = Instances(kernel, registry)
        self._files = files or Files(kernel)
        self._boot = _boot_time(kernel, options.state, keep=options.keep)
        self._memory: int | None = None
        if options.names:
            kernel.allow_debugging()

    def machine(self) -> Machine:
        return Machine(
            os=windows_facts.operating_system(self._kernel, self._registry),
            booted_at=None if self._boot.seconds is None else rfc3339(self._boot.seconds),
        )

    def inventory(self) -> Inventory | None:
        variables = {name.upper(): value for name, value in os.environ.items()}
        return windows_facts.inventory(self._kernel, self._registry, self._files, variables)

    def memory_mb(self) -> float | None:
        return None if self._memory is None else round(self._memory / 2**20, 1)

    def read(self, *, now: float, inspect: frozenset[str] = frozenset()) -> Reading:
        begun = self._clock()
        self._boot.keep()
        buffer, base = self._kernel.processes()
        entries = [entry for entry in windows_buffers.processes(buffer, base) if entry.pid != IDLE]
        table = self._table()
        reading = Reading(processes=[], coverage=Coverage(unnamed=0))
        suspects = self._count(reading, entries, table, now, inspect)
        counted = self._clock()
        if table is not None and self._options.names and self._options.types_budget_s > 0:
            self._name(reading, suspects, table, now)
        reading.coverage.unnamed = sum(known.names_denied for known in self._known.values())
        reading.read_ms = (counted - begun) * 1000
        reading.types_ms = (self._clock() - counted) * 1000
        reading.unseen = _unseen(reading.coverage, table)
        return reading

    def _table(self) -> HandleTable | None:
        """None where Windows does not give it, as to programs that it has put into a sandbox."""
        try:
            table = HandleTable(self._kernel.handles())
        except PermissionError:
            return None
        self._types.learn(table)
        return table

    def _count(
        self,
        reading: Reading,
        entries: list[ProcessEntry],
        table: HandleTable | None,
        now: float,
        inspect: frozenset[str],
    ) -> list[Suspect]:
        """Fills `reading` with every process and returns those whose names are due."""
        self._instances.begin()
        suspects: list[Suspect] = []
        seen: dict[tuple[int, int], Known] = {}
        for entry in entries:
            types, handles = self._held(entry, table)
            known = self._identify(entry, types, handles, now)
            seen[entry.pid, entry.created] = known
            process = Process(entry.pid, known.started_at, entry.name or f"pid {entry.pid}", handles, LIMIT)
            process.instance, process.types = known.instance, _most(types)
            process.exe, process.version, process.unnamed = known.exe, known.version, known.names_denied
            reading.processes.append(process)
            if handles is None:
                reading.coverage.denied += 1
            elif self._is_due(known, process, types, now, inspect):
                suspects.append(Suspect(known, process, types))
            if entry.pid == self._own_pid:
                self._memory = entry.memory
        reading.coverage.processes = len(reading.processes)
        self._known = seen
        return suspects

    def _held(self, entry: ProcessEntry, table: HandleTable | None) -> tuple[dict[str, int], int | None]:
        """Counts by type and in all. A process that came or went between the two calls has the system's own count."""
        held = None if table is None else table.held.get(entry.pid)
        if held is not None:
            return self._types.counts(held), held.total
        if not self._kernel.wine:
            return {}, entry.handles
        return {}, None if table is None else 0

    def _identify(self, entry: ProcessEntry, types: dict[str, int], handles: int | None, now: float) -> Known:
        known = self._known.get((entry.pid, entry.created))
        if known is None:
            exe = self._kernel.image_path(entry.pid)
            known = Known(
                exe=exe,
                version=self._files.of(exe).version,
                instance_tries=self._instances.tries(entry.name),
                started_at=rfc3339(windows_buffers.unix_time(entry.created)) if entry.created > 0 else None,
                held=handles or 0,
                seen=types,
                compared_at=now,
            )
        if known.instance_tries:
            known.instance = self._instances.of(entry.pid, entry.name)
            known.instance_tries = known.instance_tries - 1 if known.instance is None else 0
        return known

    def _is_due(
        self, known: Known, process: Process, types: dict[str, int], now: float, inspect: frozenset[str]
    ) -> bool:
        """Due are those that hold clearly more than when last compared, in all or of a nameable type, and, once their
        counts have moved or after ten minutes, those that are near the limit or that the server asks for."""
        handles = process.handles or 0
        growing = _grown(known.held, handles) or any(
            _grown(known.seen.get(name, 0), count) for name, count in types.items() if name in NAMEABLE
        )
        elsewise = asked_for(process, inspect) or 2 * handles >= LIMIT
        rested = known.looked_at is None or now - known.looked_at >= LOOK_EVERY_S
        due = growing or (elsewise and (rested or types != known.seen))
        if due:
            known.due_since = now if known.due_since is None else known.due_since
        elif now - known.compared_at >= LOOK_EVERY_S:
            # Only downwards: slow growth adds up until it is worth a look.
            known.held, known.compared_at = min(known.held, handles), now
            known.seen = {name: min(count, known.seen.get(name, 0)) for name, count in types.items()}
        return due

    def _name(self, reading: Reading, suspects: list[Suspect], table: HandleTable, now: float) -> None:
        """Looks at suspects, those that waited longest first, until the budget is used up."""
        deadline = self._clock() + self._options.types_budget_s

        def waiting_since(suspect: Suspect) -> float:
            return suspect.known.due_since if suspect.known.due_since is not None else now

        for suspect in sorted(suspects, key=waiting_since):
            known, process = suspect.known, suspect.process
            if self._clock() > deadline:
                reading.postponed += 1
                continue
            try:
                process.objects = self._objects.look(table, process.pid, deadline=deadline)
            except TooLong:
                reading.postponed += 1
                continue
            except ProcessLookupError:
                continue
            except PermissionError:
                known.names_denied = process.unnamed = True
            else:
                known.names_denied = process.unnamed = False
                reading.looked += 1
            known.held, known.seen = process.handles or 0, suspect.types
            known.looked_at = known.compared_at = now
            known.due_since = None


def open_source(options: SourceOptions) -> Source:
    """The source of the machine that this runs on.

    Raises NotThereYet where this Python cannot read it.
    """
    if struct.calcsize("P") != 8:
        raise NotThereYet("a 32-bit Python sees only part of a 64-bit Windows: use a 64-bit Python")
    if sys.platform == "win32":
        from collector.sources.windows_calls import WindowsKernel, WindowsRegistry

        return WindowsSource(options, kernel=WindowsKernel(), registry=WindowsRegistry())
    raise NotThereYet("the source for Windows reads Windows alone")


def _most(types: dict[str, int]) -> dict[str, int] | None:
    if len(types) > MOST_TYPES:
        types = dict(sorted(types.items(), key=lambda item: -item[1])[:MOST_TYPES])
    return types or None


def _grown(before: int, now: int) -> bool:
    return now - before >= max(MOVES, before >> MOVES_SHIFT)


def _unseen(coverage: Coverage, table: HandleTable | None) -> list[str]:
    found = []
    if table is None:
        found.append("Windows does not give this program the table of handles: counts only, without types")
    if coverage.unnamed:
        found.append(
            f"names of {coverage.unnamed} of {coverage.processes} processes not readable, their counts are; "
            "run as an administrator to see more (protected processes show theirs to nobody)"
        )
    return found


def _boot_time(kernel: Kernel, state: Path | None, *, keep: bool) -> BootTime:
    """Windows moves it with the clock. A boot is known by when its oldest process was created, which never changes."""
    buffer, base = kernel.processes()
    boot = min((entry.created for entry in windows_buffers.processes(buffer, base) if entry.created > 0), default=None)
    return BootTime(boot, round(windows_buffers.unix_time(kernel.booted())), state, keep=keep)
