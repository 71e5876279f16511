"""How a host stands at its newest snapshot: its heaviest program, its last day in a few points, what grows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from server.analysis.frames import UNKNOWN, Frame, Ints
from server.analysis.growth import growing_rows, rate_per_hour
from server.analysis.instants import DAY, HOUR
from server.analysis.names import program_key
from server.analysis.series import Chart, Query, chart

LOOK_BACK = 7 * DAY  # so that a daily rhythm is no growth
SPARKLINE_POINTS = 48
LEAST_RISE = 10
LEAST_SHARE = 0.01  # of the handles it holds, in the last day


@dataclass(frozen=True, slots=True)
class Growing:
    """A program whose handles grow. `limit` is the lowest of its processes' limits, `since_us` when its floor, in
    pieces of six hours, began to rise without a fall."""

    program: str
    handles: int
    rate_per_hour: float
    limit: int | None
    since_us: int
    last_seen_us: int


@dataclass(frozen=True, slots=True)
class Standing:
    """`sparkline`: (shown time, total or None) over the last 24 h, oldest first."""

    worst_program: str | None
    worst_handles: int | None
    sparkline: list[tuple[int, int | None]]
    growing: list[Growing]


def standing(frames: Sequence[Frame], *, fold: bool) -> Standing:
    """Of the frames of the last `LOOK_BACK`; only their handles are read. `fold` compares programs without case."""
    programs = chart(frames, Query(by="program", fold=fold, points=10**9))
    if not len(programs.times):
        return Standing(None, None, [], [])
    times = programs.times
    newest_us = int(times[-1])
    matrix = np.stack([line.last for line in programs.lines]) if programs.lines else np.zeros((0, len(times)), np.int64)
    now = _now(frames, programs, matrix, fold=fold)
    worst = int(np.argmax(now)) if len(now) and int(now.max()) >= 0 else None
    limits = _limits(frames, newest_us, fold=fold)
    found = []
    for row in np.flatnonzero(growing_rows(times, matrix, least_rise=LEAST_RISE, history=True) & (now >= 0)):
        day = times >= newest_us - DAY
        rate = rate_per_hour(times[day], matrix[row][day])
        span = min(DAY, newest_us - int(times[matrix[row] >= 0][0]))
        if rate is None or rate * span / HOUR < LEAST_SHARE * int(now[row]):
            continue
        name = str(programs.lines[row].key["program"])
        found.append(
            Growing(
                program=name,
                handles=int(now[row]),
                rate_per_hour=rate,
                limit=limits.get(program_key(name, fold=fold)),
                since_us=_rising_since(times, matrix[row]),
                last_seen_us=newest_us,
            )
        )
    return Standing(
        worst_program=None if worst is None else str(programs.lines[worst].key["program"]),
        worst_handles=None if worst is None else int(now[worst]),
        sparkline=_sparkline(frames, newest_us),
        growing=sorted(found, key=lambda one: -one.rate_per_hour),
    )


def _now(frames: Sequence[Frame], programs: Chart, matrix: Ints, *, fold: bool) -> Ints:
    """What each program holds in the newest snapshot; UNKNOWN where it is gone. Where it is there and could not be
    read, as all others in a file that lists one process, it holds what was last read."""
    if not len(matrix):
        return np.zeros(0, np.int64)
    now = matrix[:, -1].copy()
    newest_us = int(programs.times[-1])
    unread = {
        program_key(frame.processes[row].program, fold=fold)
        for frame in frames
        for column in np.flatnonzero(frame.shown == newest_us)
        for row in np.flatnonzero(frame.handles.last[:, column] == UNKNOWN)
    }
    for at, line in enumerate(programs.lines):
        if now[at] < 0 and program_key(str(line.key["program"]), fold=fold) in unread:
            known = matrix[at][matrix[at] >= 0]
            now[at] = known[-1] if len(known) else UNKNOWN
    return now


def _limits(frames: Sequence[Frame], newest_us: int, *, fold: bool) -> dict[str, int]:
    """The lowest limit of each program's processes in the newest snapshot."""
    limits: dict[str, int] = {}
    for frame in frames:
        for column in np.flatnonzero(frame.shown == newest_us):
            for row in np.flatnonzero((frame.handles.last[:, column] >= 0) & (frame.limits[:, column] >= 0)):
                limit, key = int(frame.limits[row, column]), program_key(frame.processes[row].program, fold=fold)
                limits[key] = min(limit, limits.get(key, limit))
    return limits


def _sparkline(frames: Sequence[Frame], newest_us: int) -> list[tuple[int, int | None]]:
    total = chart(frames, Query(points=10**9))
    day = total.times >= newest_us - DAY
    times, counts = total.times[day], total.lines[0].last[day]
    if not len(times):
        return []
    # equal pieces of time; a piece without a reading is a gap
    pieces = np.minimum((times - (newest_us - DAY)) * SPARKLINE_POINTS // DAY, SPARKLINE_POINTS - 1)
    points: list[tuple[int, int | None]] = []
    for piece in range(int(pieces[0]), SPARKLINE_POINTS):
        known = counts[(pieces == piece) & (counts >= 0)]
        at = newest_us - DAY + (piece + 1) * DAY // SPARKLINE_POINTS
        points.append((at, int(known.max()) if len(known) else None))
    return points


def _rising_since(times: Ints, counts: Ints) -> int:
    known = counts >= 0
    times, counts = times[known], counts[known]
    piece = (int(times[-1]) - times) // (6 * HOUR)  # 0 is the newest
    start = int(times[-1])
    floor = None
    for back in range(int(piece.max()) + 1):
        inside = piece == back
        if not inside.any():
            continue
        lowest = int(counts[inside].min())
        if floor is not None and lowest >= floor:
            break
        floor, start = lowest, int(times[inside][0])
    return start
