"""A host's day in hours: what each program held at least, in total, by type and by long-lived process, with restarts
taken out beside it. Days are made of whole hours, in any number of pieces, and come out the same.

What goes over from one hour to the next is a `Carry`; nothing else of the past is needed to go on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from server.analysis.days import (
    AGES_H,
    HOURS,
    NOTHING,
    OF_PROGRAMS,
    OF_ROWS,
    Alive,
    Alone,
    Carry,
    Digest,
    Row,
    join,
)
from server.analysis.frames import ABSENT, UNKNOWN, Frame, Ints, union
from server.analysis.instants import DAY, HOUR, SECOND
from server.analysis.names import program_key
from server.analysis.resting import Resting, parted

__all__ = [
    "AGES_H",
    "HOURS",
    "NOTHING",
    "OF_PROGRAMS",
    "OF_ROWS",
    "Alive",
    "Alone",
    "Carry",
    "Digest",
    "Row",
    "digest",
    "join",
]

T = TypeVar("T", np.int64, np.bool_)

MOST_PROCESSES = 12  # of a program whose processes are judged one by one
MOST_ROWS = 20_000  # of a day; what comes first stays
_ALONE_FROM = 2 * HOUR  # of life
_FEW_ALIVE = 2  # processes at a time, from which on single ones are judged
_LONGEST_STEP = 2 * HOUR
_MOST_LIVES = 64
_MOST_HELD = 2**46  # so that the sums of all processes fit
_REMEMBERED = 7 * DAY  # a program that does not run


def digest(frames: Sequence[Frame], carry: Carry | None, *, fold: bool) -> list[Digest]:
    """The whole hours of these frames, which are of one step and lie after those that `carry` stands for, a piece for
    each UTC day; `join` puts pieces of a day together. `fold` as `names.folds_case` says of the host."""
    frames = [frame for frame in frames if len(frame.times)]
    if not frames:
        return []
    frame = _bounded(frames[0] if len(frames) == 1 else union(frames))
    order = np.argsort(frame.shown, kind="stable")
    days = frame.shown[order] // DAY
    found: list[Digest] = []
    for day in np.unique(days).tolist():
        one = _of_piece(frame, order[days == day], carry, day * DAY, fold=fold)
        carry = one.carry
        found.append(one)
    return found


def _of_piece(frame: Frame, columns: NDArray[np.intp], carry: Carry | None, day_us: int, *, fold: bool) -> Digest:
    """What rests all the while is told without going through its snapshots."""
    restless, resting = parted(frame, columns, carry, fold=fold, most_rows=MOST_ROWS)
    if not len(resting.keys):
        return _of_day(frame, columns, carry, day_us, fold=fold)
    others = None if carry is None else structs.replace(carry, alive=resting.others)
    found = _of_day(restless, columns, others, day_us, fold=fold)
    times = frame.shown[columns]
    grid = _Grid(times, day_us)
    before = Carry(int(times[0]), int(times[0])) if carry is None else carry
    return _with_resting(found, resting, grid, times, before)


def _with_resting(found: Digest, resting: Resting, grid: "_Grid", times: Ints, before: Carry) -> Digest:
    programs = list(resting.keys)
    rows = [Row(program, None) for program in programs]
    rows += [Row(programs[at], kind) for at, kind in resting.type_keys]
    held = np.concatenate([resting.handles, resting.types])
    marks = np.array([row.mark for row in rows], np.int64)
    kept_before = [before.kept.get(mark, _NONE) for mark in marks.tolist()]
    kept_before = [known if known[-1] >= times[0] - _REMEMBERED else _NONE for known in kept_before]
    base = np.array(kept_before, np.int64).reshape(-1, len(AGES_H) + 1)[:, :-1]
    wide = len(grid.starts)

    def each_hour(values: Ints) -> Ints:
        return grid.lay(np.repeat(values[..., np.newaxis], wide, axis=-1))

    steps = np.minimum(np.diff(times, prepend=before.last_us), _LONGEST_STEP) // SECOND
    elapsed = np.append(0, np.cumsum(steps))
    known = np.array([before.lived.get(name, _NONE[1:]) for name in programs], np.int64).reshape(-1, len(AGES_H)).T
    of_age = np.stack([np.searchsorted(times, resting.born + int(age * HOUR)) for age in AGES_H])
    lived = known[:, :, np.newaxis] + (elapsed[grid.ends + 1] - elapsed[of_age][:, :, np.newaxis]).clip(0)
    lives = [before.lives.get(name) for name in programs]
    life = np.array([int(np.median(one)) if one else NOTHING for one in lives], np.int64)
    nothing = np.zeros(len(programs), np.int64)
    of_programs = {
        "lived": grid.lay(lived),
        "alive": each_hour(nothing + 1),
        "births": each_hour(nothing),
        "there": each_hour(nothing + 1000),
        "born": each_hour(resting.born),
        "life": each_hour(life),
        "limit": each_hour(np.where(resting.limits >= 0, resting.limits, NOTHING)),
    }
    level = each_hour(held)
    more = of_programs | {"held": level, "high": level, "kept": each_hour(base.T)}
    now = np.column_stack([base, np.full(len(rows), times[-1])]).tolist()
    carry = structs.replace(
        found.carry,
        alive=found.carry.alive + resting.alive,
        kept=found.carry.kept | dict(zip(marks.tolist(), now, strict=True)),
        lived=found.carry.lived | dict(zip(programs, lived[:, :, -1].T.tolist(), strict=True)),
    )
    summed = int(resting.handles.sum())
    laid: dict[str, Any] = {name: np.concatenate([getattr(found, name), part], axis=-2) for name, part in more.items()}
    return replace(
        found,
        total=np.where(found.total == NOTHING, NOTHING, found.total + summed),
        rows=found.rows + rows,
        marks=np.concatenate([found.marks, marks]),
        names=found.names | resting.keys,
        programs=found.programs + programs,
        carry=carry,
        **laid,
    )


def _bounded(frame: Frame) -> Frame:
    """The frame with counts whose sums over all processes fit."""
    if max(int(values.high.max(initial=0)) for values in (frame.handles, frame.types)) <= _MOST_HELD:
        return frame
    handles, types = (v.map(lambda counts: np.minimum(counts, _MOST_HELD)) for v in (frame.handles, frame.types))
    return replace(frame, handles=handles, types=types)


class _Items:
    """The processes of a piece and of the carry before it, by columns: the first is what was known before. A process
    that is away for a snapshot and comes back is another item, as it would be if the pieces were cut there."""

    def __init__(self, frame: Frame, columns: NDArray[np.intp], carry: Carry | None, *, fold: bool) -> None:
        self.times = frame.shown[columns]
        before = [] if carry is None else carry.alive
        index: dict[tuple[str, int, int | None], int] = {}
        for one in before:
            index.setdefault((one.program, one.pid, one.started_us), len(index))
        of_frame = [index.setdefault((key.program, key.pid, key.started_us), len(index)) for key in frame.processes]
        counts = np.full((len(index), len(columns) + 1), ABSENT, np.int64)
        _lay_most(counts[:, 1:], of_frame, frame.handles.last[:, columns])
        counts[: len(before), 0] = [one.handles for one in before]
        for column in np.flatnonzero(frame.partial[columns]) + 1:  # says nothing of those that it leaves out
            left_out = (counts[:, column] == ABSENT) & (counts[:, column - 1] != ABSENT)
            counts[left_out, column] = UNKNOWN
        limits = np.full((len(index), len(columns)), UNKNOWN, np.int64)
        _lay_most(limits, of_frame, frame.limits[:, columns])

        alive = counts != ABSENT
        run = np.cumsum(np.diff(alive, axis=1, prepend=False) & alive, axis=1)
        runs = run[:, -1]
        of = np.repeat(np.arange(len(index)), runs)  # by item, its process
        number = np.arange(len(of)) - np.repeat(np.cumsum(runs) - runs, runs) + 1
        self.alive = alive[of] & (run[of] == number[:, np.newaxis])
        self.counts = _carried(np.where(self.alive, counts[of], ABSENT))
        self.limits = np.where(self.alive[:, 1:], limits[of], UNKNOWN)
        keys = list(index)
        self.keys = [keys[at] for at in of.tolist()]
        known_born = np.array([one.born_us for one in before] + [NOTHING] * (len(index) - len(before)), np.int64)
        self.born = self._births(np.where(self.alive[:, 0], known_born[of], NOTHING))
        self.programs: dict[str, int] = {}
        self.shown_names: dict[str, str] = {}
        self.program_of = np.empty(len(of), np.intp)
        for item, (name, _, _) in enumerate(self.keys):
            key = program_key(name, fold=fold)
            self.shown_names.setdefault(key, name)
            self.program_of[item] = self.programs.setdefault(key, len(self.programs))
        self._types(frame, columns, of_frame, before, of)

    def _births(self, known: Ints) -> Ints:
        """When each process began: as told, else when it was first seen; never after that."""
        seen = self.times[self.alive[:, 1:].argmax(axis=1)] if len(self.keys) else np.zeros(0, np.int64)
        told = [
            at if started is None else min(started, at)
            for (_, _, started), at in zip(self.keys, seen.tolist(), strict=True)
        ]
        return np.where(known == NOTHING, np.array(told, np.int64), known)

    def _types(
        self,
        frame: Frame,
        columns: NDArray[np.intp],
        of_frame: list[int],
        before: Sequence[Alive],
        of: NDArray[np.intp],
    ) -> None:
        index: dict[tuple[int, str], int] = {}
        for process, one in enumerate(before):
            for kind in one.types or ():
                index.setdefault((process, kind), len(index))
        known_before = len(index)
        rows = [index.setdefault((of_frame[row], kind), len(index)) for row, kind in frame.type_rows]
        values = np.full((len(index), len(columns) + 1), UNKNOWN, np.int64)
        _lay_most(values[:, 1:], rows, frame.types.last[:, columns])
        for (process, kind), at in index.items():
            if process < len(before) and (known := before[process].types) is not None:
                values[at, 0] = known.get(kind, 0)
        owner = np.array([process for process, _ in index], np.intp)
        said = np.zeros((1 + int(max(of.max(initial=0), owner.max(initial=0))), len(columns) + 1), bool)
        np.logical_or.at(said, owner, values >= 0)
        for process, one in enumerate(before):
            said[process, 0] = one.types is not None
        values[(values == UNKNOWN) & said[owner]] = 0
        # each type of a process goes to every item that the process is
        items = np.split(np.arange(len(of)), np.searchsorted(of, np.arange(1, len(said))))
        kinds = [kind for _, kind in index]
        listed = np.full((len(index), len(columns)), UNKNOWN, np.int64)
        _lay_most(listed, rows, frame.types.last[:, columns])
        pairs = [(item, at) for at, process in enumerate(owner.tolist()) for item in items[process].tolist()]
        item_of, source = np.array(pairs, np.intp).reshape(-1, 2).T
        has = (listed[source] > 0) & self.alive[item_of, 1:]
        had = (source < known_before) & self.alive[item_of, 0]
        kept = np.flatnonzero(has.any(axis=1) | had)  # a type that a process never had is none of its types
        item_of, source = item_of[kept], source[kept]
        self.type_owner = item_of
        self.type_keys = [(item, kinds[at]) for item, at in zip(item_of.tolist(), source.tolist(), strict=True)]
        self.type_since = np.where(had[kept], 0, has[kept].argmax(axis=1))  # the column in which it first has it
        self.types = _carried(np.where(self.alive[item_of], values[source], ABSENT))
        self.told = np.logical_or.accumulate(said[of] & self.alive, axis=1)


def _lay_most(target: Ints, rows: Sequence[int], values: Ints) -> None:
    """Lay values into rows of the target; where several go into one row, the greatest."""
    if len(set(rows)) == len(rows):
        target[rows] = values
    else:
        np.maximum.at(target, np.array(rows, np.intp), values)


def _carried(matrix: Ints) -> Ints:
    """What is not known stays what it was before, while the process lives; UNKNOWN before it was ever known."""
    unknown = matrix == UNKNOWN
    if not unknown.any():
        return matrix
    columns = np.arange(matrix.shape[1])
    before = np.maximum.accumulate(np.where(unknown, 0, columns), axis=1)
    filled = np.take_along_axis(matrix, before, axis=1)
    carried: Ints = np.where(unknown, np.where(filled >= 0, filled, UNKNOWN), matrix)
    return carried


@dataclass(frozen=True, slots=True)
class _Groups:
    """Items put together as rows: a sum per row is a reduction over `order` cut at `starts`."""

    order: NDArray[np.intp]
    starts: NDArray[np.intp]

    @classmethod
    def of(cls, row_of: NDArray[np.intp]) -> "_Groups":
        order = np.argsort(row_of, kind="stable")
        return cls(order, np.flatnonzero(np.diff(row_of[order], prepend=-1)))

    def reduce(self, by: np.ufunc, matrix: NDArray[T]) -> NDArray[T]:
        found: NDArray[T] = by.reduceat(matrix[self.order], self.starts, axis=0)
        return found


class _Grid:
    """The hours that a piece's columns fall into; column 0, of the carry, in none."""

    def __init__(self, times: Ints, day_us: int) -> None:
        hours = (times - day_us) // HOUR
        self.starts = np.flatnonzero(np.diff(hours, prepend=-1))
        self.places = hours[self.starts].astype(np.intp)
        self.ends = np.append(self.starts[1:], len(times)) - 1
        self.of = hours.astype(np.intp)

    def lay(self, values: NDArray[np.generic]) -> Ints:
        """One value an hour with snapshots, as 24."""
        found = np.full((*values.shape[:-1], HOURS), NOTHING, np.int64)
        found[..., self.places] = values
        return found

    def reduce(self, by: np.ufunc, matrix: NDArray[T]) -> NDArray[T]:
        found: NDArray[T] = by.reduceat(matrix, self.starts, axis=-1)
        return found


