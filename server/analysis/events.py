"""What happened on a host, told from its snapshots and its lists of what is installed: silences, reboots, programs that
were restarted, limits and software that changed. Pure: the same history gives the same events, however it came."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from server.analysis.facts import Item
from server.analysis.frames import ABSENT, UNKNOWN, Frame, Ints, ProcessKey
from server.analysis.instants import HOUR, MINUTE, SECOND
from server.analysis.names import program_key

Kind = Literal["silence", "reboot", "software", "restart", "limit"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MISSED_INTERVALS = 3
DEFAULT_INTERVAL_S = 60  # of a host that tells none, unless its snapshots came further apart
LONG_LIVED = HOUR  # a younger process that goes and comes back is no restart worth telling
BACK_WITHIN = 15 * MINUTE
SETTLED = MINUTE  # programs set their own limit when they start
LEAST_ANEW = 3  # processes, all of them new, that make a reboot of a machine that does not tell its boot
BOOT_MOVED = 5 * MINUTE
MOST_A_CHANGE = 50  # items told of one list that replaced another
FIRST_LIST = 20  # items, or more, where there were none: the first list, not so many installed at once

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Event:
    """`time_us`: when it happened, `seen_us`: the snapshot that tells of it, both shown times. `subject` tells events
    of one kind and time apart. `until_us`: the end of a silence."""

    kind: Kind
    time_us: int
    seen_us: int
    subject: str = ""
    until_us: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return hashlib.blake2b(self.subject.encode("utf-8", "replace"), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class History:
    """What was derived: events seen at or after `from_us`, which replace all that were. `cadence_s`: how far apart the
    newest two snapshots are, where the host tells no interval."""

    from_us: int
    events: Sequence[Event]
    cadence_s: int | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    """All snapshots in order of shown time: where each lies (frame, column), and what gaps are told from."""

    frames: Sequence[Frame]
    shown: Ints
    frame: Ints
    column: Ints
    intervals: Ints


@dataclass(frozen=True, slots=True)
class _Side:
    """One snapshot of a step, and those of its processes that stay and those that do not, as rows of its frame."""

    frame: Frame
    column: int
    alone: NDArray[np.intp]
    stays: NDArray[np.intp]

    @property
    def time_us(self) -> int:
        return int(self.frame.times[self.column])

    @property
    def skew_us(self) -> int:
        return int(self.frame.skews[self.column]) * SECOND

    @property
    def shown_us(self) -> int:
        return self.time_us - self.skew_us

    def limit(self, row: int | np.intp) -> int:
        return int(self.frame.limits[row, self.column])

    def present(self) -> NDArray[np.intp]:
        return np.concatenate([self.alone, self.stays])


@dataclass(frozen=True, slots=True)
class _Step:
    """From one snapshot to the next. `old`: rows of `a` that went after a long life; `moved`: rows of both whose limit
    changed (row of b, before, after); `rebooted_us`: the machine was started in between, at this time as sent."""

    a: _Side
    b: _Side
    old: NDArray[np.intp]
    moved: Sequence[tuple[int, int, int]]
    rebooted_us: int | None


def looked_back(from_us: int) -> int:
    """Two snapshots or more from before this time are needed to derive what happened from `from_us` on."""
    return from_us - BACK_WITHIN


def derive(frames: Sequence[Frame], from_us: int, *, fold: bool) -> History:
    """Events seen at or after `from_us` (shown), of frames that reach back as `looked_back` says. Where history is
    coarse already nothing more can be told, and what was told stays. `fold` compares programs without case."""
    line = _line(frames)
    if not len(line.shown):
        return History(from_us, [])
    steps = np.array([frame.step_s for frame in frames], np.int64)[line.frame]
    from_us = max(from_us, int(line.shown[steps > 0].max(initial=from_us - 1)) + 1)
    first = max(0, int(np.searchsorted(line.shown, looked_back(from_us))) - 2)
    line = _Line(frames, line.shown[first:], line.frame[first:], line.column[first:], line.intervals[first:])
    changes = [event for event in _changes(_steps(line), fold=fold) if event.seen_us >= from_us]
    return History(from_us, [*_silences(line, from_us), *changes], _cadence(line))


def _line(frames: Sequence[Frame]) -> _Line:
    empty = [np.zeros(0, np.int64)]
    shown = np.concatenate([*empty, *(frame.shown for frame in frames)])
    times = np.concatenate([*empty, *(frame.times for frame in frames)])
    order = np.lexsort((times, shown))
    widths = [len(frame.times) for frame in frames]
    return _Line(
        frames=frames,
        shown=shown[order],
        frame=np.repeat(np.arange(len(frames)), widths)[order],
        column=np.concatenate([*empty, *(np.arange(width) for width in widths)])[order],
        intervals=np.concatenate([*empty, *(frame.intervals for frame in frames)])[order],
    )


def _silences(line: _Line, from_us: int) -> Iterator[Event]:
    """Gaps of more than three intervals, as the snapshot before the gap told its interval. A host that tells none is
    taken by the gap before: dumps that come once an hour are no silence each."""
    gaps = np.diff(line.shown)
    before = np.concatenate([np.zeros(1, np.int64), gaps[:-1]])[: len(gaps)]
    own = line.intervals[:-1]
    allowed = np.where(own > 0, own * SECOND, np.maximum(before, DEFAULT_INTERVAL_S * SECOND))
    for at in np.flatnonzero((gaps > MISSED_INTERVALS * allowed) & (line.shown[1:] >= from_us)):
        until = int(line.shown[at + 1])
        yield Event("silence", int(line.shown[at]), until, until_us=until)


def _cadence(line: _Line) -> int | None:
    if len(line.shown) < 2 or line.intervals[-1] > 0:
        return None
    return int(line.shown[-1] - line.shown[-2]) // SECOND


# --- from snapshot to snapshot ---------------------------------------------------------------------------------------


def _steps(line: _Line) -> Iterator[_Step]:
    """The steps at which something may have happened, oldest first."""
    starts = np.flatnonzero(np.diff(line.frame, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(line.shown)], strict=True):
        frame = line.frames[int(line.frame[start])]
        if start and not frame.step_s and not line.frames[int(line.frame[start - 1])].step_s:
            yield _across(line, int(start) - 1)
        if end - start > 1 and not frame.step_s:
            yield from _within(frame, line.column[start:end])


def _within(frame: Frame, columns: Ints) -> Iterator[_Step]:
    """The steps between these columns of one frame at which a process went or came, a limit moved or a boot was."""
    present = frame.handles.last[:, columns] != ABSENT
    limits, times, starts = frame.limits[:, columns], frame.times[columns], _starts(frame)
    a, b = present[:, :-1], present[:, 1:]
    moved = (limits[:, :-1] != limits[:, 1:]) & (limits[:, :-1] >= 0) & (limits[:, 1:] >= 0)
    moved &= times[:-1] - SETTLED >= starts[:, np.newaxis]
    old = a & ~b & (times[:-1] - LONG_LIVED >= starts[:, np.newaxis])
    booted = frame.booted[columns[1:]] > times[:-1]
    for at in np.flatnonzero((a != b).any(axis=0) | moved.any(axis=0) | booted):
        stays = np.flatnonzero(a[:, at] & b[:, at])
        before = _Side(frame, int(columns[at]), np.flatnonzero(a[:, at] & ~b[:, at]), stays)
        after = _Side(frame, int(columns[at + 1]), np.flatnonzero(b[:, at] & ~a[:, at]), stays)
        changed = [(int(row), before.limit(row), after.limit(row)) for row in np.flatnonzero(moved[:, at])]
        yield _Step(before, after, np.flatnonzero(old[:, at]), changed, _rebooted(before, after))


def _across(line: _Line, at: int) -> _Step:
    """The step from one frame to another."""
    sides = []
    for one in (at, at + 1):
        frame, column = line.frames[int(line.frame[one])], int(line.column[one])
        rows = np.flatnonzero(frame.handles.last[:, column] != ABSENT)
        sides.append((frame, column, {_identity(frame.processes[row]): int(row) for row in rows}))
    (frame_a, column_a, there), (frame_b, column_b, here) = sides
    stay = [one for one in here if one in there]
    a = _Side(
        frame_a,
        column_a,
        _rows(row for one, row in there.items() if one not in here),
        _rows(there[one] for one in stay),
    )
    b = _Side(
        frame_b, column_b, _rows(row for one, row in here.items() if one not in there), _rows(here[one] for one in stay)
    )
    old = a.alone[a.time_us - LONG_LIVED >= _starts(frame_a)[a.alone]]
    settled = a.time_us - SETTLED >= _starts(frame_a)[a.stays]
    limits = [(int(row), a.limit(there[one]), b.limit(row)) for one, row in zip(stay, b.stays, strict=True)]
    moved = [
        one for one, known in zip(limits, settled, strict=True) if known and min(one[1:]) >= 0 and one[1] != one[2]
    ]
    return _Step(a, b, old, moved, _rebooted(a, b))


def _rows(rows: Iterable[int]) -> NDArray[np.intp]:
    return np.fromiter(rows, np.intp)


def _identity(process: ProcessKey) -> tuple[int, int | str]:
    return process.pid, process.name if process.started_us is None else process.started_us


def _starts(frame: Frame) -> Ints:
    """When each process was started, as sent; of one that does not tell it, never."""
    return np.array([_NEVER if one.started_us is None else one.started_us for one in frame.processes], np.int64)


def _rebooted(a: _Side, b: _Side) -> int | None:
    """When the machine was started, if it was between these snapshots: by what it tells of its boot or, where it tells
    nothing, because every process is new."""
    booted, former = int(b.frame.booted[b.column]), int(a.frame.booted[a.column])
    if booted != UNKNOWN:
        moved = former != UNKNOWN and booted > former + BOOT_MOVED and not len(a.stays)
        return booted if booted > a.time_us or moved else None
    if len(b.stays) or min(len(a.alone), len(b.alone)) < LEAST_ANEW:
        return None
    starts = [b.frame.processes[row].started_us for row in b.alone]
    known = [start for start in starts if start is not None]
    return min(known) if len(known) == len(starts) and min(known) > a.time_us else None


def _changes(steps: Iterable[_Step], *, fold: bool) -> Iterator[Event]:
    """Reboots, restarts and changed limits. A program is restarted if its oldest process went after a long life and
    another of it came, at once or soon; the workers of a program that goes on are none of that."""
    gone: dict[str, tuple[int, int, ProcessKey, int]] = {}  # by program: shown before and after it went, which, limit
    for step in steps:
        if step.rebooted_us is not None:
            gone.clear()
            yield _reboot(step, step.rebooted_us)
            yield from _limits_across_boot(step, fold=fold)
            continue
        yield from _limits_moved(step, fold=fold)
        for row in _leaders(step, fold=fold):
            process = step.a.frame.processes[row]
            gone[program_key(process.program, fold=fold)] = (
                step.a.shown_us, step.b.shown_us, process, step.a.limit(row)
            )  # fmt: skip
        if not gone:
            continue
        came: set[str] = set()
        for row in sorted(step.b.alone, key=lambda row: _order(step.b.frame.processes[row])):
            process = step.b.frame.processes[row]
            key = program_key(process.program, fold=fold)
            if key in gone and key not in came:
                came.add(key)
                before_us, after_us, former, limit = gone.pop(key)
                if step.b.shown_us <= after_us + BACK_WITHIN:
                    yield from _restart(step, key, former, process, limits=(limit, step.b.limit(row)), after=before_us)


def _order(process: ProcessKey) -> tuple[int, int]:
    return (_NEVER if process.started_us is None else process.started_us), process.pid


def _leaders(step: _Step, *, fold: bool) -> Iterator[int]:
    """Of the rows that went after a long life, the oldest process of each program none of whose older ones stay."""
    if not len(step.old):
        return
    renamed = {_identity(step.b.frame.processes[row]) for row in step.b.alone}  # it told more of itself, and lives on
    processes = step.a.frame.processes
    oldest: dict[str, int] = {}
    for row in step.old:
        key = program_key(processes[row].program, fold=fold)
        if _identity(processes[row]) not in renamed and (
            key not in oldest or _order(processes[row]) < _order(processes[oldest[key]])
        ):
            oldest[key] = int(row)
    for row in step.a.stays if oldest else ():
        key = program_key(processes[row].program, fold=fold)
        if key in oldest and _order(processes[row]) < _order(processes[oldest[key]]):
            del oldest[key]
    yield from oldest.values()


def _reboot(step: _Step, booted_us: int) -> Event:
    detail = {"last_heard_us": step.a.shown_us, "heard_us": step.b.shown_us}
    return Event("reboot", booted_us - step.b.skew_us, step.b.shown_us, detail=detail)


def _restart(
    step: _Step, key: str, former: ProcessKey, process: ProcessKey, *, limits: tuple[int, int], after: int
) -> Iterator[Event]:
    started = None if process.started_us is None else process.started_us - step.b.skew_us
    time_us = step.b.shown_us if started is None else min(max(started, after), step.b.shown_us)
    detail = {"program": process.program, "pid_before": former.pid, "pid": process.pid}
    yield Event("restart", time_us, step.b.shown_us, key, detail=detail)
    if min(limits) >= 0 and limits[0] != limits[1]:
        yield _limit(time_us, step, process.program, limits, fold_key=key)


def _limits_moved(step: _Step, *, fold: bool) -> Iterator[Event]:
    """One event for each program; of several changes the one to the lowest limit."""
    found: dict[str, tuple[int, int, str]] = {}
    for row, before, after in step.moved:
        program = step.b.frame.processes[row].program
        key = program_key(program, fold=fold)
        found[key] = min(found.get(key, (after, before, program)), (after, before, program))
    for key, (after, before, program) in sorted(found.items()):
        yield _limit(step.b.shown_us, step, program, (before, after), fold_key=key)


def _limits_across_boot(step: _Step, *, fold: bool) -> Iterator[Event]:
    """Programs all of whose processes had one limit before a boot and have another one after it."""
    before, after = _limits_by_program(step.a, fold=fold), _limits_by_program(step.b, fold=fold)
    for key in sorted(before.keys() & after.keys()):
        (program, old), (_, new) = before[key], after[key]
        if len(old) == len(new) == 1 and old != new:
            yield _limit(step.b.shown_us, step, program, (min(old), min(new)), fold_key=key)


def _limits_by_program(side: _Side, *, fold: bool) -> dict[str, tuple[str, set[int]]]:
    found: dict[str, tuple[str, set[int]]] = {}
    for row in side.present():
        if side.limit(row) >= 0:
            program = side.frame.processes[row].program
            found.setdefault(program_key(program, fold=fold), (program, set()))[1].add(side.limit(row))
    return found


def _limit(time_us: int, step: _Step, program: str, limits: tuple[int, int], *, fold_key: str) -> Event:
    detail = {"program": program, "before": limits[0], "after": limits[1]}
    return Event("limit", time_us, step.b.shown_us, fold_key, detail=detail)


# --- what is installed -----------------------------------------------------------------------------------------------

Lists = Mapping[str, Sequence[Item]]


def software_changes(before: Lists, after: Lists, time_us: int) -> Iterator[Event]:
    """What of each list was installed, updated and removed, at the time of the list that has it."""
    for kind in sorted(before.keys() | after.keys()):
        old, new = _versions(before.get(kind, ())), _versions(after.get(kind, ()))
        if not old and len(new) >= FIRST_LIST:
            continue
        changes = [change for name in sorted(old.keys() | new.keys()) for change in _item_changes(name, old, new)]
        for name, what, version, former in changes[:MOST_A_CHANGE]:
            detail = {"list": kind, "change": what, "name": name, "before": former, "after": version}
            yield _software(time_us, kind, what, name, former, version, detail=detail)
        if len(changes) > MOST_A_CHANGE:
            rest = {"list": kind, "change": "more", "count": len(changes) - MOST_A_CHANGE}
            yield _software(time_us, kind, "more", detail=rest)


def _software(time_us: int, *subject: str | None, detail: Mapping[str, Any]) -> Event:
    return Event("software", time_us, time_us, "\0".join(part or "" for part in subject), detail=detail)


def _versions(items: Sequence[Item]) -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = {}
    for item in items:
        found.setdefault(item.name, []).append(item.version)
    return found


_Change = tuple[str, str, str | None, str | None]  # name, what, version after, before


def _item_changes(name: str, old: Mapping[str, list[str | None]], new: Mapping[str, list[str | None]]) -> list[_Change]:
    """A name may stand in a list several times, as kernels do: what left and what came pair up as updates only where
    each is one."""
    left, came = list(old.get(name, [])), []
    for version in new.get(name, []):
        if version in left:
            left.remove(version)
        else:
            came.append(version)
    if len(left) == len(came) == 1:
        return [(name, "updated", came[0], left[0])]
    return [
        *((name, "removed", None, version) for version in left),
        *((name, "installed", version, None) for version in came),
    ]
