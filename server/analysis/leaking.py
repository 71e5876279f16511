"""From climbs to leaks: when each began, when it was told, how fast it grows, in which type, and when it was over.

What is said at an hour depends on snapshots up to the end of that hour alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.analysis.climbing import DAY_H, Climbs, climbs
from server.analysis.floors import Floats, Floors
from server.analysis.rising import PIECE_H

_OVER_H = 72
_STILL = 0.15  # of what it would have grown, under which it no longer grows
_AT_LIMIT = 0.97
_EXPLAINS = 0.7  # of the growth: what a type must take to be named
_LEAST_FIT_H = 6


@dataclass(frozen=True, slots=True)
class Leak:
    """Times in microseconds. `type` None: the total grows and no type explains it. `rate_per_hour` is the net average
    from `started_us` on, until it was over or the last snapshot. `seen_h`: over how many hours it was seen to grow."""

    program: str
    type: str | None
    started_us: int
    detected_us: int
    resolved_us: int | None
    rate_per_hour: float
    handles: int | None
    limit: int | None
    seen_h: int


def leaks(floors: Floors) -> list[Leak]:
    """Of all programs of a host, each in order of time."""
    if not floors.rows:  # no hour is complete yet
        return []
    climbing = climbs(floors)
    by_program: dict[str, list[int]] = {}
    for row in np.flatnonzero((climbing.over > 0).any(axis=1)).tolist():
        by_program.setdefault(floors.rows[row].program, []).append(row)
    return [leak for rows in by_program.values() for leak in _of_program(floors, climbing, rows)]


def _of_program(floors: Floors, climbing: Climbs, rows: list[int]) -> list[Leak]:
    found: list[Leak] = []
    fresh = -10 * DAY_H
    while True:
        over = climbing.over[rows]
        new = (over > 0) & (np.arange(over.shape[1]) - over >= fresh)
        if not new.any():
            return found
        hour = int(new.any(axis=0).argmax())
        saying = [row for row, said in zip(rows, new[:, hour], strict=True) if said]
        row = min(saying, key=lambda one: _rank(floors, one))
        leak, end = _leak(floors, climbing, row, hour, since=max(fresh - _OVER_H, 0))
        found.append(leak)
        if end is None:
            return found
        fresh = end


def _rank(floors: Floors, row: int) -> tuple[bool, bool, int]:
    """The total first, then a single process, then types."""
    key = floors.rows[row]
    return key.type is not None, key.process is not None, row


def _leak(floors: Floors, climbing: Climbs, row: int, hour: int, *, since: int) -> tuple[Leak, int | None]:
    seen = int(climbing.over[row, hour])
    named = _named(floors, climbing, row, hour, hours=seen)
    level = floors.grown[0][named] if climbing.single[row, hour] else floors.held[named]
    started = _hinge(level[since : hour + 1]) + since
    rate = _rate(level[: hour + 1], started)
    full = floors.held[_whole(floors, row)] >= _AT_LIMIT * floors.limit[row]
    over = _over(level, hour, rate, full)
    end = level.shape[0] if over is None else over - _OVER_H
    if climbing.single[row, hour] and full[started:end].any():  # it grew until there was no room
        end = max(started + int(full[started:end].argmax()) + 1, started + 2)
        started = min(_hinge(level[since:end]) + since, end - 2)
        rate = _rate(level[:end], started)
    elif end > hour:
        started = _hinge(level[since:end]) + since
        rate = _rate(level[:end], started)
    key, limit = floors.rows[named], float(floors.limit[named])
    held = floors.held[named]
    known = np.flatnonzero(~np.isnan(held))
    leak = Leak(
        program=floors.names[key.program],
        type=key.type,
        started_us=int(floors.hours[started]),
        detected_us=int(floors.ends[hour]),
        resolved_us=None if over is None else int(floors.ends[over]),
        rate_per_hour=rate,
        handles=int(held[known[-1]]) if len(known) else None,
        limit=int(limit) if np.isfinite(limit) else None,
        seen_h=seen,
    )
    return leak, over


def _named(floors: Floors, climbing: Climbs, row: int, hour: int, *, hours: int) -> int:
    """The row of the type that explains the growth, or the row itself."""
    key = floors.rows[row]
    if key.type is not None:
        return row
    days = -(-hours // DAY_H)
    before, low_h = max(hour - days * DAY_H, 0), DAY_H if days > 2 else PIECE_H
    if hours <= PIECE_H:
        before, low_h = max(hour - hours, 0), 1

    def growth(of: int, grown: bool) -> float:
        series = floors.grown[0][of] if grown else floors.held[of]
        return _low(series, hour, low_h) - _low(series, before, low_h)

    whole = growth(row, bool(climbing.single[row, hour]))
    types = [
        (growth(other, bool(climbing.single[other, hour])), other)
        for other, one in enumerate(floors.rows)
        if one.program == key.program and one.type is not None
    ]
    most, best = max(types, default=(-np.inf, row))
    return best if most >= _EXPLAINS * whole else row


def _low(series: Floats, hour: int, hours: int) -> float:
    part = series[max(hour - hours + 1, 0) : hour + 1]
    part = part[~np.isnan(part)]
    return float(np.quantile(part, 0.3)) if len(part) else 0.0


def _hinge(level: Floats) -> int:
    """The hour at which a flat line turns into a rising one, by least squares; the first known one if it never was
    flat."""
    hours = np.flatnonzero(~np.isnan(level))
    if len(hours) < _LEAST_FIT_H:
        return int(hours[0]) if len(hours) else 0
    y = level[hours] - level[hours].mean()
    x = hours.astype(np.float64)
    n = len(x)

    def tail(values: Floats) -> Floats:
        return np.cumsum(values[::-1])[::-1]

    # With h = max(x - x0, 0): y = c + r h, for each x0 among the hours.
    count, sx, sxx = tail(np.ones(n)), tail(x), tail(x * x)
    sy, sxy = tail(y), tail(x * y)
    h, hh, hy = sx - count * x, sxx - 2 * x * sx + count * x * x, sxy - x * sy
    spread = n * hh - h * h
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(spread > 0, (n * hy - h * y.sum()) / spread, 0.0)
    explained = np.where(slope > 0, slope * (hy - h * y.sum() / n), -np.inf)
    return int(hours[int(explained.argmax())])


def _rate(level: Floats, started: int) -> float:
    """Net growth an hour from the day before it began to the last day."""
    known = np.flatnonzero(~np.isnan(level))
    if len(known) < 2:
        return 0.0
    before = level[max(started - DAY_H, 0) : started + 1]
    base_at = float(started)
    if (~np.isnan(before)).sum() < DAY_H // 2:
        before = level[started : started + DAY_H]
        base_at = started + (len(before) - 1) / 2
    span = int(known[-1]) - started
    width = DAY_H if span >= 2 * DAY_H else max(span // 4, 1)
    last = level[max(known[-1] - width + 1, 0) : known[-1] + 1]
    last_at = known[-1] - (len(last) - 1) / 2
    if np.isnan(before).all() or last_at - base_at < 1:
        return float((level[known[-1]] - level[known[0]]) / max(known[-1] - known[0], 1))
    return float((np.nanmean(last) - np.nanmean(before)) / (last_at - base_at))


def _over(level: Floats, hour: int, rate: float, full: NDArray[np.bool_]) -> int | None:
    """The first hour at which the leak has not grown for three days, though not for want of room (`full`), or the
    program is gone so long."""
    least = _STILL * max(rate, 0.0) * _OVER_H
    low = _steady(level)
    hours = np.arange(max(hour + DAY_H, _OVER_H), len(level))
    done = hours[(low[hours] - low[hours - _OVER_H] <= least) & ~full[hours]]
    return int(done[0]) if len(done) else None


def _whole(floors: Floors, row: int) -> int:
    """The row of the whole program, or of the process if it is one's."""
    key = floors.rows[row]
    return row if key.process is not None else floors.rows.index(key._replace(type=None))


def _steady(series: Floats) -> Floats:
    """The low of the last day at each hour; what is not known is what was known last."""
    known = np.maximum.accumulate(np.where(np.isnan(series), 0, np.arange(len(series))))
    filled = series[known]
    padded = np.concatenate([np.full(DAY_H - 1, filled[0]), filled])
    windows: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, DAY_H)
    return np.asarray(np.sort(windows, axis=1)[:, int(0.3 * DAY_H)], np.float64)
