"""Two moments of one program side by side: what it held at each, by type and by name, and what has changed."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from server.analysis.frames import ABSENT, UNKNOWN, Frame, ProcessKey
from server.analysis.names import template

MOST_NAMES = 200  # listed of a process: where there are so many, a name left out may still be there

Chosen = Callable[[ProcessKey], bool]
TypeName = tuple[str, str]
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Held:
    """What the chosen processes held at one time (as shown). handles None: not known. types, objects None: nobody
    looked. `complete`: a name that is not listed counts 0."""

    time_us: int
    pids: tuple[int, ...]
    handles: int | None
    types: Mapping[str, int] | None
    objects: Mapping[TypeName, int] | None
    complete: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One type (name None) or one name at both times; None: not known."""

    type: str
    name: str | None
    before: int | None
    after: int | None

    @property
    def difference(self) -> int | None:
        return None if self.before is None or self.after is None else self.after - self.before


def looked_at(frame: Frame, chosen: Chosen) -> Iterator[int]:
    """The shown times at which types or names of any chosen process were told."""
    rows = [row for row, process in enumerate(frame.processes) if chosen(process)]
    told = frame.looked[rows].any(axis=0) if rows else np.zeros(len(frame.times), np.bool_)
    types = [i for i, (row, _) in enumerate(frame.type_rows) if row in set(rows)]
    if types:
        told = told | (frame.types.last[types] != UNKNOWN).any(axis=0)
    yield from frame.shown[told].tolist()


def held(frame: Frame, chosen: Chosen) -> Held:
    """Of a frame of one column."""
    rows = {
        row for row, process in enumerate(frame.processes) if chosen(process) and frame.handles.last[row, 0] != ABSENT
    }
    counts = [int(frame.handles.last[row, 0]) for row in rows]
    types: dict[str, int] = {}
    for i, (row, kind) in enumerate(frame.type_rows):
        count = int(frame.types.last[i, 0])
        if row in rows and count >= 0:
            types[kind] = types.get(kind, 0) + count
    objects: dict[TypeName, int] = {}
    listed: dict[int, int] = {}
    for i, (row, kind, name) in enumerate(frame.object_rows):
        count = int(frame.objects.last[i, 0])
        if row in rows and count >= 0:
            key = (kind, template(name))
            objects[key] = objects.get(key, 0) + count
            listed[row] = listed.get(row, 0) + 1
    return Held(
        time_us=int(frame.shown[0]),
        pids=tuple(sorted(frame.processes[row].pid for row in rows)),
        handles=sum(counts) if counts and min(counts) >= 0 else None,
        types=types or None,
        objects=objects if any(frame.looked[row, 0] for row in rows) else None,
        complete=max(listed.values(), default=0) < MOST_NAMES,
    )


def compare_types(before: Held, after: Held) -> list[Change]:
    kinds = {**(before.types or {}), **(after.types or {})}
    changes = [Change(kind, None, _of(before.types, kind, 0), _of(after.types, kind, 0)) for kind in kinds]
    return sorted(changes, key=_order)


def compare_names(before: Held, after: Held) -> list[Change]:
    names = {**(before.objects or {}), **(after.objects or {})}
    missing_before, missing_after = (0 if one.complete else None for one in (before, after))
    changes = [
        Change(
            kind,
            name,
            _of(before.objects, (kind, name), missing_before),
            _of(after.objects, (kind, name), missing_after),
        )
        for kind, name in names
    ]
    return sorted(changes, key=_order)


def _of(counts: Mapping[K, int] | None, key: K, missing: int | None) -> int | None:
    return None if counts is None else counts.get(key, missing)


def _order(change: Change) -> tuple[int, int, str, str]:
    """What grew most first; what can't be told after all that can, most handles first."""
    known = change.difference
    most = max(change.before or 0, change.after or 0)
    return (0 if known is not None else 1, -(known if known is not None else most), change.type, change.name or "")
