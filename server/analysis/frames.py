"""A stretch of one host's history as columns: one row per process, type or object, one column per snapshot.

Frames are what blocks hold and what everything about history is computed from. At full resolution (`step_s` 0) a
column is a snapshot. At a coarser step a column is a bucket: `times` is the bucket's last snapshot, and values keep
the last, lowest and highest of the bucket."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from server.analysis.instants import SECOND, to_us
from server.analysis.readings import MOST_SUM, Process, Reading

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

UNKNOWN = -1  # could not be read, or nothing was said
ABSENT = -2  # the process is not in this snapshot

K = TypeVar("K", bound=Hashable)

_NEVER_LOW = np.iinfo(np.int64).max


class ProcessKey(NamedTuple):
    """One process as it describes itself; `started_us` None means that the source does not tell."""

    pid: int
    started_us: int | None
    name: str
    instance: str | None = None
    exe: str | None = None
    user: str | None = None
    version: str | None = None

    @property
    def program(self) -> str:
        return f"{self.name}[{self.instance}]" if self.instance else self.name


@dataclass(slots=True)
class Values:
    """Three int64 matrices, rows x columns; one and the same array thrice at full resolution."""

    last: Ints
    low: Ints
    high: Ints

    @classmethod
    def exact(cls, matrix: Ints) -> "Values":
        return cls(matrix, matrix, matrix)

    @property
    def is_exact(self) -> bool:
        return self.low is self.last and self.high is self.last

    def map(self, change: Callable[[Ints], Ints]) -> "Values":
        """The three matrices changed alike; what is exact stays exact."""
        last = change(self.last)
        return Values.exact(last) if self.is_exact else Values(last, change(self.low), change(self.high))

    def pick(self, rows: NDArray[np.intp] | slice, columns: NDArray[np.intp] | slice = slice(None)) -> "Values":
        return self.map(lambda matrix: matrix[rows][:, columns])


def no_values(rows: int, columns: int, fill: int = UNKNOWN) -> Values:
    return Values.exact(np.full((rows, columns), fill, np.int64))


@dataclass(slots=True)
class Frame:
    """See the module. T columns; every matrix has T columns.

    handles: ABSENT where the process is not there, UNKNOWN where it could not be read.
    types: one row per (process row, type); UNKNOWN where nothing was said of that process's types.
    looked: where the process's objects were looked at; objects: one row per (process row, type, name), UNKNOWN where
    the name was not listed. sums: exact totals per group ("total" | "program" | "type", name) of a coarse frame,
    which the rows of single processes can no longer give.
    """

    step_s: int
    times: Ints  # as sent, ascending
    skews: Ints  # seconds that the host's clock was ahead
    seen: Ints  # processes by the host's own coverage, UNKNOWN if not told
    denied: Ints
    intervals: Ints  # seconds within which the collector meant to report again, UNKNOWN if not told
    booted: Ints  # microseconds, as sent, UNKNOWN if not told
    partial: Bools  # tells of some processes alone, as a dump file may: a sum over all that are told is no total
    processes: list[ProcessKey]
    handles: Values
    limits: Ints
    type_rows: list[tuple[int, str]]
    types: Values
    looked: Bools
    object_rows: list[tuple[int, str, str]]
    objects: Values
    distinct: Ints
    estimated: Bools
    sum_rows: list[tuple[str, str]] = field(default_factory=list)
    sums: Values = field(default_factory=lambda: no_values(0, 0))

    @property
    def cells(self) -> int:
        """Of its largest matrices together: what it takes in memory, which short-lived processes swell."""
        return len(self.times) * (len(self.processes) + len(self.type_rows) + len(self.object_rows))

    @property
    def shown(self) -> Ints:
        """The columns' times with the clock skew taken off."""
        return self.times - self.skews * SECOND


