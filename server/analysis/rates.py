"""Of one row by the hour: when it began to grow and from what, how fast it grows, and when it no longer does. `level`
is what it held, or kept, in each of `hours`; NaN where that is not known."""

import numpy as np
from numpy.typing import NDArray

from server.analysis.climbing import DAY_H
from server.analysis.frames import Ints
from server.analysis.instants import HOUR

Floats = NDArray[np.float64]

OVER_H = 72
SHORT_H = 6
RACED_H = 4  # hours, from which on a fast leak's rate is told from them
_STILL = 0.15  # of what it would have grown, under which it no longer grows
_LEAST_FIT_H = 6


def onset(level: Floats) -> tuple[int, int, int]:
    """The hour at which a flat line turns into a rising one, by least squares, between the earliest and the latest that
    fit nearly as well; the first known one if it never was flat."""
    hours = np.flatnonzero(~np.isnan(level))
    if len(hours) < _LEAST_FIT_H:
        first = int(hours[0]) if len(hours) else 0
        return first, first, first
    y = level[hours] - level[hours].mean()
    explained = explained_by_rise(hours.astype(np.float64), y)
    best = int(explained.argmax())
    left = float((y * y).sum()) - explained
    as_well = left[best] + abs(left[best]) * 4 * SHORT_H / len(y)  # hours next to each other say the same
    near = np.flatnonzero(left <= as_well)
    return int(hours[near[0]]), int(hours[best]), int(hours[near[-1]])


def explained_by_rise(x: Floats, y: Floats) -> Floats:
    """How much of the squares of y, whose mean is 0, a line explains that is flat up to each of x and rises from there;
    minus infinity where it falls."""

    def tail(values: Floats) -> Floats:
        return np.cumsum(values[::-1])[::-1]

    n = len(x)
    # With h = max(x - x0, 0): y = c + r h, for each x0 among x.
    count, sx, sxx = tail(np.ones(n)), tail(x), tail(x * x)
    sy, sxy = tail(y), tail(x * y)
    h, hh, hy = sx - count * x, sxx - 2 * x * sx + count * x * x, sxy - x * sy
    spread = n * hh - h * h
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(spread > 0, (n * hy - h * y.sum()) / spread, 0.0)
    return np.where(slope > 0, slope * (hy - h * y.sum() / n), -np.inf)


def base_of(hours: Ints, level: Floats, *, began: int, last: int) -> tuple[int, float]:
    """From when its growth is counted, and from what: the mean of the day before it began, or of the first after."""
    before = level[max(began - DAY_H, 0) : began + 1]
    base_at = float(began)
    if (~np.isnan(before)).sum() < DAY_H // 2:
        before = level[began : min(began + DAY_H, last + 1)]
        base_at = began + (len(before) - 1) / 2
    if np.isnan(before).all():
        return int(hours[began]), 0.0
    return int(hours[0] + base_at * HOUR), float(np.nanmean(before))


def rate_of(hours: Ints, level: Floats, *, base_us: int, base: float) -> float:
    """Net growth an hour from `base` to the last day."""
    known = np.flatnonzero(~np.isnan(level))
    if len(known) < 2:
        return 0.0
    base_at = (base_us - int(hours[0])) / HOUR
    span = int(known[-1]) - base_at
    width = DAY_H if span >= 2 * DAY_H else max(int(span) // 4, 1)
    last = level[max(known[-1] - width + 1, 0) : known[-1] + 1]
    last_at = known[-1] - (len(last) - 1) / 2
    if last_at - base_at < 1:
        return float((level[known[-1]] - level[known[0]]) / max(known[-1] - known[0], 1))
    return float((np.nanmean(last) - base) / (last_at - base_at))


def rate_by_lows(level: Floats, seen: int) -> float:
    """An hour, from the low of the first day to that of the last over which it was seen to grow: a day's rhythm does
    not make it faster. Infinite over less than two days."""
    if seen < 2 * DAY_H or len(level) < seen:
        return float("inf")
    low = steady(level)
    return max(float(low[-1] - low[-1 - (seen - DAY_H)]) / (seen - DAY_H), 0.0)


def rate_since(hours: Ints, level: Floats, started_us: int) -> float | None:
    """Net growth an hour since it began, to the last hour; None before hours tell, or once its beginning is out of
    sight."""
    start = int((started_us - hours[0]) // HOUR)
    known = np.flatnonzero(~np.isnan(level))
    known = known[known >= start]
    if start < 0 or not len(known) or known[-1] < start + RACED_H:
        return None
    base_us = max(started_us, int(hours[known[0]]))
    span = (int(hours[known[-1]]) - base_us) / HOUR
    return float((level[known[-1]] - level[known[0]]) / span)


def rate_range(hours: Ints, level: Floats, *, started_us: int, rate: float) -> tuple[float, float]:
    """Where the rate lies, by how much pieces of the growth differ."""
    start = max(int((started_us - hours[0]) // HOUR), 0)
    part = level[start:]
    part = part[~np.isnan(part)]
    each = DAY_H if len(part) >= 4 * DAY_H else max(len(part) // 6, 1)
    steps = np.diff(part[::-1][::each][::-1]) / each
    if len(steps) < 3:
        return min(rate, 0.5 * rate), 1.5 * rate
    error = 2 * float(steps.std(ddof=1)) / float(np.sqrt(len(steps)))
    return min(max(rate - error, 0.0), rate), rate + error


def over_at(level: Floats, hour: int, *, began: int, rate: float, full: NDArray[np.bool_]) -> int | None:
    """The first hour at which the leak has not grown for three days, though not for want of room (`full`), or the
    program is gone so long."""
    least = _STILL * max(rate, 0.0) * OVER_H
    low = steady(level)
    hours = np.arange(max(hour + DAY_H, began + OVER_H, OVER_H), len(level))
    sums = np.cumsum(np.append(0, full))
    room = sums[hours + 1] == sums[hours + 1 - OVER_H]
    done = hours[(low[hours] - low[hours - OVER_H] <= least) & room]
    return int(done[0]) if len(done) else None


def steady(series: Floats) -> Floats:
    """The low of the last day at each hour; what is not known is what was known last."""
    known = np.maximum.accumulate(np.where(np.isnan(series), 0, np.arange(len(series))))
    filled = series[known]
    padded = np.concatenate([np.full(DAY_H - 1, filled[0]), filled])
    windows: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, DAY_H)
    return np.asarray(np.sort(windows, axis=1)[:, int(0.3 * DAY_H)], np.float64)


def low_at(series: Floats, hour: int, hours: int) -> float:
    """Of the last so many hours; 0 where none is known."""
    part = series[max(hour - hours + 1, 0) : hour + 1]
    part = part[~np.isnan(part)]
    return float(np.quantile(part, 0.3)) if len(part) else 0.0


def risen(level: Floats, start: int, last: int) -> float:
    """Between these two hours, from low to low."""
    return low_at(level, last, SHORT_H) - low_at(level, min(start + SHORT_H - 1, last), SHORT_H)
