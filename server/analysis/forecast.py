"""When a leak reaches its limit: a likely time with a range, or why none can be told.

The line is that of least squares through the lows since the leak began. How sure its rate is comes from leaving out one
stretch after another, how much it may change from how it did change."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from server.analysis.frames import Ints
from server.analysis.instants import DAY, HOUR

Floats = NDArray[np.float64]

Doubt = Literal["no limit", "too little", "poor fit", "slackened", "too far"]

FULL = 0.985  # of the limit
MOST_AHEAD = 366 * DAY
_LEAST_POINTS = 5
_WHOLE_DAYS = 60.0  # hours, from which on a line runs over whole days, so that no rhythm tilts it
_STRETCHES = 8
_SURE = 2.0  # standard errors either way
_SCATTER = 2.0  # deviations from the line, either way
_DRIFT = 0.6  # of the difference between the older and the newer half
_LEAST_RANGE = 0.03  # of the rate
_POOR = 0.75  # the range's half by the rate
_FIT = 0.5
_CLEAR, _QUICKER = 0.95, 1.08  # the fit, and the newer half by the older, from which on it quickens
_STILL = 0.3  # the newest third's rate by the whole's


@dataclass(frozen=True, slots=True)
class Forecast:
    """Rates in handles an hour, times in microseconds. `fit`: what part of the lows' changes the line explains, 0 to 1.
    The three times are None where `doubt` says why; at its limit they are all now."""

    rate: float
    rate_low: float
    rate_high: float
    exhausted_us: int | None
    earliest_us: int | None
    latest_us: int | None
    fit: float
    doubt: Doubt | None = None


def forecast(times: Ints, counts: Floats, limit: float | None, *, now_us: int, now_count: float) -> Forecast:
    """`counts` are the lows since the leak began, an hour each or any other step, which begins at `times` (that is when
    what grows is lowest); NaN where not known. Where restarts are taken out, the last must be what is held now.
    `now_count` is the live count of what has this limit (None or infinite for none)."""
    known = np.flatnonzero(~np.isnan(counts))
    hours, lows = (times[known] - now_us) / HOUR, counts[known].astype(np.float64)
    bounded = limit is not None and np.isfinite(limit)
    if len(known) < _LEAST_POINTS or hours[-1] <= hours[0]:
        rate = 0.0 if len(known) < 2 else float((lows[-1] - lows[0]) / max(hours[-1] - hours[0], 1e-6))
        return _told(
            _Line(rate, rate, rate, 0.0, now_count, 0.0, 1.0, rate), limit, now_us, now_count, doubt="too little"
        )
    line = _line(hours, lows)
    return _told(line, limit, now_us, now_count, doubt=None if bounded else "no limit")


@dataclass(frozen=True, slots=True)
class _Line:
    """`level`: the line's end now, moved to the newest lows; `scatter`: of the lows around it, one deviation;
    `lately`: the newest third's rate by the whole's. `pace`: the rate to go on with, the newer half's where it has
    clearly quickened."""

    rate: float
    low: float
    high: float
    fit: float
    level: float
    scatter: float
    lately: float
    pace: float


def _line(hours: Floats, lows: Floats) -> _Line:
    span = hours[-1] - hours[0]
    if span >= _WHOLE_DAYS:
        whole = hours > hours[-1] - 24 * (span // 24) - 0.01
        hours, lows = hours[whole], lows[whole]
        span = hours[-1] - hours[0]
    rate, at_now = _fitted(hours, lows)
    rest = lows - (at_now + rate * hours)
    changes = ((lows - lows.mean()) ** 2).sum()
    fit = float(max(1 - (rest**2).sum() / changes, 0.0)) if changes > 0 else 0.0
    stretch = np.minimum(((hours - hours[0]) / span * _STRETCHES).astype(np.intp), _STRETCHES - 1)
    without = np.array(
        [_fitted(hours[stretch != one], lows[stretch != one])[0] for one in np.unique(stretch) if _left(stretch, one)]
    )
    error = float(np.sqrt((len(without) - 1) / len(without) * ((without - rate) ** 2).sum())) if len(without) else 0.0
    middle = hours[0] + span / 2
    older, newer = (_fitted(hours[part], lows[part])[0] for part in (hours <= middle, hours >= middle))
    lately, _ = _fitted(hours[hours >= hours[-1] - span / 3], lows[hours >= hours[-1] - span / 3])
    drift = _DRIFT * (newer - older)
    wide = max(_SURE * error, _LEAST_RANGE * abs(rate))
    recent = rest[hours >= hours[-1] - max(span / 10, min(span, 3.0))]
    return _Line(
        rate=rate,
        low=rate + min(drift, 0.0) - wide,
        high=rate + max(drift, 0.0) + wide,
        fit=fit,
        level=float(at_now + np.median(recent)),
        scatter=float(rest.std()),
        lately=lately / rate if rate > 0 else 0.0,
        pace=max(lately, newer) if fit >= _CLEAR and lately > newer > _QUICKER * older > 0 else rate,
    )


def _left(stretch: NDArray[np.intp], one: int) -> bool:
    return len(np.unique(stretch[stretch != one])) >= 2


def _fitted(hours: Floats, lows: Floats) -> tuple[float, float]:
    """By least squares: the rate, and the value at hour 0."""
    if len(hours) < 2:
        return 0.0, float(lows.mean()) if len(lows) else 0.0
    middle = hours.mean()
    spread = ((hours - middle) ** 2).sum()
    rate = float(((hours - middle) * lows).sum() / spread) if spread > 0 else 0.0
    return rate, float(lows.mean() - rate * middle)


def _told(line: _Line, limit: float | None, now_us: int, now_count: float, *, doubt: Doubt | None) -> Forecast:
    def of(likely: int | None, earliest: int | None, latest: int | None, doubt: Doubt | None) -> Forecast:
        low = max(min(line.low, line.rate), 0.0)
        return Forecast(line.rate, low, max(line.high, line.rate), likely, earliest, latest, line.fit, doubt)

    if limit is None or not np.isfinite(limit):
        return of(None, None, None, "no limit")
    if now_count >= FULL * limit:
        return of(now_us, now_us, now_us, None)
    if doubt is None:
        doubt = _doubt(line)
    if doubt is not None:
        return of(None, None, None, doubt)
    level = line.level
    left = max(limit - level, 0.0) / line.pace
    around = _SCATTER * line.scatter / line.rate
    soonest = max(limit - max(level, now_count), 0.0) / max(line.high, 1.05 * line.pace) - around
    slowest = max(limit - level, 0.0) / max(line.low, line.rate * (1 - _POOR)) + around
    if left * HOUR > MOST_AHEAD:
        return of(None, None, None, "too far")
    likely, earliest, latest = (now_us + int(max(ahead, 0.0) * HOUR) for ahead in (left, soonest, slowest))
    return of(likely, earliest, latest, None)


def _doubt(line: _Line) -> Doubt | None:
    if line.rate > 0 and line.fit < _FIT:
        return "poor fit"
    if line.rate <= 0 or line.lately < _STILL:
        return "slackened"
    return "poor fit" if line.rate - line.low > _POOR * line.rate else None
