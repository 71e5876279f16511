"""Which rows rise evenly: within a day where what was before is known well, over two to four days where it isn't.

A row is looked at in three ways: by the low of each six hours; by the mean of a whole day, moved on by six hours at a
time, from which the day's rhythm is gone; and by the low of each day. What is said at an hour depends on that hour and
the four weeks before it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from server.analysis.spans import before, greatest, low_of, mean_of, quantile_at, quantile_of, sum_of

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Places = NDArray[np.intp]
Look = Literal["hours", "days", "lows"]

PIECE_H, DAY_H = 6, 24
HISTORY_H = 336  # before the rise: as far back as anything is compared
_LOW, _HIGH = 0.3, 0.85  # of a day's hourly lows: the day's low and high

_HALVES = (0.8, 1.3)  # the newer half of the rise by the older: what fills up slackens, what has just begun does not
_NEWEST = 0.8  # the newest step by the mean one
_RECORD = 0.98  # of the rise, above all that was before
_JUMP = 0.5  # of the rise, in a single hour
_HIGHS = (0.9, 1.3)  # how the days' highs rise, by their lows: a leak lifts both, more load the highs
_BIRTHS = 4  # since shortly before it rose
_SINCE_H = 12


@dataclass(frozen=True, slots=True)
class Rise:
    """A rise over so many hours, in steps of so many.

    handles: the least. steady: the mean step by the error of that mean. least: the least step by the mean. straight:
    how far it strays from a straight line, by the whole rise. times: how often it exceeds the greatest change over as
    many hours before. age: hours that no process was born; known: hours of history, those of the rise among them.
    """

    look: Look
    hours: int
    step: int = PIECE_H
    handles: float = 4.0
    steady: float = 2.5
    least: float = -np.inf
    straight: float = np.inf
    times: float = 0.0
    age: float = 0.0
    known: int = 0

    @property
    def seen_h(self) -> int:
        """From the first hour that it is judged by."""
        return self.hours + (PIECE_H if self.look == "hours" else DAY_H)


RISES = (
    Rise("hours", 18, straight=0.02, times=5.0, age=96, known=120),
    Rise("hours", 24, handles=6, steady=30, times=1.0, known=60),
    Rise("hours", 36, handles=8, straight=0.15, times=2.0, age=48, known=72),
    Rise("days", 30, handles=8, steady=30, straight=0.04, age=48, known=54),
    Rise("days", 36, handles=8, steady=20, times=1.0, age=48),
    Rise("days", 48, straight=0.05, age=48, known=84),
    Rise("days", 60, least=0.3, times=1.0, age=96),
    Rise("days", 72, steady=6, times=5.0, age=48),
    Rise("days", 96, 12, handles=8, straight=0.2, times=1.5, age=72),
    Rise("lows", 96, 12, least=0.3, straight=0.08),
    Rise("lows", 120, DAY_H, handles=6, steady=8, age=24),
)


Told = Callable[[Places, Places, int], Bools]


def rises(
    series: Floats, young: Floats, births: Floats, lasting: Told | None = None, *, since: int = 0
) -> NDArray[np.int64]:
    """By row and hour, over how many hours it is seen to rise, 0 for not at all; of several, the shortest. `series`:
    the least of each hour, what is not known filled in; `young`: hours since a process was born; `births`: processes
    born in the hour. `lasting`: which of these rows at these hours rose for as many hours in old processes as well.
    `since`: the first of the hours that are asked for."""
    found = np.zeros(series.shape, np.int64)
    looks: dict[Look, Floats] = {
        "hours": low_of(series, PIECE_H),
        "days": mean_of(series, DAY_H),
        "lows": np.full(series.shape, np.nan),
    }
    asked = max(since - HISTORY_H - max(rise.hours for rise in RISES), 0)
    looks["lows"][:, asked:] = quantile_of(series[:, max(asked - DAY_H, 0) :], DAY_H, _LOW)[
        :, asked - series.shape[1] :
    ]
    above = {look: greatest(values, HISTORY_H) for look, values in looks.items()}
    known = sum_of(~np.isnan(series), HISTORY_H)
    ups = np.nan_to_num(series - before(series, 1)).clip(0)
    unusual = (ups - np.nan_to_num(before(ups, DAY_H))).clip(0)
    for rise in sorted(RISES, key=lambda one: -one.seen_h):
        values = looks[rise.look]
        total = values - before(values, rise.hours)
        said = _new(rise, total, values - before(above[rise.look], rise.hours), since)
        said &= (young >= rise.age) & (known >= rise.known)
        said &= sum_of(births, rise.hours + _SINCE_H) <= _BIRTHS
        rows, hours = np.nonzero(said)
        if not len(rows):
            continue
        kept = _evenly(rise, values, rows, hours) & _highs_too(series, total, rows, hours, rise.hours)
        rows, hours = rows[kept], hours[kept]
        kept = _gradually(ups if rise.look == "hours" else unusual, total, rows, hours, rise.seen_h)
        if lasting is not None:
            kept &= lasting(rows, hours, rise.hours + _SINCE_H)
        found[rows[kept], hours[kept]] = rise.seen_h
    return found


def _new(rise: Rise, total: Floats, above: Floats, since: int) -> Bools:
    """Whether the rise is large enough, beyond all levels and changes before it."""
    with np.errstate(invalid="ignore"):
        said: Bools = (total >= rise.handles) & (above >= _RECORD * total)
        said[:, :since] = False
        if rise.times > 0 and said.any():
            changed = before(greatest(np.abs(total), HISTORY_H), rise.hours)
            said &= total >= rise.times * changed
    return said


def _evenly(rise: Rise, values: Floats, rows: Places, hours: Places) -> Bools:
    """Whether it rises in like steps from the first to the last."""
    count = rise.hours // rise.step
    path = np.stack([values[rows, hours - rise.step * back] for back in range(count, -1, -1)])
    steps = np.diff(path, axis=0)
    mean, half = steps.mean(axis=0), count // 2
    error = steps.std(axis=0, ddof=1) / np.sqrt(count)
    newer, older = steps[-half:].mean(axis=0), steps[:half].mean(axis=0)
    line = np.linspace(0, 1, count + 1)[:, np.newaxis] * (path[-1] - path[0])
    even: Bools = (
        (mean >= rise.steady * error)
        & (steps.min(axis=0) >= rise.least * mean)
        & (steps[-1] >= _NEWEST * mean)
        & (newer >= _HALVES[0] * older)
        & (newer <= _HALVES[1] * older)
        & (np.abs(path - path[0] - line).max(axis=0) <= rise.straight * (path[-1] - path[0]))
    )
    return even


def _gradually(ups: Floats, total: Floats, rows: Places, hours: Places, over: int) -> Bools:
    """Whether no single hour has much of it."""
    several, place = np.unique(rows, return_inverse=True)
    most = greatest(ups[several], over)[place, hours]
    return np.asarray(most <= _JUMP * total[rows, hours], np.bool_)


def _highs_too(series: Floats, total: Floats, rows: Places, hours: Places, over: int) -> Bools:
    """Whether the highs of days rise as their lows do; true where they are not known."""
    now, then = (quantile_at(series, DAY_H, _HIGH, rows=rows, columns=at) for at in (hours, hours - over))
    lifted = now - then
    risen = total[rows, hours]
    return ~((lifted > _HIGHS[1] * risen) | (lifted < _HIGHS[0] * risen))
