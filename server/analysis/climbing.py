"""Which rows climb day after day: whether the low of each day lies above that of the day before, for how many days, by
how much more than it ever wandered, and without slackening."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from server.analysis.floors import AGES_H, Floats, Floors
from server.analysis.rising import rises
from server.analysis.spans import before, before_or_first, filled, most_seen, share_of, sum_of

Bools = NDArray[np.bool_]

DAY_H = 24
_LOW = 0.3  # of a day's hourly floors: the day's low
_SHARE_OF_LEVEL = 0.002


@dataclass(frozen=True, slots=True)
class Rule:
    """A climb over so many days: by this many times what the row wandered in a day before, or, where there is no
    history before, with days no more unlike than this (deviation by mean)."""

    days: int
    times: float
    unlike: float


RULES = (Rule(4, 1.6, 0.06), Rule(5, 1.4, 0.12), Rule(7, 1.1, 0.25), Rule(10, 1.0, 0.4))
LEAST_A_DAY = 2.0
LASTING = 0.6  # the newer half of the days by the older
EVEN = 0.35  # the least day by the mean
NEWEST = 0.5  # the newest day by the greatest
RECORD = 0.5  # of a day's climb, above all that was before
LATE_IN_LIFE = 0.8  # of the whole growth, where a program is restarted
PRESENT = 0.85
_WANDER = 0.97
_ONE_H = 72
_LEAST_RISE = 3.0


@dataclass(frozen=True, slots=True)
class Climbs:
    """By row of the floors and hour: `over` how many hours it was seen to climb, 0 for not at all; `level` what was
    looked at: with restarts taken out where the program is one process at a time (`single`), else what is held."""

    over: NDArray[np.int64]
    level: Floats
    single: Bools


def climbs(floors: Floors) -> Climbs:
    """By days where they tell, and by hours where the days before are known well."""
    rows, hours = floors.held.shape
    alone = np.array([row.process is not None for row in floors.rows])[:, np.newaxis]
    single = alone | _one_at_a_time(floors)
    level = np.where(single, floors.grown[0], floors.held)
    over = np.zeros((rows, hours), np.int64)
    present = share_of(np.nan_to_num(floors.there), 48) >= PRESENT
    for grown in (True, False):
        series = filled(floors.grown[0] if grown else floors.held)
        wanted = (single if grown else ~single) & present
        rise = np.nanmax(series, axis=1, initial=-np.inf, where=~np.isnan(series)) - np.nanmin(
            series, axis=1, initial=np.inf, where=~np.isnan(series)
        )
        index = np.flatnonzero(wanted.any(axis=1) & (rise >= _LEAST_RISE))
        if not len(index):
            continue
        lasting = _late_in_life(floors, index) if grown else None
        low = lows(series[index])
        for rule in reversed(RULES):
            said = _climbs(low, rule) & wanted[index]
            if lasting is not None:
                said &= lasting(rule.days * DAY_H + DAY_H // 2) | alone[index]
            over[index] = np.where(said, rule.days * DAY_H, over[index])
        short = rises(series[index], floors.young[index])
        over[index] = np.where((short > 0) & wanted[index], short, over[index])
    return Climbs(over, level, single)


def lows(series: Floats) -> Floats:
    """Of the last day at each hour; NaN before the first whole day."""
    padded = np.concatenate([np.full((len(series), DAY_H - 1), np.nan), series], axis=1)
    window = sliding_window_view(padded, DAY_H, axis=1)
    place = int(_LOW * DAY_H)
    low = np.partition(window, place, axis=2)[:, :, place]
    return np.where(np.isnan(window).sum(axis=2) > 1, np.nan, low)


def _climbs(low: Floats, rule: Rule) -> Bools:
    change = low - before(low, DAY_H)
    steps = np.stack([before(change, DAY_H * day) for day in range(rule.days)], axis=2)
    mean = steps.mean(axis=2)
    half = max(rule.days // 2, 1)
    newer, older = steps[:, :, :half].mean(axis=2), steps[:, :, -half:].mean(axis=2)
    wander = most_seen(change, share=_WANDER)(rule.days * DAY_H + 6)
    at_once = np.fmax(1.0, _SHARE_OF_LEVEL * np.abs(low))
    enough = np.where(
        np.isnan(wander), steps.std(axis=2) <= rule.unlike * mean, mean >= rule.times * np.fmax(wander, at_once)
    )
    record = np.fmax.accumulate(np.where(np.isnan(low), -np.inf, low), axis=1)
    above = low - before(record, DAY_H * rule.days)
    with np.errstate(invalid="ignore"):
        return np.asarray(
            enough
            & (mean >= LEAST_A_DAY)
            & (newer >= LASTING * older)
            & (steps.min(axis=2) >= EVEN * mean)
            & (steps[:, :, 0] >= NEWEST * steps.max(axis=2))
            & ((above >= RECORD * mean) | ~np.isfinite(above)),
            np.bool_,
        )


class _late_in_life:
    """Whether a restarted program grows late in its processes' lives as well, which warm-ups do not."""

    def __init__(self, floors: Floors, index: NDArray[np.intp]) -> None:
        self._births = floors.births[index]
        self._grown = np.stack([filled(part[index]) for part in floors.grown])
        self._lived = np.stack([filled(part[index]) for part in floors.lived])
        half = np.searchsorted(np.array(AGES_H), floors.life[index] / 2, side="right") - 1
        self._age = half.clip(0, len(AGES_H) - 1)[np.newaxis]

    def __call__(self, hours: int) -> Bools:
        grown = self._grown - before_or_first(self._grown, hours)
        lived = self._lived - before_or_first(self._lived, hours)
        with np.errstate(invalid="ignore", divide="ignore"):
            rate = grown / np.maximum(lived, 1.0)
            late = np.take_along_axis(rate, self._age, axis=0)[0]
            long = np.take_along_axis(lived, self._age, axis=0)[0] >= hours / 10
            lasting: Bools = (sum_of(self._births, hours) == 0) | (long & (late >= LATE_IN_LIFE * rate[0]))
            return lasting


def _one_at_a_time(floors: Floors) -> Bools:
    return share_of(np.nan_to_num(floors.alive, nan=1.0) <= 1, _ONE_H) >= 0.9