_HIGHEST = np.iinfo(np.int64).max


def _of_day(frame: Frame, columns: NDArray[np.intp], carry: Carry | None, day_us: int, *, fold: bool) -> Digest:
    items = _Items(frame, columns, carry, fold=fold)
    times = items.times
    grid = _Grid(times, day_us)
    before = Carry(int(times[0]), int(times[0])) if carry is None else carry
    all_times = np.concatenate([[before.last_us], times])
    steps = np.minimum(np.diff(all_times), _LONGEST_STEP) // SECOND
    elapsed = before.elapsed_s + np.cumsum(steps)
    ages = np.where(items.alive, all_times - items.born[:, np.newaxis], -1)
    groups = _Groups.of(items.program_of)
    names = list(items.programs)
    rows = [Row(name, None) for name in names]
    kept = {mark: known for mark, known in before.kept.items() if known[-1] >= times[0] - _REMEMBERED}
    remembered = {name for name in before.lived if Row(name, None).mark in kept}
    before = structs.replace(
        before,
        lived={name: lived for name, lived in before.lived.items() if name in remembered},
        lives={name: lives for name, lives in before.lives.items() if name in remembered},
    )
    parts = [_rows(items.counts, all_times, ages, groups, grid, rows, kept)]
    if items.type_keys:
        index: dict[Row, int] = {}
        keys = [Row(names[items.program_of[item]], kind) for item, kind in items.type_keys]
        type_of = np.array([index.setdefault(key, len(index)) for key in keys], np.intp)
        of_types = _Groups.of(type_of)
        listed = grid.of[items.type_since]
        parts.append(
            _rows(items.types, all_times, ages[items.type_owner], of_types, grid, list(index), kept, since=listed)
        )
        rows += index
    alone, still_alone = _alone(items, grid, groups, before)
    singles = np.flatnonzero(alone.any(axis=1))
    parts.append(_singles(items.counts, alone, singles, grid))
    rows += [Row(names[items.program_of[item]], None, Alone(*items.keys[item][1:])) for item in singles.tolist()]
    lives, lived_now, deaths = _lives(items, ages, grid, groups, before, steps, first=carry is None)
    held, high, grown, now = (
        np.concatenate([part[at] for part in parts], axis=-2)[..., :MOST_ROWS, :] for at in range(4)
    )
    marks = np.array([row.mark for row in rows[:MOST_ROWS]], np.int64)
    told = np.flatnonzero((held != NOTHING).any(axis=1))
    summed = np.where(items.counts[:, 1:] >= 0, items.counts[:, 1:], 0).sum(axis=0)
    return Digest(
        day_us=day_us,
        first=grid.lay(times[grid.starts]),
        last=grid.lay(times[grid.ends]),
        total=grid.lay(grid.reduce(np.maximum, np.where(frame.partial[columns], NOTHING, summed))),
        elapsed=grid.lay(elapsed[grid.ends]),
        rows=[rows[at] for at in told],
        marks=marks[told],
        names=items.shown_names,
        held=held[told],
        high=high[told],
        kept=grown[:, told],
        programs=names,
        **lives,
        carry=Carry(
            before.first_us,
            int(times[-1]),
            int(elapsed[-1]),
            _alive(items, still_alone),
            _remembered(kept, rows, marks, now),
            before.lived | {name: lived_now[:, at].tolist() for at, name in enumerate(names)},
            deaths,
        ),
    )


