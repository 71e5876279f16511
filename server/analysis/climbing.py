"""Which rows climb day after day: whether the low of each day lies above that of the day before, for how many days, by
how much more than it ever wandered, and without slackening."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from server.analysis.filling import fills
from server.analysis.floors import AGES_H, Floats, Floors
from server.analysis.nightly import nights
from server.analysis.recycled import recycled
from server.analysis.rising import rises
from server.analysis.spans import before, before_or_first, filled, most_seen, share_of, sum_of

Bools = NDArray[np.bool_]

DAY_H = 24
_LOW, _HIGH = 0.3, 0.85  # of a day's hourly floors: the day's low and high
_SHARE_OF_LEVEL = 0.002


@dataclass(frozen=True, slots=True)
class Rule:
    """A climb over so many days, by their lows.

    times: at least so many times what the row wandered within a day before; None: where too little is known of that.
    unlike: how much the days may differ (deviation by mean). even: the least day by the mean; newest: the newest by
    the greatest; lasting: the newer half of the days by the older. record: how far above all that was before, in
    days' climbs. known: hours of history; age: hours that no process was born; births: the most within the time.
    """

    days: int
    times: float | None
    unlike: float
    even: float = 0.35
    newest: float = 0.5
    lasting: float = 0.6
    record: float = 0.5
    known: int = 0
    age: float = 0
    births: float = np.inf
    least: float = 2.0


RULES = (
    Rule(2, 3.0, 0.04, even=0.6, newest=0.9, lasting=0.95, record=1.9, known=120, age=72, least=6.0),
    Rule(3, 1.2, 0.13, even=0.7, lasting=0.7, record=2.2, known=72, births=1),
    Rule(4, 1.0, 0.21, even=0.3, lasting=0.65, record=3.5, known=168, age=36),
    Rule(4, 2.0, 0.4, age=36),
    Rule(5, 0.8, 0.45, even=0.25, lasting=0.55, record=3.2, age=24, least=4.0),
    Rule(5, 1.5, 0.5),
    Rule(7, 1.1, 0.6, record=3.0),
    Rule(10, 1.0, 0.7, record=3.0),
    Rule(3, None, 0.03, even=0.7, newest=0.65, lasting=0.88, record=2.2, known=96, births=8, least=2.5),
    Rule(3, None, 0.05, even=0.7, newest=0.65, lasting=0.88, record=2.2, known=108, births=8, least=2.5),
    Rule(3, None, 0.08, even=0.7, newest=0.65, lasting=0.88, record=2.2, known=120, births=8, least=2.5),
    Rule(4, None, 0.15, even=0.78, newest=0.85, lasting=0.65, record=2.8, known=126),
    Rule(5, None, 0.12),
    Rule(7, None, 0.25, record=3.0),
    Rule(10, None, 0.3, births=8),
)
HIGH_LEAST, HIGH_MOST = 0.6, 1.6  # how the days' highs climb, by their lows: a leak lifts both, more load the highs
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
    """By days where they tell, by hours where the days before are known well, and by what is left below the limit."""
    rows, hours = floors.held.shape
    alone = np.array([row.process is not None for row in floors.rows])[:, np.newaxis]
    single = alone | _one_at_a_time(floors)
    level = np.where(single, floors.grown[0], floors.held)
    over = np.zeros((rows, hours), np.int64)
    present = share_of(np.nan_to_num(filled(floors.there)), 48) >= PRESENT
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
        low, high = of_day(series[index], _LOW, _HIGH)
        by_days: dict[int, _Days] = {}
        known = np.cumsum(~np.isnan(series[index]), axis=1)
        for rule in reversed(RULES):
            if rule.days not in by_days:
                by_days[rule.days] = _days(low, high, rule.days)
            born = sum_of(floors.births[index], rule.days * DAY_H + DAY_H // 2)
            said = _says(rule, by_days[rule.days], low) & wanted[index] & (known >= rule.known)
            said &= (born <= rule.births) & (floors.young[index] >= rule.age)
            if lasting is not None:
                said &= lasting(rule.days * DAY_H + DAY_H // 2) | alone[index]
            over[index] = np.where(said, rule.days * DAY_H, over[index])
        short = rises(series[index], floors.young[index])
        over[index] = np.where((short > 0) & wanted[index], short, over[index])
        jumping = nights(series[index], floors.young[index])
        over[index] = np.where((jumping > 0) & wanted[index] & (over[index] == 0), jumping, over[index])
        if grown:
            renewed = recycled(floors.held[index], np.where(alone[index], 0.0, floors.births[index]))
            over[index] = np.where((renewed > 0) & wanted[index] & (over[index] == 0), renewed, over[index])
    whole = np.flatnonzero(np.array([row.type is None for row in floors.rows]) & np.isfinite(floors.limit))
    if len(whole):
        filling = fills(floors.held[whole], floors.high[whole], floors.limit[whole], floors.young[whole])
        now = (filling > 0) & single[whole] & present[whole] & (over[whole] == 0)
        over[whole] = np.where(now, filling, over[whole])
    return Climbs(over, level, single)


def of_day(series: Floats, *shares: float) -> list[Floats]:
    """These quantiles of the last day at each hour; NaN before the first whole day."""
    padded = np.pad(series, ((0, 0), (DAY_H - 1, 0)), constant_values=np.nan)
    window = sliding_window_view(padded, DAY_H, axis=1)
    places = [int(share * DAY_H) for share in shares]
    ordered = np.partition(window, places, axis=2)
    known = np.isnan(window).sum(axis=2) <= 1
    return [np.where(known, ordered[:, :, place], np.nan) for place in places]


@dataclass(frozen=True, slots=True)
class _Days:
    """The lows of days, newest step first, and what was known before them; by row and hour."""

    steps: Floats
    mean: Floats
    unlike: Floats
    wander: Floats
    above: Floats
    alike: Bools


def _days(low: Floats, high: Floats, days: int) -> _Days:
    change = low - before(low, DAY_H)
    steps = np.stack([before(change, DAY_H * day) for day in range(days)], axis=2)
    mean = steps.mean(axis=2)
    record = np.fmax.accumulate(np.where(np.isnan(low), -np.inf, low), axis=1)
    above = low - before(record, DAY_H * days)
    wander = most_seen(change, share=_WANDER)(days * DAY_H + 6)
    with np.errstate(invalid="ignore", divide="ignore"):
        unlike = steps.std(axis=2) / mean
        lifted = high - before(high, DAY_H * days)
        alike = (lifted >= HIGH_LEAST * days * mean) & (lifted <= HIGH_MOST * days * mean)
    return _Days(steps, mean, unlike, wander, np.where(np.isfinite(above), above, days * mean), alike)


def _says(rule: Rule, days: _Days, low: Floats) -> Bools:
    half = max(rule.days // 2, 1)
    newer, older = days.steps[:, :, :half].mean(axis=2), days.steps[:, :, -half:].mean(axis=2)
    with np.errstate(invalid="ignore"):
        if rule.times is None:
            enough = np.isnan(days.wander)
        else:
            at_once = np.fmax(1.0, _SHARE_OF_LEVEL * np.abs(low))
            enough = days.mean >= rule.times * np.maximum(days.wander, at_once)
        return np.asarray(
            enough
            & days.alike
            & (days.mean >= rule.least)
            & (days.unlike <= rule.unlike)
            & (newer >= rule.lasting * older)
            & (days.steps.min(axis=2) >= rule.even * days.mean)
            & (days.steps[:, :, 0] >= rule.newest * days.steps.max(axis=2))
            & (days.above >= rule.record * days.mean),
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
