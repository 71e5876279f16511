"""How a host stands at its newest snapshot: its heaviest program, its last day in a few points, what seems to grow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from server.analysis.frames import UNKNOWN, Frame, Ints
from server.analysis.growth import growing_rows, rate_per_hour
from server.analysis.instants import DAY, HOUR
from server.analysis.names import program_key
from server.analysis.series import Chart, Query, chart

SPARKLINE_POINTS = 48
LEAST_RISE = 10
LEAST_SHARE = 0.01  # of the handles it holds, in the last day


@dataclass(frozen=True, slots=True)
class Standing:
    """`sparkline`: (shown time, total or None) over the last 24 h, oldest first. `growing`: programs worth a closer
    look, the fastest first; whether they leak is told elsewhere."""

    worst_program: str | None
    worst_handles: int | None
    sparkline: list[tuple[int, int | None]]
    growing: list[str]


def standing(frames: Sequence[Frame], *, fold: bool) -> Standing:
    """Of the frames of the last day, or more; only their handles are read. `fold` compares programs without case."""
    programs = chart(frames, Query(by="program", fold=fold, points=10**9))
    if not len(programs.times):
        return Standing(None, None, [], [])
    times = programs.times
    newest_us = int(times[-1])
    matrix = np.stack([line.last for line in programs.lines]) if programs.lines else np.zeros((0, len(times)), np.int64)
    now = _now(frames, programs, matrix, fold=fold)
    worst = int(np.argmax(now)) if len(now) and int(now.max()) >= 0 else None
    growing = []
    for row in np.flatnonzero(growing_rows(times, matrix, least_rise=LEAST_RISE, history=True) & (now >= 0)):
        day = times >= newest_us - DAY
        rate = rate_per_hour(times[day], matrix[row][day])
        span = min(DAY, newest_us - int(times[matrix[row] >= 0][0]))
        if rate is None or rate * span / HOUR < LEAST_SHARE * int(now[row]):
            continue
        growing.append((rate, str(programs.lines[row].key["program"])))
    return Standing(
        worst_program=None if worst is None else str(programs.lines[worst].key["program"]),
        worst_handles=None if worst is None else int(now[worst]),
        sparkline=_sparkline(frames, newest_us),
        growing=[program for _, program in sorted(growing, key=lambda one: -one[0])],
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