def _rows(
    counts: Ints,
    times: Ints,
    ages: Ints,
    groups: _Groups,
    grid: _Grid,
    rows: Sequence[Row],
    before: dict[int, list[int]],
    *,
    since: NDArray[np.intp] | None = None,
) -> tuple[Ints, Ints, Ints, Ints]:
    """Held, high, kept, and what `Carry.kept` says of it, by row. Nothing is said of an item in hours
    before `since`."""
    known = counts >= 0
    sums = groups.reduce(np.add, np.where(known, counts, 0))[:, 1:]
    told = known[:, 1:]
    if since is not None:
        told = told & (grid.of >= since[:, np.newaxis])
    said = groups.reduce(np.logical_or, told)
    empty = ~grid.reduce(np.logical_or, said)
    changes = np.where(known[:, 1:] & known[:, :-1], np.diff(counts, axis=1), 0)
    former = ages[:, :-1]  # what a process takes before it has that age is left out
    base = np.array([before.get(row.mark, _NONE) for row in rows], np.int64).reshape(-1, len(AGES_H) + 1)
    kept, now = [], []
    grown: Ints | None = None
    old = former >= 0
    for number, age in enumerate(AGES_H):
        aged = former >= int(age * HOUR)
        if grown is None or (aged != old).any():
            grown = np.cumsum(groups.reduce(np.add, np.where(aged, changes, 0)), axis=1)
        old = aged
        sofar = base[:, number, np.newaxis] + grown
        least = grid.reduce(np.minimum, np.where(said, sofar, _HIGHEST))
        kept.append(grid.lay(np.where(empty, NOTHING, least)))
        now.append(sofar[:, -1:])
    alive = groups.reduce(np.logical_or, counts != ABSENT)
    now.append(times[alive.shape[1] - 1 - alive[:, ::-1].argmax(axis=1), np.newaxis])
    held = np.where(empty, NOTHING, grid.reduce(np.minimum, np.where(said, sums, _HIGHEST)))
    high = np.where(empty, NOTHING, grid.reduce(np.maximum, np.where(said, sums, NOTHING)))
    return grid.lay(held), grid.lay(high), np.stack(kept), np.stack(now)