class _Cells:
    """Collects (row, column, value) and lays them out as a matrix."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.columns: list[int] = []
        self.values: list[int] = []

    def put(self, row: int, column: int, value: int) -> None:
        self.rows.append(row)
        self.columns.append(column)
        self.values.append(value)

    def put_all(self, rows: Sequence[int], column: int, values: Sequence[int]) -> None:
        self.rows.extend(rows)
        self.columns.extend([column] * len(rows))
        self.values.extend(values)

    def matrix(self, rows: int, columns: int, fill: int) -> Ints:
        matrix = np.full((rows, columns), fill, np.int64)
        matrix[self.rows, self.columns] = self.values
        return matrix


class _Processes:
    """The rows of processes, by what snapshots say of them."""

    def __init__(self) -> None:
        self.keys: dict[ProcessKey, int] = {}
        self._known: dict[tuple[object, ...], int] = {}

    def row(self, process: Process) -> int:
        said = (
            process.pid, process.started_at, process.name, process.instance, process.exe, process.user, process.version
        )  # fmt: skip
        row = self._known.get(said)
        if row is None:
            started = None if process.started_at is None else to_us(process.started_at)
            key = ProcessKey(
                process.pid, started, process.name, process.instance, process.exe, process.user, process.version
            )
            row = self._known[said] = self.keys.setdefault(key, len(self.keys))
        return row


def from_readings(readings: Sequence[tuple[int, int, Reading]]) -> Frame:
    """A full-resolution frame from (time_us, skew_s, reading), which must ascend in time."""
    columns = len(readings)
    known = _Processes()
    type_rows: dict[tuple[int, str], int] = {}
    object_rows: dict[tuple[int, str, str], int] = {}
    handles, limits, types, said, looked = _Cells(), _Cells(), _Cells(), _Cells(), _Cells()
    counts, distinct, estimated = _Cells(), _Cells(), _Cells()
    for column, (_, _, reading) in enumerate(readings):
        own = [known.row(process) for process in reading.processes]
        handles.put_all(own, column, [UNKNOWN if one.handles is None else one.handles for one in reading.processes])
        limits.put_all(own, column, [UNKNOWN if one.limit is None else one.limit for one in reading.processes])
        typed: list[int] = []
        held: list[int] = []
        for row, process in zip(own, reading.processes, strict=True):
            if process.types:
                said.put(row, column, 1)
                typed += [type_rows.setdefault((row, name), len(type_rows)) for name in process.types]
                held += process.types.values()
            if process.objects is not None:
                looked.put(row, column, 1)
                for item in process.objects:
                    at = object_rows.setdefault((row, item.type, item.name), len(object_rows))
                    counts.put(at, column, item.count)
                    distinct.put(at, column, UNKNOWN if item.distinct is None else item.distinct)
                    estimated.put(at, column, int(item.estimated))
        types.put_all(typed, column, held)
    processes = known.keys
    rows, objects = len(processes), len(object_rows)
    type_matrix = types.matrix(len(type_rows), columns, UNKNOWN)
    said_matrix = said.matrix(rows, columns, 0)
    owners = np.array([row for row, _ in type_rows], np.intp)
    type_matrix[(type_matrix == UNKNOWN) & (said_matrix[owners] == 1)] = 0  # a type left out counts 0
    coverages = [reading.coverage for _, _, reading in readings]
    return Frame(
        step_s=0,
        times=np.array([time for time, _, _ in readings], np.int64),
        skews=np.array([skew for _, skew, _ in readings], np.int64),
        seen=np.array([UNKNOWN if c is None or c.processes is None else c.processes for c in coverages], np.int64),
        denied=np.array([UNKNOWN if c is None or c.denied is None else c.denied for c in coverages], np.int64),
        intervals=np.array([_told(reading.interval_s) for _, _, reading in readings], np.int64),
        booted=np.array([_told(reading.booted_us) for _, _, reading in readings], np.int64),
        partial=np.array([reading.partial for _, _, reading in readings], bool),
        processes=list(processes),
        handles=Values.exact(handles.matrix(rows, columns, ABSENT)),
        limits=limits.matrix(rows, columns, UNKNOWN),
        type_rows=list(type_rows),
        types=Values.exact(type_matrix),
        looked=looked.matrix(rows, columns, 0).astype(bool),
        object_rows=list(object_rows),
        objects=Values.exact(counts.matrix(objects, columns, UNKNOWN)),
        distinct=distinct.matrix(objects, columns, UNKNOWN),
        estimated=estimated.matrix(objects, columns, 0).astype(bool),
        sums=no_values(0, columns),
    )


def _told(value: int | None) -> int:
    return UNKNOWN if value is None or value < 0 else value


def union(frames: Sequence[Frame]) -> Frame:
    """One frame from several of one step, columns in order of time. At full resolution the first frame's content of a
    time stays; at a coarser step columns of one bucket are merged."""
    step_s = frames[0].step_s
    if step_s:
        frames = [frame if frame.sum_rows else with_sums(frame) for frame in frames]
    if not step_s and (following := _following(frames)) is not None:
        return following
    joined = _side_by_side(frames)
    if step_s:
        return rebucket(joined, step_s)
    _, first = np.unique(joined.times, return_index=True)
    return take(joined, first)


def _following(frames: Sequence[Frame]) -> Frame | None:
    """`union` where each frame begins after the one before, tells of the same processes and types, and of no objects:
    so most are of a host on which nothing happens."""
    first = frames[0]
    times = np.concatenate([frame.times for frame in frames])
    if not len(times) or (np.diff(times) <= 0).any():
        return None
    for frame in frames:
        same = frame.processes == first.processes and frame.type_rows == first.type_rows
        if not same or frame.object_rows or frame.sum_rows:
            return None

    def joined(values: Sequence[Values]) -> Values:
        last = np.concatenate([one.last for one in values], axis=1)
        if all(one.is_exact for one in values):
            return Values.exact(last)
        low, high = (np.concatenate([getattr(one, name) for one in values], axis=1) for name in ("low", "high"))
        return Values(last, low, high)

    handles, types = joined([frame.handles for frame in frames]), joined([frame.types for frame in frames])
    if not ((handles.high != ABSENT).any(axis=1).all() and (types.high != UNKNOWN).any(axis=1).all()):
        return None
    return replace(
        first,
        times=times,
        handles=handles,
        types=types,
        **_of_snapshots(frames),
        limits=np.concatenate([frame.limits for frame in frames], axis=1),
        looked=np.concatenate([frame.looked for frame in frames], axis=1),
        objects=no_values(0, len(times)),
        distinct=np.zeros((0, len(times)), np.int64),
        estimated=np.zeros((0, len(times)), bool),
        sums=no_values(0, len(times)),
    )


def take(frame: Frame, columns: NDArray[np.intp]) -> Frame:
    """The frame with these columns, in this order; rows that are nowhere present are dropped."""
    handles = frame.handles.pick(slice(None), columns)
    kept = np.flatnonzero((handles.high != ABSENT).any(axis=1)) if len(columns) else np.arange(0)
    new_row = {int(old): new for new, old in enumerate(kept)}
    types = np.array([i for i, (row, _) in enumerate(frame.type_rows) if row in new_row], np.intp)
    objects = np.array([i for i, (row, _, _) in enumerate(frame.object_rows) if row in new_row], np.intp)
    types = types[(frame.types.high[types][:, columns] != UNKNOWN).any(axis=1)] if len(types) else types
    objects = objects[(frame.objects.high[objects][:, columns] != UNKNOWN).any(axis=1)] if len(objects) else objects
    return Frame(
        step_s=frame.step_s,
        times=frame.times[columns],
        skews=frame.skews[columns],
        seen=frame.seen[columns],
        denied=frame.denied[columns],
        intervals=frame.intervals[columns],
        booted=frame.booted[columns],
        partial=frame.partial[columns],
        processes=[frame.processes[row] for row in kept],
        handles=handles.pick(kept),
        limits=frame.limits[kept][:, columns],
        type_rows=[(new_row[frame.type_rows[i][0]], frame.type_rows[i][1]) for i in types],
        types=frame.types.pick(types, columns),
        looked=frame.looked[kept][:, columns],
        object_rows=[(new_row[frame.object_rows[i][0]], *frame.object_rows[i][1:]) for i in objects],
        objects=frame.objects.pick(objects, columns),
        distinct=frame.distinct[objects][:, columns],
        estimated=frame.estimated[objects][:, columns],
        sum_rows=frame.sum_rows,
        sums=frame.sums.pick(slice(None), columns),
    )


def between(frame: Frame, from_us: int, to_us: int) -> Frame:
    """The frame's columns with shown times in this range, both ends included."""
    shown = frame.shown
    inside = (shown >= from_us) & (shown <= to_us)
    return frame if inside.all() else take(frame, np.flatnonzero(inside))


