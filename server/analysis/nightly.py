"""Which rows jump at the same time of each day and keep what they took: what a nightly job leaves behind.

Looked at from some hours after a jump: how much each of the last nights added within a few hours, what the rest of the
days added or gave back, and whether all of it lies above anything that was before."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from server.analysis.floors import Floats
from server.analysis.spans import before, median_of_three, most_seen

Bools = NDArray[np.bool_]

DAY_H = 24
_SETTLED_H = 3  # hours whose median is a level
_AROUND_H = 3  # how far the same time of another day may lie
_SEEN = 0.98  # of the changes before
_LIKE = 0.3  # of the newest jump: the least that counts as one of them
_MOST_OF_IT = 0.8
_NIGHTS_OFF = 2  # a weekend's
_AGE_H = 12  # of the youngest process at the first jump


@dataclass(frozen=True, slots=True)
class Nights:
    """So many nights in a row, each with its jump within `width` hours at the same time of day.

    alike: the least jump by the greatest. flat: what the rest of a day may add or give back, and spread: how far its
    levels may lie apart, both by the mean jump. record: how many of the jumps must lie above all that was before, and
    above the same time of all days before, as a share. usual: the mean jump by what the row changed in as many hours
    before (of two nights: ever). handles: the least jump. known: hours of history.
    """

    nights: int
    width: int
    alike: float
    flat: float
    spread: float
    record: float
    usual: float
    handles: float
    known: int


RULES = (
    Nights(2, 4, alike=0.7, flat=0.1, spread=0.1, record=0.9, usual=3.0, handles=4, known=30),
    Nights(2, 4, alike=0.4, flat=0.1, spread=0.2, record=0.9, usual=3.0, handles=4, known=96),
    Nights(3, 4, alike=0.4, flat=0.15, spread=0.4, record=0.8, usual=2.0, handles=3, known=50),
    Nights(3, 7, alike=0.4, flat=0.15, spread=0.4, record=0.8, usual=2.0, handles=3, known=50),
)


class Jump(NamedTuple):
    """By places of the hours looked at: the last whose least is from before it, the first whose least is from after it,
    and its size."""

    first: int
    last: int
    size: float


def nights(series: Floats, young: Floats, *, since: int = 0) -> NDArray[np.int64]:
    """By row and hour, over how many hours it is seen to jump each night, 0 for not at all. `series`: the least of
    each hour, what is not known filled in; `young`: hours since a process was born; `since`: the first of the hours
    that are asked for."""
    found = np.zeros(series.shape, np.int64)
    known = np.cumsum(~np.isnan(series), axis=1)
    level = median_of_three(series)
    for rule in reversed(RULES):
        said = (known >= rule.known) & (young >= (rule.nights - 1) * DAY_H + _AGE_H)
        said[:, :since] = False
        said &= _says(rule, series, level, since)
        if rule.nights == 2:
            for row, hour in np.argwhere(said).tolist():
                said[row, hour] = _at_one_time(jumps(series[row], hour, 2 * DAY_H))
        found[said] = rule.nights * DAY_H
    return found


def jumps(series: Floats, hour: int, over: int) -> list[Jump]:
    """The like jumps of one row that `nights` told of at this hour and those before them, a few nights without one
    between, oldest first, each as narrow as it was; none where they are no longer to be seen."""
    told: list[Jump] = []
    without = 0
    for night in range(hour // DAY_H + 1):
        jump = _jump(series[: hour + 1], hour - DAY_H * night)
        if jump is None or without > _NIGHTS_OFF:
            break
        if jump.size > 0 and (night * DAY_H < over or jump.size >= _LIKE * told[0].size):
            told.append(jump)
            without = 0
        elif not told:
            break
        else:
            without += 1
    return told[::-1]


def _at_one_time(told: list[Jump]) -> bool:
    """Whether the last two jumps lie a day apart, to the hour: two steps that have nothing to do with each other may
    well lie about a day apart."""
    if len(told) < 2:
        return False
    off = [abs(new - old - DAY_H) for old, new in zip(told[-2][:2], told[-1][:2], strict=True)]
    return min(off) == 0 and max(off) <= 1


def _jump(series: Floats, hour: int) -> Jump | None:
    """That of the hours up to this, or a little later."""
    start = max(hour - 2 * _SETTLED_H - max(rule.width for rule in RULES), 0)
    part = series[start : hour + _AROUND_H + 1]
    if len(part) < 2 * _SETTLED_H or np.isnan(part).any():
        return None
    before_it, after_it = float(np.median(part[:_SETTLED_H])), float(np.median(part[-_SETTLED_H:]))
    size = after_it - before_it
    low, high = after_it - _MOST_OF_IT * size, after_it - (1 - _MOST_OF_IT) * size
    first = int(np.flatnonzero(part <= low)[-1]) if (part <= low).any() else 0
    return Jump(start + first, start + first + int((part[first:] >= high).argmax()), size)


def _says(rule: Nights, series: Floats, level: Floats, since: int) -> Bools:
    start = _SETTLED_H + rule.width
    asked = slice(max(since - DAY_H * rule.nights - start, 0), None)  # as far back as anything is compared here
    found, means = np.zeros(series.shape, bool), np.full(series.shape, np.nan)
    found[:, asked], means[:, asked] = _jumping(rule, level[:, asked], start)
    found[:, :since] = False
    rows = np.flatnonzero(found.any(axis=1))
    if len(rows):
        with np.errstate(invalid="ignore"):
            found[rows] &= _lasting(rule, series[rows], level[rows], means[rows])
    return found


def _jumping(rule: Nights, level: Floats, start: int) -> tuple[Bools, Floats]:
    """Whether there is a jump each night that stays, all of them alike, and the mean of them."""
    gained = level - before(level, start)
    each = np.stack([before(gained, DAY_H * night) for night in range(rule.nights)], axis=2)
    kept = np.stack(
        [before(level, start + DAY_H * night) - before(level, DAY_H * (night + 1)) for night in range(rule.nights)],
        axis=2,
    )
    kept[:, :, -1] = 0.0 if rule.nights > 2 else np.nan_to_num(kept[:, :, -1])  # two must come after a quiet day
    mean, least = each.mean(axis=2), each.min(axis=2)
    with np.errstate(invalid="ignore"):
        said: Bools = (
            (least >= rule.handles)
            & (least >= rule.alike * each.max(axis=2))
            & (np.abs(kept).max(axis=2) <= rule.flat * mean)
        )
    return said, mean


def _lasting(rule: Nights, series: Floats, level: Floats, mean: Floats) -> Bools:
    """Whether it was quiet between the jumps, and all that came of them is new."""
    start = _SETTLED_H + rule.width
    since = DAY_H * (rule.nights - 1) + start
    quiet = DAY_H - start + 1
    apart = _extreme(level, quiet, np.maximum) - _extreme(level, quiet, np.minimum)
    most = np.max([before(apart, start + DAY_H * night) for night in range(rule.nights - 1)], axis=0)
    gained = level - before(level, start)
    if rule.nights == 2:
        usual = before(np.fmax.accumulate(np.abs(gained), axis=1), since)
    else:
        usual = most_seen(gained, share=_SEEN)(since)
    above = level - before(np.fmax.accumulate(series, axis=1), since)
    highest = before(_highest_by_time(level), DAY_H * rule.nights - _AROUND_H)
    at_this_time = level - np.where(np.isnan(highest), -np.inf, highest)
    record = rule.record * rule.nights * mean
    lasting: Bools = (most <= rule.spread * mean) & (above >= record) & (at_this_time >= record)
    return lasting & ~(mean < rule.usual * usual)


def _highest_by_time(level: Floats) -> Floats:
    """At each hour the highest of this and the six hours before, of this day and all before it."""
    peak = _extreme(level, 2 * _AROUND_H + 1, np.maximum)
    for hour in range(DAY_H):
        peak[:, hour::DAY_H] = np.fmax.accumulate(peak[:, hour::DAY_H], axis=1)
    return np.where(np.isnan(peak), -np.inf, peak)


def _extreme(series: Floats, hours: int, of: np.ufunc) -> Floats:
    """Of the last so many hours; NaN where one is not known."""
    padded = np.pad(series, ((0, 0), (hours - 1, 0)), constant_values=np.nan)
    return np.asarray(of.reduce(sliding_window_view(padded, hours, axis=1), axis=2), np.float64)