_NONE = [0] * (len(AGES_H) + 1)


def _alone(items: _Items, grid: _Grid, groups: _Groups, before: Carry) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """In which hours a process is judged by itself (processes x hours with snapshots), and whether it is at the end:
    once it has lived for two hours beside others of its name, and then for life; of a program, the oldest dozen."""
    alone = np.zeros((len(items.keys), len(grid.starts)), bool)
    now = np.zeros(len(items.keys), bool)
    now[: len(before.alive)] = [one.alone for one in before.alive]
    many = grid.reduce(np.maximum, groups.reduce(np.add, items.alive[:, 1:].astype(np.int64))) >= _FEW_ALIVE
    by_age = np.lexsort((np.array([pid for _, pid, _ in items.keys]), items.born, items.program_of))
    for hour, end in enumerate((grid.ends + 1).tolist()):
        lived = items.alive[:, end] & (items.times[end - 1] - np.maximum(items.born, before.first_us) >= _ALONE_FROM)
        now = items.alive[:, end] & (now | (lived & many[items.program_of, hour]))
        if now.any():
            rank = np.zeros(len(now), np.intp)
            counted = np.cumsum(now[by_age])
            programs = items.program_of[by_age]
            firsts = np.flatnonzero(np.diff(programs, prepend=-1))
            offset = np.repeat(np.concatenate([[0], counted])[firsts], np.diff(np.append(firsts, len(programs))))
            rank[by_age] = counted - offset
            now &= rank <= MOST_PROCESSES
        alone[:, hour] = now
    return alone, now


