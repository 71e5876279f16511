"""How a host stands at its newest snapshot: its heaviest program, its last day in a few points, what seems to grow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from server.analysis.frames import ABSENT, Frame, Ints, between
from server.analysis.growth import growing_rows, rate_per_hour
from server.analysis.instants import DAY, HOUR
from server.analysis.names import program_key
from server.analysis.readings import MOST_SUM
from server.analysis.series import Query, chart

SPARKLINE_POINTS = 48
PIECE = DAY // SPARKLINE_POINTS
LAST_READ = HOUR  # for which what can't be read is taken to hold what it did
LEAST_RISE = 10
LEAST_SHARE = 0.01  # of the handles it holds, in the last day


Points = Sequence[tuple[int, int | None]]


@dataclass(frozen=True, slots=True)
class Standing:
    """`sparkline`: (shown time, total or None) of the last 48 half hours, by their ends, oldest first."""

    worst_program: str | None
    worst_handles: int | None
    sparkline: Points


def standing(frames: Sequence[Frame], *, fold: bool, former: Points = (), from_us: int | None = None) -> Standing:
    """Of the frames of the last day; only their handles are read. `fold` compares programs without case. Where a
    former sparkline holds up to `from_us`, frames from `needed_from` on do."""
    newest_us = max((int(frame.shown.max()) for frame in frames), default=None)
    if newest_us is None:
        return Standing(None, None, [])
    since_us = newest_us - (DAY if is_partial(frames, newest_us) else LAST_READ)
    last = [part for frame in frames if len((part := between(frame, since_us, newest_us)).times)]
    held = _held_now(last, newest_us, fold=fold)
    worst = max(held.values(), key=lambda one: (one[1], one[0]), default=None)
    begins_us = _first_piece(newest_us) if from_us is None else from_us // PIECE * PIECE
    return Standing(
        worst_program=None if worst is None else worst[0],
        worst_handles=None if worst is None else worst[1],
        sparkline=_sparkline(frames, newest_us, [] if from_us is None else former, begins_us),
    )


def going_on(
    programs: Sequence[str], counts: Sequence[tuple[int, Ints]], former: Points, from_us: int, *, fold: bool
) -> Standing:
    """`standing` of the same processes, which are of these programs. `counts`: by shown time, from `from_us` on, what
    each holds, negative where that was never read; `former`: the sparkline before that, in the same half hour too."""
    held: dict[str, tuple[str, int]] = {}
    newest_us, newest = counts[-1]
    for program, count in zip(programs, newest.tolist(), strict=True):
        if count >= 0:
            key = program_key(program, fold=fold)
            name, sofar = held.get(key, (program, 0))
            held[key] = name, min(sofar + count, MOST_SUM)
    worst: tuple[str | None, int | None] = (None, None)
    if held:
        worst = max(held.values(), key=lambda one: (one[1], one[0]))
    totals = [
        (at_us, min(int(of_all[known].sum()), MOST_SUM) if (known := of_all >= 0).any() else None)
        for at_us, of_all in counts
    ]
    begun = [(at_us - 1, count) for at_us, count in former if at_us == (from_us // PIECE + 1) * PIECE]
    points = _by_half_hours([*begun, *totals], newest_us, former, from_us // PIECE * PIECE)
    return Standing(worst[0], worst[1], points)


def needed_from(former: Points, newest_us: int, from_us: int) -> int | None:
    """Since when frames are needed, if everything up to `from_us` stands as it was told; None: from the last day."""
    if any(at_us % PIECE for at_us, _ in former):
        return None
    return min(newest_us - LAST_READ, max(from_us // PIECE * PIECE, _first_piece(newest_us)))


def is_partial(frames: Sequence[Frame], newest_us: int) -> bool:
    """Whether the newest snapshot tells of some processes only."""
    return any(bool(frame.partial[frame.shown == newest_us].any()) for frame in frames)


def _first_piece(newest_us: int) -> int:
    return newest_us // PIECE * PIECE - (SPARKLINE_POINTS - 1) * PIECE


def _held_now(frames: Sequence[Frame], newest_us: int, *, fold: bool) -> dict[str, tuple[str, int]]:
    """By key, the programs in the newest snapshot with what they hold. What is there and could not be read, as all
    others in a file that lists one process, holds what was last read."""
    latest_first = sorted(frames, key=lambda frame: -int(frame.shown.max()))
    last: dict[tuple[str, int, int | None], int] = {}
    wanted: set[tuple[str, int, int | None]] = set()
    for frame in latest_first:
        at_newest = np.flatnonzero(frame.shown == newest_us)
        if len(at_newest):
            there = frame.handles.last[:, at_newest[0]] != ABSENT
            wanted.update(_identity(frame, row) for row in np.flatnonzero(there).tolist())
        missing = [
            row for row in range(len(frame.processes)) if (one := _identity(frame, row)) in wanted and one not in last
        ]
        if not missing:
            break
        order = np.argsort(frame.shown, kind="stable")
        counts = frame.handles.last[missing][:, order]
        known = counts >= 0
        columns = known.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
        for place in np.flatnonzero(known.any(axis=1)).tolist():
            last[_identity(frame, missing[place])] = int(counts[place, columns[place]])
    held: dict[str, tuple[str, int]] = {}
    for (program, _, _), count in last.items():
        key = program_key(program, fold=fold)
        name, sofar = held.get(key, (program, 0))
        held[key] = name, min(sofar + count, MOST_SUM)
    return held


def _identity(frame: Frame, row: int) -> tuple[str, int, int | None]:
    process = frame.processes[row]
    return process.program, process.pid, process.started_us


def seeming_to_grow(frames: Sequence[Frame], *, fold: bool) -> list[str]:
    """Programs worth a closer look, the fastest first; whether they leak is told elsewhere."""
    programs = chart(frames, Query(by="program", fold=fold, points=10**9))
    if not len(programs.times) or not programs.lines:
        return []
    times = programs.times
    newest_us = int(times[-1])
    matrix = np.stack([line.last for line in programs.lines])
    day = times >= newest_us - DAY
    growing = []
    for row in np.flatnonzero(growing_rows(times, matrix, least_rise=LEAST_RISE, history=True) & (matrix[:, -1] >= 0)):
        rate = rate_per_hour(times[day], matrix[row][day])
        span = min(DAY, newest_us - int(times[matrix[row] >= 0][0]))
        if rate is not None and rate * span / HOUR >= LEAST_SHARE * int(matrix[row, -1]):
            growing.append((rate, str(programs.lines[row].key["program"])))
    return [program for _, program in sorted(growing, key=lambda one: -one[0])]


def _sparkline(frames: Sequence[Frame], newest_us: int, former: Points, from_us: int) -> list[tuple[int, int | None]]:
    """The most in each half hour by the clock, those before `from_us` as told; one without a reading is a gap."""
    total = chart(
        [part for frame in frames if len((part := between(frame, from_us, newest_us)).times)], Query(points=10**9)
    )
    if not len(total.times):
        return _by_half_hours([], newest_us, former, from_us)
    counts = [None if count < 0 else count for count in total.lines[0].last.tolist()]
    return _by_half_hours(list(zip(total.times.tolist(), counts, strict=True)), newest_us, former, from_us)


def _by_half_hours(totals: Points, newest_us: int, former: Points, from_us: int) -> list[tuple[int, int | None]]:
    found: dict[int, int | None] = {at_us // PIECE - 1: count for at_us, count in former if at_us <= from_us}
    for at_us, count in totals:
        before = found.get(at_us // PIECE)
        found[at_us // PIECE] = count if before is None else max(before, -1 if count is None else count)
    first = min(
        (piece for piece, count in found.items() if piece * PIECE >= _first_piece(newest_us) and count is not None),
        default=None,
    )
    if first is None:
        return []
    return [((piece + 1) * PIECE, found.get(piece)) for piece in range(first, newest_us // PIECE + 1)]
