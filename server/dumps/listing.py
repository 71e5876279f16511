"""Processes put together from a file's rows: handles counted by type and name, the wire's bounds, runs appended."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from server.analysis.readings import MOST, ObjectCount, Process
from server.dumps.names import clean
from server.dumps.text import Text

MOST_PROCESSES = 20_000
MOST_TYPES = 64
MOST_OBJECTS = 200
SOME_PROCESSES = "The file lists only some of the machine's processes; nothing is said about the others."
SYSTEM = frozenset({"system", "idle"})

Item = TypeVar("Item")


@dataclass(slots=True)
class Listing:
    """The handles of one process, counted as their rows are read. `opened` False: the tool said that it could not open
    the process, so that its rows may not be all."""

    pid: int
    name: str
    user: str | None = None
    opened: bool = True
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, kind: str, name: str) -> None:
        self.counts[clean(kind), clean(name)] += 1

    def process(self, *, complete: bool) -> Process:
        """`complete`: every handle was listed; else there is no total, and nothing is said about types."""
        types = by_type(self.counts)
        whole = complete and self.opened and bool(self.counts)  # a process without any row could not be read
        return Process(
            pid=self.pid,
            started_at=None,
            name=clean(self.name),
            handles=self.counts.total() if whole else None,
            types=types if whole else {},
            objects=named(self.counts) if self.counts else None,
            user=self.user and clean(self.user),
        )


def by_type(counts: Counter[tuple[str, str]]) -> dict[str, int]:
    types: Counter[str] = Counter()
    for (kind, _), count in counts.items():
        types[kind] += count
    return largest_types(types)


def largest_types(types: Counter[str]) -> dict[str, int]:
    return dict(types.most_common(MOST_TYPES))


def named(counts: Counter[tuple[str, str]], distinct: Mapping[tuple[str, str], int] | None = None) -> list[ObjectCount]:
    """The most frequent names first; handles on objects without a name count by type alone."""
    most = heapq.nsmallest(MOST_OBJECTS, ((-count, kind, name) for (kind, name), count in counts.items() if name))
    return [
        ObjectCount(type=kind, name=name, count=-count, distinct=distinct.get((kind, name)) if distinct else None)
        for count, kind, name in most
    ]


class Runs(Generic[Item]):
    """What the last of a tool's runs says, by pid. A batch file may append run to run, without a word about the time:
    a pid that comes again begins the next one."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self.count = 1
        self.items: dict[int, Item] = {}

    def start(self) -> None:
        """Another run begins here, unless none has said anything yet."""
        if self.items:
            self.count += 1
            self.items = {}

    def add(self, pid: int, item: Item, *, offset: int) -> None:
        if pid in self.items:
            self.start()
        if len(self.items) >= MOST_PROCESSES:
            raise self._text.damaged(offset, f"no more than {MOST_PROCESSES:,} processes")
        self.items[pid] = item

    @property
    def notes(self) -> tuple[str, ...]:
        if self.count == 1:
            return ()
        return (f"The file holds {self.count:,} runs without times; only the last was read.",)


def lists_all(names: Iterable[str]) -> bool:
    """Whether this is the whole machine: a selection of processes has the system's own only if it was asked for."""
    return any(name.casefold() in SYSTEM for name in names)


def number(digits: str) -> int | None:
    """A whole number within the wire's bounds, else None. Digits of other scripts are none."""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 16):
        return None
    value = int(digits)
    return value if value <= MOST else None
