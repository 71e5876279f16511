"""Which rows rise steadily within a day or two, where days before are known well enough to tell it from their rhythm.

The rhythm is what the row held at the same hour of the days before, at their median. What is left is looked at in
pieces of six hours, each by its low."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from server.analysis.floors import Floats
from server.analysis.spans import before, most_seen

Bools = NDArray[np.bool_]

PIECE_H = 6
_DAYS_BEFORE = 5
NEWEST = 0.5  # the newest step by the greatest
_RECORD = 0.4  # of the rise, above all that was before


@dataclass(frozen=True, slots=True)
class Rise:
    """A rise over so many hours.

    level: the least by which it must exceed what the row ever strayed from its rhythm before; change: the same of
    its changes over as many hours. even: the least step by the mean step; lasting: the newer half of the steps by
    the older; jump: the most that a single hour may have of it. age: hours that no process was replaced; known: hours
    of history. steps: the least by the steps that it usually makes. handles: the least.
    """

    hours: int
    level: float
    change: float
    even: float
    lasting: float
    jump: float
    age: float
    known: int
    steps: float
    handles: float


RISES = (
    Rise(18, level=1.5, change=0.5, even=0.5, lasting=0.7, jump=0.5, age=48, known=90, steps=2.0, handles=4),
    Rise(24, level=1.2, change=0.5, even=0.4, lasting=0.75, jump=0.55, age=48, known=84, steps=2.0, handles=4),
    Rise(36, level=1.4, change=0.8, even=0.25, lasting=0.65, jump=0.7, age=40, known=108, steps=1.5, handles=6),
    Rise(48, level=2.0, change=0.8, even=0.15, lasting=0.6, jump=0.6, age=40, known=96, steps=1.2, handles=5),
)


def rises(series: Floats, young: Floats) -> NDArray[np.int64]:
    """By row and hour, over how many hours it rises, 0 for not at all. `series`: the least of each hour, what is not
    known filled in; `young`: hours since a process was born."""
    found = np.zeros(series.shape, np.int64)
    rest = series - _rhythm(series)
    low = _low(rest)
    known = np.cumsum(~np.isnan(series), axis=1)
    record = np.fmax.accumulate(np.where(np.isnan(series), -np.inf, series), axis=1)
    ups = np.nan_to_num(np.maximum(series - before(series, 1), 0.0))
    usual = most_seen(low - before(low, PIECE_H), share=0.9)
    strayed = most_seen(low, share=0.98)
    for rise in reversed(RISES):
        hours = rise.hours
        steps = np.stack([before(low, back) - before(low, back + PIECE_H) for back in range(0, hours, PIECE_H)], axis=2)
        total, mean, half = low - before(low, hours), steps.mean(axis=2), steps.shape[2] // 2
        changed = most_seen(low - before(low, hours), share=0.98)(hours)
        with np.errstate(invalid="ignore"):
            said = (
                (total >= rise.handles)
                & (steps.min(axis=2) >= rise.even * mean)
                & (steps[:, :, 0] >= NEWEST * steps.max(axis=2))
                & (steps[:, :, :half].mean(axis=2) >= rise.lasting * steps[:, :, -half:].mean(axis=2))
                & (low >= rise.level * strayed(hours))
                & (total >= rise.change * changed)
                & (total >= rise.steps * np.fmax(usual(hours), 0.5))
                & (_most(ups, hours) <= rise.jump * total)
                & (_low(series) - before(record, hours) >= _RECORD * total)
                & (young >= rise.age)
                & (known >= rise.known)
            )
        found[said] = hours
    return found


def _rhythm(series: Floats) -> Floats:
    """At each hour the lower median of the same hour of up to five days before; NaN with less than two."""
    earlier = np.stack([before(series, 24 * day) for day in range(1, _DAYS_BEFORE + 1)], axis=2)
    count = (~np.isnan(earlier)).sum(axis=2)
    middle = ((count - 1) // 2).clip(0)[:, :, np.newaxis]
    median = np.take_along_axis(np.sort(earlier, axis=2), middle, axis=2)[:, :, 0]
    return np.where(count >= 2, median, np.nan)


def _low(series: Floats) -> Floats:
    """The second least of the last six hours."""
    padded = np.pad(series, ((0, 0), (PIECE_H - 1, 0)), constant_values=np.nan)
    window = sliding_window_view(padded, PIECE_H, axis=1)
    return np.where(np.isnan(window).any(axis=2), np.nan, np.partition(window, 1, axis=2)[:, :, 1])


def _most(values: Floats, hours: int) -> Floats:
    padded = np.pad(values, ((0, 0), (hours - 1, 0)))
    return np.asarray(sliding_window_view(padded, hours, axis=1).max(axis=2), np.float64)