def rebucket(frame: Frame, step_s: int) -> Frame:
    """The frame at a coarser step: buckets of `step_s` seconds of the times as sent."""
    if not frame.sum_rows:
        frame = with_sums(frame)
    order = np.argsort(frame.times, kind="stable")
    if (order != np.arange(len(order))).any():
        frame = take(frame, order)
    buckets = frame.times // (step_s * SECOND)
    starts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
    ends = np.append(starts[1:], len(buckets)) - 1
    return Frame(
        step_s=step_s,
        times=frame.times[ends],
        skews=frame.skews[ends],
        seen=frame.seen[ends],
        denied=frame.denied[ends],
        intervals=frame.intervals[ends],
        booted=frame.booted[ends],
        partial=np.zeros(len(ends), bool),  # the sums leave such snapshots out
        processes=frame.processes,
        handles=_reduce(frame.handles, starts, ends),
        limits=frame.limits[:, ends],
        type_rows=frame.type_rows,
        types=_reduce(frame.types, starts, ends),
        looked=np.logical_or.reduceat(frame.looked, starts, axis=1),
        object_rows=frame.object_rows,
        objects=_reduce(frame.objects, starts, ends),
        distinct=frame.distinct[:, ends],
        estimated=frame.estimated[:, ends],
        sum_rows=frame.sum_rows,
        sums=_reduce(frame.sums, starts, ends),
    )


