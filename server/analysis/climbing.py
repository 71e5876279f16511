"""Which rows climb, by everything that tells it: even rises, like jumps night by night, lives that climb anew, and
what is left below the limit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.analysis.evidence import Kind
from server.analysis.filling import AT_LIMIT, fills
from server.analysis.floors import AGES_H, Floats, Floors
from server.analysis.instants import HOUR
from server.analysis.nightly import nights
from server.analysis.recycled import recycled
from server.analysis.rising import rises
from server.analysis.spans import filled, greatest, share_of, sum_of
from server.analysis.stairs import stairs

Bools = NDArray[np.bool_]

DAY_H = 24


LATE_IN_LIFE = 0.8  # of the whole growth, where a program is restarted
PRESENT = 0.85
_ONE_H = 72
_OUTLIVED = 2.0  # times the median life
_LEAST_RISE = 3.0


TOLD_BY: tuple[Kind, ...] = ("hours", "days", "nights", "lives", "limit", "pinned")
_EVENLY, _NIGHTS, _LIVES, _LIMIT, _PINNED = 0, 2, 3, 4, 5


@dataclass(frozen=True, slots=True)
class Climbs:
    """By row of the floors and hour: `over` how many hours it was seen to climb, 0 for not at all; `level` what was
    looked at: with restarts taken out where the program is one process at a time (`single`), else what is held. by:
    what told it, as a place in TOLD_BY."""

    over: NDArray[np.int64]
    by: NDArray[np.int8]
    level: Floats
    single: Bools


def climbs(floors: Floors, since: int = 0) -> Climbs:
    """By even rises first; by the others where there is none. Of hours before the one at `since` not all is told."""
    rows, hours = floors.held.shape
    alone = np.array([row.process is not None for row in floors.rows])[:, np.newaxis]
    single = alone | _one_at_a_time(floors)
    level = np.where(single, floors.grown[0], floors.held)
    over = np.zeros((rows, hours), np.int64)
    by = np.zeros((rows, hours), np.int8)
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
        lasting = _LateInLife.of(floors, index) if grown else None
        rising = rises(series[index], floors.young[index], floors.births[index], lasting, since=since)
        over[index] = np.where(wanted[index] & ~_replaced_soon(floors.of_rows(index)), rising, 0)
        by[index] = np.where(over[index] >= 2 * DAY_H, _EVENLY + 1, _EVENLY)
        jumping = nights(series[index], floors.young[index], since=since)
        new = (jumping > 0) & wanted[index] & (over[index] == 0)
        over[index], by[index] = np.where(new, jumping, over[index]), np.where(new, _NIGHTS, by[index])
        stepping = stairs(series[index], floors.young[index])
        new = (stepping > 0) & wanted[index] & (over[index] == 0)
        over[index], by[index] = np.where(new, stepping, over[index]), np.where(new, _EVENLY, by[index])
        if grown:
            renewed = recycled(floors.held[index], np.where(alone[index], 0.0, floors.births[index]))
            new = (renewed > 0) & wanted[index] & (over[index] == 0)
            over[index], by[index] = np.where(new, renewed, over[index]), np.where(new, _LIVES, by[index])
    whole = np.flatnonzero(np.array([row.type is None for row in floors.rows]) & np.isfinite(floors.limit))
    if len(whole):
        filling = fills(floors.held[whole], floors.high[whole], floors.limit[whole], floors.young[whole])
        now = (filling > 0) & single[whole] & present[whole] & (over[whole] == 0)
        over[whole] = np.where(now, filling, over[whole])
        full = floors.held[whole] >= AT_LIMIT * floors.limit[whole, np.newaxis]
        by[whole] = np.where(now, np.where(full, _PINNED, _LIMIT), by[whole])
    return Climbs(over, by, level, single)


@dataclass(frozen=True, slots=True)
class _LateInLife:
    """Whether a restarted program grows late in its processes' lives as well, which warm-ups do not."""

    births: Floats
    grown: Floats
    lived: Floats
    age: NDArray[np.intp]  # the place in AGES_H of half a life
    alone: Bools  # rows of one process, which is never restarted

    @classmethod
    def of(cls, floors: Floors, index: NDArray[np.intp]) -> "_LateInLife":
        half = np.searchsorted(np.array(AGES_H), floors.life[index] / 2, side="right") - 1
        return cls(
            floors.births[index],
            np.stack([filled(part[index]) for part in floors.grown]),
            np.stack([filled(part[index]) for part in floors.lived]),
            half.clip(0, len(AGES_H) - 1),
            np.array([floors.rows[row].process is not None for row in index.tolist()]),
        )

    def __call__(self, rows: NDArray[np.intp], hours: NDArray[np.intp], over: int) -> Bools:
        since = np.maximum(hours - over, 0)
        grown = self.grown[:, rows, hours] - self.grown[:, rows, since]
        lived = self.lived[:, rows, hours] - self.lived[:, rows, since]
        age, places = self.age[rows, hours], np.arange(len(rows))
        with np.errstate(invalid="ignore"):
            rate = grown / np.maximum(lived, 1.0)
            late = (rate[age, places] >= LATE_IN_LIFE * rate[0]) & (lived[age, places] >= over / 10)
        several, place = np.unique(rows, return_inverse=True)
        never = sum_of(self.births[several], over)[place, hours] == 0
        lasting: Bools = never | late | self.alone[rows]
        return lasting


def _one_at_a_time(floors: Floors) -> Bools:
    return share_of(np.nan_to_num(floors.alive, nan=1.0) <= 1, _ONE_H) >= 0.9


def _replaced_soon(floors: Floors) -> Bools:
    """Where processes of one program come and go side by side, and this one (of a sum: the youngest) is not much older
    than they become: what such a process takes is given back when it is replaced."""
    alive = np.nan_to_num(floors.alive)
    most, least = greatest(alive, _ONE_H), -greatest(-alive, _ONE_H)
    started = np.array(
        [
            np.nan if row.process is None or row.process.started_us is None else row.process.started_us
            for row in floors.rows
        ]
    )[:, np.newaxis]
    age = np.where(np.isnan(started), floors.young, (floors.hours + HOUR - started) / HOUR)
    return np.asarray(
        (most > 1) & (least < most) & np.isfinite(floors.life) & (age < _OUTLIVED * floors.life), np.bool_
    )
