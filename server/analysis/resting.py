"""Programs of one process that nothing happens to for a while: the same counts, types and limit in each snapshot."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from server.analysis.days import Alive, Carry
from server.analysis.frames import Bools, Frame, Ints, Values
from server.analysis.names import program_key


@dataclass(frozen=True, slots=True)
class Resting:
    """keys: how each program is shown, by its key; handles, limits (as of a frame), born: by program; types: counts by
    `type_keys`, a place in `keys` and a type. alive: what is known of their processes; others: the rest of what was
    known before."""

    keys: dict[str, str]
    handles: Ints
    limits: Ints
    born: Ints
    type_keys: list[tuple[int, str]]
    types: Ints
    alive: list[Alive]
    others: list[Alive]


def parted(
    frame: Frame, columns: NDArray[np.intp], carry: Carry | None, *, fold: bool, most_rows: int
) -> tuple[Frame, Resting]:
    """The frame without what rests in these columns and since what `carry` says, and what does. One program at least
    stays in the frame."""
    before = [] if carry is None else carry.alive
    nothing = np.zeros(0, np.int64)
    none = Resting({}, nothing, nothing, nothing, [], nothing, [], list(before))
    if frame.partial[columns].any() or len(frame.processes) + len(frame.type_rows) > most_rows:
        return frame, none
    cut = slice(int(columns[0]), int(columns[-1]) + 1) if (np.diff(columns) == 1).all() else columns
    rests = _still(frame.handles.last[:, cut]) & (frame.handles.last[:, columns[0]] >= 0)
    rests &= _still(frame.limits[:, cut])
    keys = [program_key(process.program, fold=fold) for process in frame.processes]
    formerly = [program_key(one.program, fold=fold) for one in before]
    several, were = Counter(keys), Counter(formerly)
    types, moving = _types_of(frame, cut, int(columns[0]))
    known = {(one.program, one.pid, one.started_us): one for one in before}
    chosen: list[int] = []
    for row in np.flatnonzero(rests).tolist():
        process = frame.processes[row]
        if several[keys[row]] > 1 or row in moving:
            continue
        if carry is not None:
            one = known.get((process.program, process.pid, process.started_us))
            if one is None or one.alone or one.handles != frame.handles.last[row, columns[0]]:
                continue
            if were[keys[row]] > 1 or (one.types or {}) != types.get(row, {}):
                continue
        chosen.append(row)
    if len(chosen) == len(frame.processes):
        chosen = chosen[:-1]
    return (_without(frame, chosen), _resting(frame, columns, chosen, keys, types, before)) if chosen else (frame, none)


def _still(matrix: Ints) -> Bools:
    return np.asarray((matrix == matrix[:, :1]).all(axis=1), np.bool_)


def _types_of(frame: Frame, cut: slice | NDArray[np.intp], first: int) -> tuple[dict[int, dict[str, int]], set[int]]:
    """By process row, its types, and the rows of which one moves or is not there."""
    values = frame.types.last[:, cut]
    still = (_still(values) & (values[:, 0] > 0)).tolist()
    types: dict[int, dict[str, int]] = {}
    moving: set[int] = set()
    for (row, kind), rests, count in zip(frame.type_rows, still, frame.types.last[:, first].tolist(), strict=True):
        if rests:
            types.setdefault(row, {})[kind] = count
        else:
            moving.add(row)
    return types, moving


def _without(frame: Frame, chosen: Sequence[int]) -> Frame:
    stays = np.ones(len(frame.processes), bool)
    stays[list(chosen)] = False
    place = (np.cumsum(stays) - 1).tolist()
    rows = np.flatnonzero(stays)
    of_types = [at for at, (row, _) in enumerate(frame.type_rows) if stays[row]]
    return replace(
        frame,
        processes=[frame.processes[row] for row in rows.tolist()],
        handles=Values.exact(frame.handles.last[rows]),
        limits=frame.limits[rows],
        type_rows=[(place[frame.type_rows[at][0]], frame.type_rows[at][1]) for at in of_types],
        types=Values.exact(frame.types.last[np.array(of_types, np.intp)]),
    )


def _resting(
    frame: Frame,
    columns: NDArray[np.intp],
    chosen: list[int],
    keys: list[str],
    types: dict[int, dict[str, int]],
    before: Sequence[Alive],
) -> Resting:
    first = int(columns[0])
    seen_us = int(frame.shown[first])
    known = {(one.program, one.pid, one.started_us): one for one in before}
    alive: list[Alive] = []
    others = dict(known)
    handles = frame.handles.last[chosen, first]
    for row, count in zip(chosen, handles.tolist(), strict=True):
        process = frame.processes[row]
        key = (process.program, process.pid, process.started_us)
        one = others.pop(key, None)
        if one is None:
            born = seen_us if process.started_us is None else min(process.started_us, seen_us)
            one = Alive(process.program, process.pid, process.started_us, born, count, False, types.get(row))
        alive.append(one)
    listed = [(at, kind, count) for at, row in enumerate(chosen) for kind, count in types.get(row, {}).items()]
    return Resting(
        keys={keys[row]: frame.processes[row].program for row in chosen},
        handles=handles,
        limits=frame.limits[chosen, first],
        born=np.array([one.born_us for one in alive], np.int64),
        type_keys=[(at, kind) for at, kind, _ in listed],
        types=np.array([count for *_, count in listed], np.int64),
        alive=alive,
        others=list(others.values()),
    )