def _singles(
    counts: Ints, alone: NDArray[np.bool_], singles: NDArray[np.intp], grid: _Grid
) -> tuple[Ints, Ints, Ints, Ints]:
    """As `_rows`, of processes: a process has no restarts, so that it keeps what it holds."""
    part = counts[singles, 1:]
    low = grid.reduce(np.minimum, np.where(part >= 0, part, _HIGHEST))
    high = grid.reduce(np.maximum, part)
    seen = alone[singles] & (high >= 0)
    held = grid.lay(np.where(seen, low, NOTHING))
    ages = len(AGES_H)
    return (
        held,
        grid.lay(np.where(seen, high, NOTHING)),
        np.repeat(held[np.newaxis], ages, axis=0),
        np.zeros((ages + 1, len(singles), 1), np.int64),
    )


def _lives(
    items: _Items, ages: Ints, grid: _Grid, groups: _Groups, before: Carry, steps: Ints, *, first: bool
) -> tuple[dict[str, Ints], Ints, dict[str, list[int]]]:
    """By program: what `Digest` says of its processes; seconds lived so far; the lives of its last processes."""
    names = list(items.programs)
    alive = items.alive[:, 1:]
    oldest = groups.reduce(np.maximum, ages)[:, 1:]
    known = np.array([before.lived.get(name, [0] * len(AGES_H)) for name in names], np.int64).reshape(-1, len(AGES_H))
    base = known.T[:, :, np.newaxis]
    lived = base + np.stack([np.cumsum((oldest >= int(age * HOUR)) * steps, axis=1) for age in AGES_H])
    count = groups.reduce(np.add, alive.astype(np.int64))
    births = np.zeros((len(names), len(grid.starts)), np.int64)
    entered = alive.argmax(axis=1)
    new = ~items.alive[:, 0] & ((entered > 0) | (not first))
    earlier = np.concatenate([[before.last_us], items.times])[entered]  # the snapshot before
    started = np.array([NOTHING if since is None else since for _, _, since in items.keys], np.int64)
    began = np.flatnonzero(new & ((started == NOTHING) | (started > earlier)))
    hour_of = np.searchsorted(grid.starts, np.arange(alive.shape[1]), side="right") - 1
    np.add.at(births, (items.program_of[began], hour_of[alive[began].argmax(axis=1)]), 1)
    youngest = groups.reduce(np.maximum, np.where(items.alive, items.born[:, np.newaxis], NOTHING))[:, 1:]
    there = 1000 * grid.reduce(np.add, (count > 0).astype(np.int64)) // np.diff(np.append(grid.starts, alive.shape[1]))
    life, deaths = _deaths(items, grid, before)
    limit = grid.reduce(np.minimum, groups.reduce(np.minimum, np.where(items.limits >= 0, items.limits, _HIGHEST)))
    near = np.logical_or.reduceat(items.alive[:, 1:] | items.alive[:, :-1], grid.starts, axis=1)
    present = groups.reduce(np.logical_or, near)  # in the hour, or just before it
    found = {
        "lived": lived[:, :, grid.ends],
        "alive": grid.reduce(np.maximum, count),
        "births": births,
        "there": there,
        "born": grid.reduce(np.maximum, youngest),
        "life": life,
        "limit": np.where(limit == _HIGHEST, NOTHING, limit),
    }
    laid = {name: grid.lay(np.where(present, values, NOTHING)) for name, values in found.items()}
    return laid, lived[:, :, -1], deaths


