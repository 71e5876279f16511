"""What a host's programs hold at least, hour by hour: in total, by type and by process, and with restarts taken out.

An hour's value depends on snapshots up to the end of that hour alone."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.analysis.frames import ABSENT, UNKNOWN, Frame, Ints, ProcessKey
from server.analysis.instants import HOUR
from server.analysis.names import program_key

Floats = NDArray[np.float64]

AGES_H = (0.5, 2.0, 6.0, 18.0)
MOST_PROCESSES = 12  # of a program whose processes are judged one by one
_LONG_LIFE_H = 24
_FEW_ALIVE = 2  # processes at a time, from which on single ones are judged


class Row(NamedTuple):
    """`program` by its key; `type` None: in total; `process` None: of all its processes."""

    program: str
    type: str | None
    process: ProcessKey | None = None


@dataclass(frozen=True, slots=True)
class Floors:
    """R rows by N whole hours, from the first with a snapshot to the last; NaN where nothing is known.

    hours: their beginnings (microseconds, UTC); ends: the last snapshot in or before each.
    held: the least held in the hour; high: the most. grown: per age of AGES_H, what processes of at least that age
    took and kept (losses count against it) since the first snapshot, at least; a restart leaves it as it is. lived:
    per age, the hours so far for which there was a process of that age.
    alive: the most processes at a time; births: processes first seen in the hour; there: the share of snapshots with
    a process; young: hours since the youngest process was born; life: the median life so far, in hours; limit: of
    one process, the least of all.
    """

    hours: Ints
    ends: Ints
    rows: list[Row]
    names: dict[str, str]
    held: Floats
    high: Floats
    grown: Floats
    lived: Floats
    alive: Floats
    births: Floats
    there: Floats
    young: Floats
    life: Floats
    limit: Floats


@dataclass(frozen=True, slots=True)
class _Groups:
    """Items put together as rows: a sum per row is a reduction over `order` cut at `starts`."""

    order: NDArray[np.intp]
    starts: NDArray[np.intp]

    @classmethod
    def of(cls, row_of: NDArray[np.intp]) -> "_Groups":
        order = np.argsort(row_of, kind="stable")
        return cls(order, np.flatnonzero(np.diff(row_of[order], prepend=-1)))

    def add(self, matrix: NDArray[np.float64]) -> Floats:
        return np.asarray(np.add.reduceat(matrix[self.order], self.starts, axis=0), np.float64)

    def any(self, matrix: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.logical_or.reduceat(matrix[self.order], self.starts, axis=0)

    def most(self, matrix: Floats) -> Floats:
        return np.asarray(np.maximum.reduceat(matrix[self.order], self.starts, axis=0), np.float64)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where each hour with snapshots begins among them, and its place among all hours."""

    starts: NDArray[np.intp]
    places: NDArray[np.intp]
    count: int

    def reduce(self, by: np.ufunc, matrix: NDArray[np.float64]) -> Floats:
        found = np.full((*matrix.shape[:-1], self.count), np.nan)
        found[..., self.places] = by.reduceat(matrix, self.starts, axis=-1)
        found[~np.isfinite(found)] = np.nan
        return found

    def last(self, matrix: NDArray[np.float64]) -> Floats:
        found = np.full((*matrix.shape[:-1], self.count), np.nan)
        ends = np.append(self.starts[1:], matrix.shape[-1]) - 1
        found[..., self.places] = matrix[..., ends]
        return found


def floors(frame: Frame, *, fold: bool) -> Floors:
    """`fold` as `names.folds_case` says of the host; the frame may be of any step and has a snapshot at least."""
    order = np.argsort(frame.shown, kind="stable")
    times = frame.shown[order]
    counts = _carried(np.where(frame.handles.low[:, order] == UNKNOWN, UNKNOWN, frame.handles.last[:, order]))
    alive = frame.handles.last[:, order] != ABSENT
    hour = times // HOUR
    starts = np.flatnonzero(np.diff(hour, prepend=hour[0] - 1))
    hours = np.arange(hour[0], hour[-1] + 1)
    grid = _Grid(starts, (hour[starts] - hour[0]).astype(np.intp), len(hours))
    names: dict[str, str] = {}
    index: dict[str, int] = {}
    program_of = np.empty(len(frame.processes), np.intp)
    for item, key in enumerate(frame.processes):
        name = program_key(key.program, fold=fold)
        names.setdefault(name, key.program)
        program_of[item] = index.setdefault(name, len(index))
    rows = [Row(name, None) for name in index]
    born = _births(frame, times, alive)
    ages = np.where(alive, (times - born[:, np.newaxis]) / HOUR, -1.0)

    parts = [_of(counts, ages, _Groups.of(program_of), grid)]
    owners = np.array([row for row, _ in frame.type_rows], np.intp)
    if len(owners):
        types = _carried(np.where(alive[owners], frame.types.last[:, order], ABSENT))
        type_index: dict[Row, int] = {}
        programs = list(index)
        type_of = np.array(
            [type_index.setdefault(Row(programs[program_of[row]], kind), len(type_index))
             for row, kind in frame.type_rows],
            np.intp,
        )  # fmt: skip
        rows += type_index
        parts.append(_of(types, ages[owners], _Groups.of(type_of), grid))
    single = _judged_alone(alive, program_of, born, times)
    if len(single):
        rows += [Row(list(index)[program_of[one]], None, frame.processes[one]) for one in single]
        parts.append(_of(counts[single], ages[single], _Groups.of(np.arange(len(single))), grid))
    held, high, grown = (np.concatenate([part[i] for part in parts], axis=-2) for i in range(3))
    own = np.array([index[row.program] for row in rows], np.intp)
    lives = _lives(frame, times, ages, alive, program_of, born, grid, hour)
    places = np.maximum.accumulate(np.isin(np.arange(len(hours)), grid.places) * np.arange(len(hours)))
    ends = np.full(len(hours), times[0])
    ends[grid.places] = times[np.append(starts[1:], len(times)) - 1]
    return Floors(
        hours * HOUR, ends[places], rows, names, held, high, grown,
        **{name: value[..., own, :] if value.ndim > 1 else value[own] for name, value in lives.items()},
    )  # fmt: skip