def sum_valid(values: Values, rows: NDArray[np.intp]) -> Values:
    """The column sums of these rows, as 1 x T; UNKNOWN where no row is known. Bounds are sums of bounds."""

    def add(matrix: Ints) -> Ints:
        part = matrix[rows]
        valid = part >= 0
        known = np.where(valid, part, 0)
        total: Ints = known.sum(axis=0, dtype=np.int64)
        if len(rows) * int(known.max(initial=0)) > MOST_SUM:
            fits = (known.sum(axis=0, dtype=np.float64) < MOST_SUM) & (total >= 0)
            total = np.where(fits, total, MOST_SUM)
        return np.where(valid.any(axis=0), total, UNKNOWN)[np.newaxis]

    return values.map(add)


def summed(frame: Frame, values: Values, rows: Sequence[int], *, of_all: bool) -> Values:
    """`sum_valid` of these rows of a frame. `of_all`: they stand for all processes, and their sum is UNKNOWN where a
    snapshot tells of some alone."""
    found = sum_valid(values, np.array(rows, np.intp))
    return found.map(lambda matrix: np.where(frame.partial, UNKNOWN, matrix)) if of_all else found


def with_sums(frame: Frame) -> Frame:
    """The frame with the sums that single processes can't give once it is coarser: the total, each program and each
    type. Program names are kept as sent."""
    types = carried_types(frame)
    groups: dict[tuple[str, str], tuple[Values, list[int]]] = {
        ("total", ""): (frame.handles, list(range(len(frame.processes))))
    }
    for row, process in enumerate(frame.processes):
        groups.setdefault(("program", process.program), (frame.handles, []))[1].append(row)
    for row, (_, name) in enumerate(frame.type_rows):
        groups.setdefault(("type", name), (types, []))[1].append(row)
    sums = [summed(frame, values, rows, of_all=kind != "program") for (kind, _), (values, rows) in groups.items()]
    frame.sum_rows = list(groups)
    frame.sums = Values(*(np.concatenate([getattr(one, name) for one in sums]) for name in ("last", "low", "high")))
    return frame


def carried_types(frame: Frame) -> Values:
    """The types with what was last said of a process (or first, before that) filled in while it lives: collectors look
    at the types of a few processes at a time, and a sum over those alone would jump with each look."""
    if not frame.type_rows:
        return frame.types
    owners = np.array([row for row, _ in frame.type_rows], np.intp)
    alive = (frame.handles.last != ABSENT)[owners]

    def fill(matrix: Ints) -> Ints:
        known = matrix >= 0
        columns = np.arange(matrix.shape[1])
        before = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
        after = np.minimum.accumulate(np.where(known, columns, len(columns))[:, ::-1], axis=1)[:, ::-1]
        nearest = np.where(before >= 0, before, np.minimum(after, len(columns) - 1))
        return np.where(alive | known, np.take_along_axis(matrix, nearest, axis=1), UNKNOWN)

    return frame.types.map(fill)


def with_last_looks(frame: Frame, column: int) -> Frame:
    """One column, with the types and objects of each process as of its last look at or before it."""
    columns = np.arange(column + 1)
    past = take(frame, columns)
    look = np.maximum.accumulate(np.where(past.looked, columns, -1), axis=1)
    look_of = look[np.array([row for row, _, _ in past.object_rows], np.intp)]

    def carry(matrix: Ints) -> Ints:
        return np.where(look_of >= 0, np.take_along_axis(matrix, look_of.clip(0), axis=1), UNKNOWN)

    carried = replace(
        past,
        types=carried_types(past),
        looked=look >= 0,
        objects=past.objects.map(carry),
        distinct=carry(past.distinct),
        estimated=carry(past.estimated.astype(np.int64)) == 1,
    )
    return take(carried, columns[-1:])