def _deaths(items: _Items, grid: _Grid, before: Carry) -> tuple[Ints, dict[str, list[int]]]:
    """By program and hour with snapshots: the median of how long its last processes lived, NOTHING before one died."""
    names = list(items.programs)
    lives = {name: list(lived) for name, lived in before.lives.items()}
    life = np.full((len(names), len(grid.starts)), NOTHING, np.int64)
    width = items.alive.shape[1]
    last = width - 1 - items.alive[:, ::-1].argmax(axis=1)
    dead = np.flatnonzero(last < width - 1)
    dead = dead[np.argsort(last[dead], kind="stable")]
    seen_gone = np.searchsorted(grid.starts, last[dead], side="right") - 1  # the first column without it
    times = np.concatenate([[before.last_us], items.times])
    lived = (times[last[dead]] - items.born[dead]) // SECOND
    for name, known in lives.items():
        if known and name in items.programs:
            life[items.programs[name]] = int(np.median(known))
    for item, hour, seconds in zip(dead.tolist(), seen_gone.tolist(), lived.tolist(), strict=True):
        name = names[items.program_of[item]]
        known = lives.setdefault(name, [])
        known.append(seconds)
        del known[:-_MOST_LIVES]
        life[items.program_of[item], hour:] = int(np.median(known))
    return life, lives


def _alive(items: _Items, alone: NDArray[np.bool_]) -> list[Alive]:
    types: dict[int, dict[str, int]] = {item: {} for item in np.flatnonzero(items.told[:, -1]).tolist()}
    for at, (item, kind) in enumerate(items.type_keys):
        if item in types and (count := int(items.types[at, -1])) >= 0:
            types[item][kind] = count
    return [
        Alive(
            name, pid, started, int(items.born[item]), int(items.counts[item, -1]), bool(alone[item]), types.get(item)
        )
        for item, (name, pid, started) in enumerate(items.keys)
        if items.alive[item, -1]
    ]


def _remembered(kept: dict[int, list[int]], rows: Sequence[Row], marks: Ints, now: Ints) -> dict[int, list[int]]:
    """By mark: what was kept at each age, and when a process was last there."""
    known = zip(rows, marks.tolist(), now[:, :, 0].T.tolist(), strict=False)
    return kept | {mark: sofar for row, mark, sofar in known if row.process is None}
