"""Which programs are worth a look by the rules of days, and when: where something is new by a day's few numbers.

The rules ask for levels above all that was; these numbers tell cheaply where there is any such level. What is said of
an hour depends on that hour and the days before it, so that it makes no difference how many hours are judged at a
time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from server.analysis.digest import HOURS, NOTHING, Digest
from server.analysis.frames import Ints
from server.analysis.instants import DAY, HOUR

EACH = 3 * HOUR  # how often the rules of days are asked: at the last hour with snapshots in each such time
SWEEP_DAYS = 4  # each program that moves is looked at once in as many days whatever it does
LOOK_BACK_DAYS = 15

_RECENT_H = 6
_NEW, _LEAST_MOVE = 1, 3  # handles
_FULL, _OF_LIMIT, _NEAR = 0.95, 0.6, 0.75
_LEAST_KNOWN_H = 36
_MOST_BORN = 4  # processes in a day: of more, no rule says anything
_THERE = 0.6  # of a day's snapshots
_LOW = 0.3  # of a day's hours, under what they held

_PEAK, _MEAN, _LOWER, _LEAST = range(4)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Summary:
    """A day by row: of what was held (0) and kept (1), the greatest and the mean of the hours' lows, the low of the
    day, and the least (rows x 2 x 4); NOTHING where nothing is known."""

    day_us: int
    marks: Ints
    values: Ints


def summary(day: Digest) -> Summary:
    levels = _levels(day)
    rows = len(day.marks)
    values = np.full((2, rows, 4), NOTHING, np.int64)
    flat = levels.reshape(2 * rows, HOURS)
    values.reshape(-1, 4)[:] = _told(flat)
    return Summary(day.day_us, day.marks, np.ascontiguousarray(values.swapaxes(0, 1)))


def counted(first: Ints, from_hour: int, to_hour: int) -> list[int]:
    """The hours of a day, in this range, at whose ends the rules are asked. `first`: as of a digest."""
    each = EACH // HOUR
    known = [hour for hour in range(HOURS) if first[hour] != NOTHING]
    last = {hour // each: hour for hour in known}
    return [hour for hour in last.values() if from_hour <= hour < to_hour]


def noting(hours: Ints) -> NDArray[np.bool_]:
    """In which hours what leaks already is looked at as well: those at the end of a day."""
    return np.asarray(hours % DAY >= DAY - EACH, np.bool_)


def worth(
    today: Digest, yesterday: Digest | None, former: Sequence[Summary], hours: Sequence[int], always: frozenset[str]
) -> dict[str, list[int]]:
    """By program, at which of these hours of the day it is worth a look. `former`: of the days before, in any order;
    `always`: what is looked at whatever it does."""
    now = _levels(today)
    before = np.full_like(now, np.nan)
    if yesterday is not None and yesterday.day_us == today.day_us - DAY:
        _lay(before, today.marks, yesterday.marks, _levels(yesterday))
    both = np.concatenate([before, now], axis=2)
    records = np.full((2, len(today.marks), 3), -np.inf)
    least = np.where(np.isnan(before), np.inf, before).min(axis=2)
    for day in former:
        if not today.day_us - LOOK_BACK_DAYS * DAY <= day.day_us < today.day_us:
            continue
        values = np.full((2, len(today.marks), 4), np.nan)
        _lay(values, today.marks, day.marks, _floats(day.values).swapaxes(0, 1))
        least = np.fmin(least, values[:, :, _LEAST])
        if day.day_us < today.day_us - DAY:
            records = np.fmax(records, values[:, :, :3])
    until = np.fmin(np.fmin.accumulate(now, axis=2), least[:, :, np.newaxis])
    top = np.where(np.isnan(now), -np.inf, now).max(axis=2)
    moving = np.flatnonzero((top >= until[:, :, -1] + _NEW).any(axis=0))
    moved = {today.rows[row].program for row in moving.tolist()}
    of_programs = _OfPrograms.of(today, yesterday)
    found: dict[str, list[int]] = {}
    swept = set(_swept(today, moving, top - until[:, :, -1]))
    for hour in hours:
        said = _new(both[:, moving], records[:, moving], until[:, moving, hour], hour)
        rows = moving[(said & of_programs.counts(moving, hour)).any(axis=0)]
        told = {today.rows[row].program for row in rows.tolist()}
        told |= _near_limit(today, hour, _FULL) | (_near_limit(today, hour, _OF_LIMIT) & moved)
        told |= always & set(today.programs)
        if hour >= HOURS - EACH // HOUR:
            told |= swept
        for program in told:
            found.setdefault(program, []).append(hour)
    return found


def near_limits(today: Digest) -> set[str]:
    """Programs with a process that may stand near its limit."""
    known = np.flatnonzero(today.first != NOTHING)
    return _near_limit(today, int(known[-1]), _NEAR) if len(known) else set()


def _new(both: Floats, records: Floats, least: Floats, hour: int) -> NDArray[np.bool_]:
    """Which of these rows lie above all that was before yesterday, or above the least where that is not known."""
    recent = both[:, :, HOURS + hour + 1 - _RECENT_H : HOURS + hour + 1]
    told = _floats(_told(both[:, :, hour + 1 : HOURS + hour + 1].reshape(-1, HOURS))).reshape(2, -1, 4)
    told[:, :, _PEAK] = np.where(np.isnan(recent), -np.inf, recent).max(axis=2)
    known = (~np.isnan(both[:, :, : HOURS + hour + 1])).sum(axis=2) >= _LEAST_KNOWN_H
    records = np.where((known | (records[:, :, 0] > -np.inf))[:, :, np.newaxis], records, np.inf)
    above = np.fmax(records, least[:, :, np.newaxis]) + _NEW
    return np.asarray((told[:, :, :3] >= above).any(axis=2), np.bool_)


@dataclass(frozen=True, slots=True)
class _OfPrograms:
    """What the rules ask of a row's program: that it is there, and whether one process at a time is. Of yesterday and
    today."""

    own: NDArray[np.intp]
    alone: NDArray[np.bool_]
    alive: Floats
    there: Floats
    births: Floats

    @classmethod
    def of(cls, today: Digest, yesterday: Digest | None) -> "_OfPrograms":
        place = {program: at for at, program in enumerate(today.programs)}
        alive, there, births = (np.full((len(place), 2 * HOURS), np.nan) for _ in range(3))
        for day in (yesterday, today):
            if day is None or day.day_us < today.day_us - DAY:
                continue
            at = HOURS if day is today else 0
            known = [(place[program], of) for of, program in enumerate(day.programs) if program in place]
            into, of = np.array(known, np.intp).reshape(-1, 2).T
            hours = slice(at, at + HOURS)
            there[:, hours] = np.where(day.first == NOTHING, np.nan, 0.0)
            there[into, hours] = np.where(day.there[of] == NOTHING, there[into, hours], day.there[of] / 1000)
            alive[into, hours] = _floats(day.alive[of])
            births[into, hours] = _floats(day.births[of])
        own = np.array([place[row.program] for row in today.rows], np.intp)
        return cls(own, np.array([row.process is not None for row in today.rows], bool), alive, there, births)

    def counts(self, rows: NDArray[np.intp], hour: int) -> NDArray[np.bool_]:
        """By what is held, and by what is kept (2 x rows)."""
        last = slice(hour + 1, HOURS + hour + 1)
        alive, there = self.alive[:, last], self.there[:, last]
        many, single = (alive > 1).sum(axis=1), (alive == 1).sum(axis=1)
        known = (~np.isnan(there)).sum(axis=1)
        present = np.where(np.isnan(there), 0.0, there).sum(axis=1) >= _THERE * known
        present &= np.nansum(self.births[:, last], axis=1) <= _MOST_BORN
        held, kept = present & (many > 0), present & (single > 0)
        own, alone = self.own[rows], self.alone[rows]
        return np.stack([held[own] & ~alone, kept[own] | (alone & present[own])])


def _near_limit(today: Digest, hour: int, share: float) -> set[str]:
    place = {program: at for at, program in enumerate(today.programs)}
    limits = today.limit[:, : hour + 1].max(axis=1, initial=NOTHING)
    if not (limits > 0).any():
        return set()
    held = today.held[:, hour]
    high = np.flatnonzero(held >= share * limits[limits > 0].min())
    return {
        row.program
        for at in high.tolist()
        if (row := today.rows[at]).type is None
        and (limit := int(limits[place[row.program]])) > 0
        and held[at] >= share * limit
    }


def _swept(today: Digest, moving: NDArray[np.intp], moved: Floats) -> set[str]:
    turn = today.day_us // DAY % SWEEP_DAYS
    far = moving[(moved[:, moving] >= _LEAST_MOVE).any(axis=0)]
    programs = {today.rows[row].program for row in far.tolist()}
    return {program for program in programs if crc32(program.encode()) % SWEEP_DAYS == turn}


def _levels(day: Digest) -> Floats:
    return _floats(np.stack([day.held, day.kept[0]]))


def _floats(values: Ints) -> Floats:
    return np.where(values == NOTHING, np.nan, values)


def _told(levels: Floats) -> Ints:
    """The greatest, the mean, the low and the least of each row of hours; NOTHING where none is known."""
    ordered = np.sort(levels, axis=1)  # what is not known last
    count = (~np.isnan(ordered)).sum(axis=1)
    rows = np.arange(len(ordered))
    total = np.where(np.isnan(ordered), 0.0, ordered).sum(axis=1)
    places = {_PEAK: count - 1, _LOWER: (_LOW * count).astype(np.intp), _LEAST: np.zeros(len(rows), np.intp)}
    found = np.empty((len(rows), 4), np.float64)
    for column, place in places.items():
        found[:, column] = ordered[rows, place.clip(0)]
    found[:, _MEAN] = np.round(total / np.maximum(count, 1))
    return np.where((count > 0)[:, np.newaxis], np.nan_to_num(found), NOTHING).astype(np.int64)


def _lay(target: Floats, marks: Ints, of: Ints, values: Floats) -> None:
    """Put values of rows with these marks where they are in the target: the rows are the second axis of both."""
    if len(marks) == len(of) and (marks == of).all():
        target[:] = values
        return
    order = np.argsort(of)
    place = np.searchsorted(of[order], marks).clip(0, max(len(of) - 1, 0))
    if not len(of):
        return
    there = np.flatnonzero(of[order][place] == marks)
    target[:, there] = values[:, order[place[there]]]


def hours_of(looked: Mapping[str, Sequence[int]], day_us: int) -> dict[str, list[int]]:
    """The hours of a day as times."""
    return {program: [day_us + hour * HOUR for hour in hours] for program, hours in looked.items()}