def _reduce(values: Values, starts: Ints, ends: Ints) -> Values:
    """Lowest and highest of what is known in each bucket; the last is that of the bucket's last snapshot, known or
    not, so that buckets merge exactly."""
    low = np.minimum.reduceat(np.where(values.low >= 0, values.low, _NEVER_LOW), starts, axis=1)
    high = np.maximum.reduceat(values.high, starts, axis=1)  # UNKNOWN beats ABSENT
    return Values(values.last[:, ends], np.where(low == _NEVER_LOW, high, low), high)


def _side_by_side(frames: Sequence[Frame]) -> Frame:
    processes = _index(key for frame in frames for key in frame.processes)
    maps = [[processes[key] for key in frame.processes] for frame in frames]
    type_keys = [[(rows[row], name) for row, name in f.type_rows] for f, rows in zip(frames, maps, strict=True)]
    type_index = _index(key for keys in type_keys for key in keys)
    object_keys = [[(rows[r], t, n) for r, t, n in f.object_rows] for f, rows in zip(frames, maps, strict=True)]
    object_index = _index(key for keys in object_keys for key in keys)
    sum_index = _index(key for frame in frames for key in frame.sum_rows)
    type_maps = [[type_index[key] for key in keys] for keys in type_keys]
    object_maps = [[object_index[key] for key in keys] for keys in object_keys]
    sum_maps = [[sum_index[key] for key in frame.sum_rows] for frame in frames]
    return Frame(
        step_s=frames[0].step_s,
        times=np.concatenate([frame.times for frame in frames]),
        **_of_snapshots(frames),
        processes=list(processes),
        handles=_lay_values([f.handles for f in frames], maps, len(processes), ABSENT),
        limits=_lay([frame.limits for frame in frames], maps, len(processes), UNKNOWN),
        type_rows=list(type_index),
        types=_fill_said(_lay_values([f.types for f in frames], type_maps, len(type_index), UNKNOWN), list(type_index)),
        looked=_lay([frame.looked for frame in frames], maps, len(processes), 0).astype(bool),
        object_rows=list(object_index),
        objects=_lay_values([frame.objects for frame in frames], object_maps, len(object_index), UNKNOWN),
        distinct=_lay([frame.distinct for frame in frames], object_maps, len(object_index), UNKNOWN),
        estimated=_lay([frame.estimated for frame in frames], object_maps, len(object_index), 0).astype(bool),
        sum_rows=list(sum_index),
        sums=_lay_values([frame.sums for frame in frames], sum_maps, len(sum_index), UNKNOWN),
    )


def _fill_said(types: Values, rows: list[tuple[int, str]]) -> Values:
    """Types left out count 0 also where another frame's row of the same process was the one that said so."""
    owners = np.array([row for row, _ in rows], np.intp)
    if not len(owners):
        return types
    said = np.zeros((int(owners.max()) + 1, types.last.shape[1]), bool)
    np.logical_or.at(said, owners, types.high != UNKNOWN)
    return types.map(lambda matrix: np.where((matrix == UNKNOWN) & said[owners], 0, matrix))


def _lay(matrices: Sequence[NDArray[np.generic]], maps: Sequence[list[int]], rows: int, fill: int) -> Ints:
    result = np.full((rows, sum(matrix.shape[1] for matrix in matrices)), fill, np.int64)
    column = 0
    for matrix, rows_of in zip(matrices, maps, strict=True):
        width = matrix.shape[1]
        if rows_of:
            result[rows_of, column : column + width] = matrix
        column += width
    return result


def _lay_values(values: Sequence[Values], maps: Sequence[list[int]], rows: int, fill: int) -> Values:
    last = _lay([one.last for one in values], maps, rows, fill)
    if all(one.is_exact for one in values):
        return Values.exact(last)
    return Values(
        last,
        _lay([one.low for one in values], maps, rows, fill),
        _lay([one.high for one in values], maps, rows, fill),
    )


def _index(keys: Iterable[K]) -> dict[K, int]:
    index: dict[K, int] = {}
    for key in keys:
        index.setdefault(key, len(index))
    return index


def _of_snapshots(frames: Sequence[Frame]) -> dict[str, Any]:
    """What is one value for each snapshot but its time, one frame after another."""
    names = ("skews", "seen", "denied", "intervals", "booted", "partial")
    return {name: np.concatenate([getattr(frame, name) for frame in frames]) for name in names}