def _carried(matrix: Ints) -> Ints:
    """What is not known stays what it was before, while the process lives; ABSENT stays. Columns ascend in time."""
    unknown = matrix == UNKNOWN
    if not unknown.any():
        return matrix
    columns = np.arange(matrix.shape[1])
    before = np.maximum.accumulate(np.where(unknown, -1, columns), axis=1)
    filled = np.where(before >= 0, np.take_along_axis(matrix, before.clip(0), axis=1), ABSENT)
    carried: Ints = np.where(unknown, filled, matrix)
    return carried


def _births(frame: Frame, times: Ints, alive: NDArray[np.bool_]) -> Ints:
    """When each process began: as told, else when it was first seen; never after that."""
    seen = times[alive.argmax(axis=1)]
    told = [seen[row] if key.started_us is None else key.started_us for row, key in enumerate(frame.processes)]
    born: Ints = np.minimum(np.array(told, np.int64), seen)
    return born


def _of(counts: Ints, ages: Floats, groups: _Groups, grid: _Grid) -> tuple[Floats, Floats, Floats]:
    known = counts >= 0
    sums = groups.add(np.where(known, counts, 0).astype(np.float64))
    said = groups.any(known)
    held = grid.reduce(np.minimum, np.where(said, sums, np.inf))
    high = grid.reduce(np.maximum, np.where(said, sums, -np.inf))
    changes = np.zeros(counts.shape)
    np.subtract(counts[:, 1:], counts[:, :-1], out=changes[:, 1:], where=known[:, 1:] & known[:, :-1])
    grown = np.stack(
        [
            grid.reduce(np.minimum, np.where(said, np.cumsum(groups.add(part), axis=1), np.inf))
            for age in AGES_H
            for part in [np.where(np.roll(ages, 1, axis=1) >= age, changes, 0.0)]
        ]
    )
    return held, high, grown


def _judged_alone(alive: NDArray[np.bool_], program_of: NDArray[np.intp], born: Ints, times: Ints) -> NDArray[np.intp]:
    """Processes that live long among others of their name."""
    ended = times[alive.shape[1] - 1 - alive[:, ::-1].argmax(axis=1)]
    long = (ended - np.maximum(born, times[0])) / HOUR >= _LONG_LIFE_H
    chosen = [
        members[np.argsort(born[members], kind="stable")][:MOST_PROCESSES]
        for program in np.unique(program_of)
        for members in [np.flatnonzero((program_of == program) & long)]
        if (alive[program_of == program].sum(axis=0) >= _FEW_ALIVE).any()
    ]
    return np.concatenate([np.zeros(0, np.intp), *chosen]).astype(np.intp)


def _lives(
    frame: Frame, times: Ints, ages: Floats, alive: NDArray[np.bool_], program_of: NDArray[np.intp], born: Ints,
    grid: _Grid, hour: Ints,
) -> dict[str, Floats]:  # fmt: skip
    """By program: what `Floors` says of its processes."""
    groups = _Groups.of(program_of)
    oldest = groups.most(ages)
    count = groups.add(alive.astype(np.float64))
    steps = np.minimum(np.diff(times, prepend=times[0]), 2 * HOUR) / HOUR
    lived = np.stack([grid.last(np.cumsum((oldest >= age) * steps, axis=1)) for age in AGES_H])
    births = np.zeros((len(count), grid.count))
    first = alive.argmax(axis=1)
    later = first > 0
    np.add.at(births, (program_of[later], (hour[first[later]] - hour[0]).astype(np.intp)), 1)
    youngest = -groups.most(np.where(alive, -ages, -1e6))
    snapshots = np.add.reduceat(np.ones(len(times)), grid.starts)
    there = np.full((len(count), grid.count), np.nan)
    there[:, grid.places] = np.add.reduceat((count > 0).astype(np.float64), grid.starts, axis=1) / snapshots
    limits = np.where(frame.limits.max(axis=1, initial=UNKNOWN) >= 0, frame.limits.max(axis=1, initial=0), np.inf)
    limit = -groups.most(-limits[:, np.newaxis].astype(np.float64))[:, 0]
    return {
        "lived": lived,
        "alive": grid.reduce(np.maximum, count),
        "births": births,
        "there": there,
        "young": grid.reduce(np.minimum, np.where(count > 0, youngest, np.inf)),
        "life": _median_lives(alive, program_of, born, times, grid, len(count)),
        "limit": limit,
    }


def _median_lives(
    alive: NDArray[np.bool_], program_of: NDArray[np.intp], born: Ints, times: Ints, grid: _Grid, programs: int
) -> Floats:
    """By program and hour: the median age at death of the processes that have died by then; infinite before."""
    found = np.full((programs, grid.count), np.inf)
    last = alive.shape[1] - 1 - alive[:, ::-1].argmax(axis=1)
    for program in range(programs):
        dead = np.flatnonzero((program_of == program) & (last < alive.shape[1] - 1))
        if not len(dead):
            continue
        dead = dead[np.argsort(last[dead], kind="stable")]
        lives = (times[last[dead]] - born[dead]) / HOUR
        known = np.searchsorted(grid.starts, last[dead] + 1, side="right") - 1  # the hour that shows it gone
        for number, place in enumerate(grid.places[known].tolist(), start=1):
            found[program, place:] = np.median(lives[:number])
    return found
