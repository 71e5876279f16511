"""Fast leaks, told from single snapshots: growth of minutes to hours, by process.

What is said at a snapshot depends on the snapshots of the three hours up to it, and on the least and the most that the
program held before those: not on where the frame begins, nor on what came later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from server.analysis.courses import LONGEST, beginning, onset_of, rate_of_course
from server.analysis.digest import HOURS, NOTHING, Digest
from server.analysis.frames import ABSENT, Frame, Ints, ProcessKey, between, union
from server.analysis.instants import HOUR, MINUTE, SECOND
from server.analysis.names import program_key

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LOOK_BACK = LONGEST
EACH = 15 * SECOND  # of denser snapshots the first in each such stretch is looked at
SCALES_MIN = (5, 6, 8, 12, 18, 27, 40, 60, 90, 130, 180)
PIECES = 6  # of each scale
_SPAN, _GAP = 0.75, 0.34  # of a scale: what must be known of it, and the widest gap in it

_EVEN, _NEWEST, _LASTING = 0.55, 0.7, 0.8  # least step by mean; newest by mean; the newer steps by the older
_STEEPEST = 1.8  # the greatest step by the mean
_STRAIGHT_EVEN, _STRAIGHT_LASTING = 0.75, 0.92  # where nothing but its shape speaks against a program
_RUNAWAY, _RUNNING = 360_000.0, 36_000.0  # handles an hour, which leave no doubt for long
_HIGHS = (0.6, 1.6)  # a leak lifts the highs of the pieces as much as their lows

_HORIZON = 12 * HOUR
_TIMES_SEEN = 6  # how far ahead a line is drawn, by its length
_NEEDED = ((30 * MINUTE, 0.55), (2 * HOUR, 0.68), (_HORIZON, 0.78))  # time left to the limit, share of it that is held
_LESS_NEEDED = 0.1  # less of it, far above what a week of history holds, by a process that has begun long ago
_OF_LIMIT, _LEAST_TO_LIMIT = 0.02, 8.0  # what it must have risen
_FULL, _STAYED_FULL = 0.9, 0.985
_PINNED, _PINNED_SNAPSHOTS = 15 * MINUTE, 10
# how long it stands full that was seen to fill, and from what share of its limit
_FILLED, _FROM_BELOW = 5 * MINUTE, 0.5

_DAYS, _WEEK = 48 * HOUR, 168 * HOUR
_RECORD, _RECORD_MIN, _RECORD_YOUNG_MIN = 5.0, 27, 90
_SETTLED = 24 * HOUR
_RECORD_RISE, _RECORD_SHARE = 500.0, 0.2  # of what it holds

_YOUNG = 12 * HOUR
_YOUNG_RATE, _YOUNG_TIME, _YOUNG_RISE = 36_000.0, 5 * MINUTE, 100.0
_YOUNG_SLOWEST = 300.0
_YOUNG_SHARE, _YOUNG_RECORD = 0.5, 2.0  # of what it holds; of what the program ever held
_FAST, _FAST_SNAPSHOTS = 10_000.0, 30
_FEW_SNAPSHOTS, _FEW_TIME = 12, 25 * MINUTE  # a job of a night may grow as fast for longer
_SLOW_SNAPSHOTS, _SLOW_TIME = 175, 18 * MINUTE
_FEWER_SNAPSHOTS, _FEWER_TIME = 45, 45 * MINUTE
_CALM, _CALM_TIME = 20 * HOUR, 2 * HOUR
_CALM_RISE, _CALM_SHARE, _CALM_RANGE = 500.0, 0.35, 15.0  # the last: of what it rose by what it varied before
_EXPLAINS = 0.6  # of the growth: what a type must take to be named

Why = Literal["limit", "pinned", "record", "calm", "constant"]


@dataclass(frozen=True, slots=True)
class Known:
    """What a program held before the frame, all its processes together: since when it is known, the least, the most."""

    since_us: int
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Race:
    """A process that grows fast. Times in microseconds, as shown; rates in handles an hour.

    why: `limit`: it runs into its limit; `pinned`: it stands there; `record`: it is far above all that was known of
    the program; `calm`: it leaves a level at which the program hardly moved; `constant`: nothing is known of the
    program, but it grows too long, too much and too evenly for a warm-up. It was seen to go from `from_handles` at
    `from_us` to `to_handles` at `detected_us`, its low rising in each of `pieces` equal pieces of that time (0 for
    `pinned`). It began at `started_us`, or between the two others. `full_us`: from when on it stands at its limit, if
    it does. `type`: what takes most of the growth, where types are told."""

    program: str
    type: str | None
    process: ProcessKey
    why: Why
    started_us: int
    started_from_us: int
    started_to_us: int
    detected_us: int
    rate_per_hour: float
    low_rate: float
    high_rate: float
    limit: int | None
    full_us: int | None
    from_us: int
    from_handles: int
    to_handles: int
    pieces: int


def races(frame: Frame, known: Mapping[str, Known], from_us: int, *, fold: bool) -> list[Race]:
    """The first snapshot at or after `from_us` at which each process is seen to race, if there is one. `known` by
    program key, as `fold` makes it; the frame begins at least `LOOK_BACK` before `from_us`, or where history does."""
    order = np.argsort(frame.shown, kind="stable")
    times = frame.shown[order]
    columns = _thinned(times)
    judged = np.flatnonzero(times[columns] >= from_us)
    if not len(judged):
        return []
    rows = _candidates(frame, known, fold=fold)
    if not len(rows):
        return []
    held = _Held.of(frame, order, columns, rows)
    former = _former(frame, order, rows, held.times[judged], known, fold=fold)
    seen = _judge(held, former, judged)
    found = []
    for row in np.flatnonzero((seen.why > 0).any(axis=1)).tolist():
        place = int((seen.why[row] > 0).argmax())
        why, minutes = _WHYS[seen.why[row, place] - 1], SCALES_MIN[seen.scale[row, place]]
        found.append(_race(frame, held, order[columns], row, int(judged[place]), why, minutes))
    return found


def races_by_hour(
    frames: Sequence[Frame], days: Sequence[Digest], from_us: int, to_us: int, *, fold: bool
) -> list[Race]:
    """What races in each hour of this time (its end excluded), in order of time. Frames begin `LOOK_BACK` before it,
    or where history does; `days` are digests of the time before."""
    frames = [frame for frame in frames if len(frame.times) and not frame.step_s]
    if not any(may_race(frame) for frame in frames):
        return []
    found: list[Race] = []
    for hour_us in range(from_us // HOUR * HOUR, to_us, HOUR):
        parts = [between(frame, hour_us - LOOK_BACK, min(hour_us + HOUR, to_us) - 1) for frame in frames]
        parts = [part for part in parts if len(part.times)]
        if parts and any(part.shown.max() >= hour_us for part in parts):
            frame = parts[0] if len(parts) == 1 else union(parts)
            if may_race(frame):
                found += races(frame, held_before(days, hour_us - LOOK_BACK), hour_us, fold=fold)
    return sorted(found, key=lambda race: race.detected_us)


def may_race(frame: Frame) -> bool:
    """Whether it is worth asking `races`."""
    return len(_candidates(frame)) > 0


def held_before(days: Sequence[Digest], before_us: int) -> dict[str, Known]:
    """What these days tell of each program, by its key, in the hours before a time."""
    found: dict[str, Known] = {}
    for day in days:
        hours = np.flatnonzero((day.first != NOTHING) & (day.day_us + np.arange(HOURS) * HOUR < before_us))
        if not len(hours):
            continue
        held, high = day.held[:, hours], day.high[:, hours]
        least = np.where(held == NOTHING, np.inf, held).min(axis=1)
        most = np.where(high == NOTHING, -np.inf, high).max(axis=1)
        for at, row in enumerate(day.rows):
            if row.type is None and row.process is None and np.isfinite(least[at]):
                one = found.get(row.program)
                since = int(day.first[hours[(held[at] != NOTHING).argmax()]])
                found[row.program] = (
                    Known(since, float(least[at]), float(most[at]))
                    if one is None
                    else Known(one.since_us, min(one.least, float(least[at])), max(one.most, float(most[at])))
                )
    return found


def _thinned(times: Ints) -> NDArray[np.intp]:
    """The first snapshot of each stretch of `EACH`."""
    cells = times // EACH
    return np.flatnonzero(np.diff(cells, prepend=cells[0] - 1))


def _candidates(frame: Frame, known: Mapping[str, Known] | None = None, *, fold: bool = False) -> NDArray[np.intp]:
    """Processes that grew at all by what any rule asks for, or stand at their limit; without `known`, as if nothing
    that was held before spoke against it."""
    low, most, limit = ranges(frame)
    near, doubled, steep = _speaking(low, most, limit)
    begun = int(frame.shown.min(initial=np.iinfo(np.int64).max)) - _YOUNG
    young = np.array([key.started_us is None or key.started_us >= begun for key in frame.processes], bool)
    risen = most - low
    doubled &= ~near
    near |= doubled & young
    until_us = int(frame.shown.max(initial=0))
    for row in np.flatnonzero(doubled & ~young).tolist():
        before = None if known is None else known.get(program_key(frame.processes[row].program, fold=fold))
        near[row] = before is None or until_us - before.since_us < _DAYS + 2 * LOOK_BACK
    steep &= ~near
    if known is not None and frame.shown.max() - frame.shown.min() < _DAYS:
        for row in np.flatnonzero(steep).tolist():
            before = known.get(program_key(frame.processes[row].program, fold=fold))
            steep[row] = before is not None and (
                most[row] >= _RECORD * before.most or risen[row] >= _CALM_RANGE * (before.most - before.least)
            )
    return np.flatnonzero(near | steep)


def ranges(frame: Frame) -> tuple[Ints, Ints, Ints]:
    """By process, the least and the most it held (negative where nothing is known), and the highest of its limits."""
    high = frame.handles.high
    most = high.max(axis=1)
    low = np.where(high >= 0, frame.handles.low, most[:, np.newaxis]).min(axis=1)
    return low, most, frame.limits.max(axis=1)


def could_race(low: Ints, most: Ints, limit: Ints) -> bool:
    """`may_race` of a frame, by what `ranges` tells of it."""
    return any(bool(one.any()) for one in _speaking(low, most, limit))


def _speaking(low: Ints, most: Ints, limit: Ints) -> tuple[Bools, Bools, Bools]:
    """Which processes near their limit, or stand at it; which grew by what is much for a young one; which by what is
    much for any."""
    risen = most - low
    near = (limit > 0) & (most >= (_NEEDED[0][1] - _LESS_NEEDED) * limit)
    near &= (risen >= np.maximum(_OF_LIMIT * limit, _LEAST_TO_LIMIT)) | (most >= _STAYED_FULL * limit)
    doubled = (risen >= _YOUNG_RISE) & (risen >= _YOUNG_SHARE * most)
    steep = (risen >= _RECORD_RISE) & (risen >= _RECORD_SHARE * most)
    return near, doubled, steep


@dataclass(frozen=True, slots=True)
class _Held:
    """Candidates by snapshot (thinned): counts (NaN where not known), whether there, since when (`guessed` where it is
    not told); limits by candidate (infinite for none). `places`: of the thinned snapshots among all."""

    rows: NDArray[np.intp]
    times: Ints
    places: NDArray[np.intp]
    counts: Floats
    there: Bools
    born: Floats
    guessed: Bools
    limits: Floats

    @classmethod
    def of(cls, frame: Frame, order: NDArray[np.intp], places: NDArray[np.intp], rows: NDArray[np.intp]) -> "_Held":
        chosen = order[places]
        counts = frame.handles.last[rows][:, chosen]
        times = frame.shown[chosen]
        there = counts != ABSENT
        limits = frame.limits[rows][:, chosen].max(axis=1)
        return cls(
            rows,
            times,
            places,
            np.where(counts >= 0, counts, np.nan).astype(np.float64),
            there,
            _born(frame, rows, times, there),
            np.array([frame.processes[row].started_us is None for row in rows.tolist()], bool),
            np.where(limits > 0, limits, np.inf).astype(np.float64),
        )


def _born(frame: Frame, rows: NDArray[np.intp], times: Ints, there: Bools) -> Floats:
    """As told, else the last snapshot in which it was not there yet; long ago if there is none."""
    first = there.argmax(axis=1)
    seen = np.where(first > 0, times[(first - 1).clip(0)].astype(np.float64), -np.inf)
    told = [frame.processes[row].started_us for row in rows.tolist()]
    return np.array([float(s) if t is None else float(t) for t, s in zip(told, seen.tolist(), strict=True)])


@dataclass(frozen=True, slots=True)
class _Former:
    """What a candidate's program held before the look-back of each judged snapshot: for how long it is known
    (microseconds, 0 for not at all), the least and the most."""

    long: Floats
    least: Floats
    most: Floats


def _former(
    frame: Frame, order: NDArray[np.intp], rows: NDArray[np.intp], moments: Ints, known: Mapping[str, Known], *,
    fold: bool,
) -> _Former:  # fmt: skip
    times = frame.shown[order]
    ends = np.searchsorted(times, moments - LOOK_BACK, side="left")
    keys = [program_key(process.program, fold=fold) for process in frame.processes]
    members: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        members.setdefault(key, []).append(row)
    shape = (len(rows), len(moments))
    found = _Former(np.zeros(shape), np.full(shape, np.inf), np.full(shape, -np.inf))
    done: dict[str, int] = {}
    for place, row in enumerate(rows.tolist()):
        key = keys[row]
        if key in done:
            for matrix in (found.long, found.least, found.most):
                matrix[place] = matrix[done[key]]
            continue
        done[key] = place
        counts = frame.handles.last[members[key]][:, order]
        said = (counts >= 0).any(axis=0)
        sums = np.where(counts >= 0, counts, 0).sum(axis=0)
        low, high = np.where(said, sums, np.inf), np.where(said, sums, -np.inf)
        since = np.where(said, times, np.iinfo(np.int64).max)
        before = known.get(key, _NOTHING)
        low, high = np.append(before.least, low), np.append(before.most, high)
        since = np.minimum.accumulate(np.append(before.since_us, since))[ends]
        found.least[place] = np.minimum.accumulate(low)[ends]
        found.most[place] = np.maximum.accumulate(high)[ends]
        found.long[place] = np.maximum(moments - LOOK_BACK - since.astype(np.float64), 0.0)
    return found


_NOTHING = Known(np.iinfo(np.int64).max, np.inf, -np.inf)


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Of one scale, by candidate and judged snapshot: whether all of it can be told; the low and the high of each piece
    (oldest first, last axis) and when it begins; by judged snapshot: from when, over how many snapshots, and over how
    many without thinning."""

    told: Bools
    low: Floats
    high: Floats
    begins: Floats
    since: Ints
    count: NDArray[np.intp]
    readings: NDArray[np.intp]


def _pieces(held: _Held, judged: NDArray[np.intp], scale_min: int) -> _Pieces:
    times, span = held.times, scale_min * MINUTE
    first = np.searchsorted(times, times[judged] - span, side="right")
    count = judged - first + 1
    cuts = first[:, np.newaxis] + np.arange(PIECES + 1) * count[:, np.newaxis] // PIECES
    enough = (count >= PIECES) & (times[judged] - times[first] >= _SPAN * span)
    cuts = np.where(enough[:, np.newaxis], cuts, np.arange(PIECES + 1))  # anything valid
    gaps = np.append(np.diff(times), 0)
    widest = np.maximum.reduceat(gaps, np.stack([first, judged], axis=1).ravel())[::2]
    enough &= widest <= _GAP * span

    def reduce(by: np.ufunc, fill: float) -> Floats:
        padded = np.pad(np.where(np.isnan(held.counts), fill, held.counts), ((0, 0), (0, PIECES + 1)))
        found = by.reduceat(padded, cuts.ravel(), axis=1).reshape(len(padded), len(judged), PIECES + 1)
        return np.asarray(found[:, :, :PIECES], np.float64)

    low, high = reduce(np.minimum, np.inf), reduce(np.maximum, -np.inf)
    away = np.cumsum(np.pad(~held.there, ((0, 0), (1, 0))), axis=1)
    told = enough & (away[:, judged + 1] == away[:, first]) & np.isfinite(low).all(axis=2)
    begins = times[cuts[:, :PIECES].clip(0, len(times) - 1)].astype(np.float64)
    return _Pieces(
        told,
        np.where(told[:, :, np.newaxis], low, 0.0),
        high,
        begins,
        times[first],
        count,
        held.places[judged] - held.places[first] + 1,
    )


@dataclass(frozen=True, slots=True)
class _Growth:
    """Of one scale, by candidate and judged snapshot: handles an hour, what it rose, how evenly."""

    rate: Floats
    rise: Floats
    steady: Bools
    straight: Bools


def _growth(pieces: _Pieces) -> _Growth:
    hours = np.diff(pieces.begins, axis=1) / HOUR
    rise = pieces.low[:, :, -1] - pieces.low[:, :, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = np.diff(pieces.low, axis=2) / hours
        mean = rise / hours.sum(axis=1)
        lifted = pieces.high[:, :, -1] - pieces.high[:, :, 0]
        lasting = rates[:, :, -2:].mean(axis=2) / rates[:, :, :2].mean(axis=2)
        least, most = rates.min(axis=2) / mean, rates.max(axis=2) / mean
        steady = (
            pieces.told
            & (rise > 0)
            & (least >= _EVEN)
            & (most <= _STEEPEST)
            & (rates[:, :, -1] >= _NEWEST * mean)
            & (lasting >= _LASTING)
            & (lifted >= _HIGHS[0] * rise)
            & (lifted <= _HIGHS[1] * rise)
        )
        straight = steady & (least >= _STRAIGHT_EVEN) & (lasting >= _STRAIGHT_LASTING)
    return _Growth(mean, rise, np.asarray(steady, np.bool_), np.asarray(straight, np.bool_))


@dataclass(frozen=True, slots=True)
class _Seen:
    """By candidate and judged snapshot: which rule holds (0: none, else its place in `_WHYS` and one), at which
    scale."""

    why: NDArray[np.int8]
    scale: NDArray[np.int8]


def _judge(held: _Held, former: _Former, judged: NDArray[np.intp]) -> _Seen:
    shape = (len(held.rows), len(judged))
    seen = _Seen(np.zeros(shape, np.int8), np.zeros(shape, np.int8))
    level = _carried(held)[:, judged]
    age = held.times[judged] - held.born[:, np.newaxis]
    age[held.guessed[:, np.newaxis] & (age > LOOK_BACK)] = np.inf
    filled = _filled(held, former, judged, age)
    for scale, minutes in enumerate(SCALES_MIN):
        pieces = _pieces(held, judged, minutes)
        growth = _growth(pieces)
        said = {
            "limit": _to_limit(growth, former, level, age, held.limits[:, np.newaxis], minutes),
            "pinned": _pinned(pieces, held.limits[:, np.newaxis], minutes, filled),
            "record": _above_all(growth, former, level, age, minutes),
            "calm": _from_calm(growth, former, level, age, held.times[judged] - pieces.since),
            "constant": _constant(growth, former, level, age, pieces.readings, held.times[judged] - pieces.since),
        }
        for number, why in enumerate(_WHYS, start=1):
            new = said[why] & (seen.why == 0)
            seen.why[new], seen.scale[new] = number, scale
    return seen


_WHYS: tuple[Why, ...] = ("limit", "pinned", "record", "calm", "constant")


def _carried(held: _Held) -> Floats:
    """What is not known is what was known last."""
    known = np.maximum.accumulate(np.where(np.isnan(held.counts), 0, np.arange(held.counts.shape[1])), axis=1)
    return np.take_along_axis(held.counts, known, axis=1)


def _to_limit(growth: _Growth, former: _Former, level: Floats, age: Floats, limit: Floats, minutes: int) -> Bools:
    """The sooner it is there, the less of it need be held. A week of history that knows nothing like it stands for a
    part of that; history that knows as much speaks against it, unless it was at the limit then."""
    historic = former.long >= _WEEK
    with np.errstate(invalid="ignore", divide="ignore"):
        usual = np.maximum(former.most - former.least, 0.3 * former.most)
        above = historic & (age >= _SETTLED) & (level - former.most >= usual)
        below = (former.long > 0) & (level < 1.15 * former.most) & (former.most < _FULL * limit)
        left = (limit - level) / growth.rate * HOUR
        soon = np.zeros(level.shape, bool)
        for within, share in _NEEDED:
            soon |= (left <= within) & (level >= (share - _LESS_NEEDED * above) * limit)
        return np.asarray(
            growth.steady
            & soon
            & ~below
            & (left <= _TIMES_SEEN * minutes * MINUTE)
            & (growth.rise >= np.maximum(_OF_LIMIT * limit, _LEAST_TO_LIMIT))
            & np.isfinite(limit),
            np.bool_,
        )


def _pinned(pieces: _Pieces, limit: Floats, minutes: int, filled: Bools) -> Bools:
    """Not once below the limit, for long enough to be no burst: less long for one that was seen to fill from far below,
    or was born, within the look-back, as its program never was."""
    full = pieces.low.min(axis=2) >= _STAYED_FULL * limit
    long = (minutes * MINUTE >= _PINNED) & (pieces.count >= _PINNED_SNAPSHOTS)
    long = long | (filled & (minutes * MINUTE >= _FILLED))
    return np.asarray(pieces.told & full & long & np.isfinite(limit), np.bool_)


def _filled(held: _Held, former: _Former, judged: NDArray[np.intp], age: Floats) -> Bools:
    """Whether it was far below its limit within the look-back, or was not yet there, and its program was never known
    to hold as much."""
    limit = held.limits[:, np.newaxis]
    low = np.where(held.counts <= _FROM_BELOW * limit, held.times.astype(np.float64), -np.inf)
    lately = np.maximum.accumulate(low, axis=1)[:, judged] >= held.times[judged] - LOOK_BACK
    return np.asarray((lately | (age <= LOOK_BACK)) & (former.most < _FULL * limit), np.bool_)


def _above_all(growth: _Growth, former: _Former, level: Floats, age: Floats, minutes: int) -> Bools:
    """Many times what days of history hold, and on in a straight line; the line of a process that has just begun, and
    may fill a new cache, must be longer."""
    with np.errstate(invalid="ignore"):
        runs = (growth.rate >= _RUNAWAY) | ((growth.rate >= _RUNNING) & (age >= _SETTLED))
        return np.asarray(
            growth.straight
            & ((minutes >= np.where(age >= _SETTLED, _RECORD_MIN, _RECORD_YOUNG_MIN)) | runs)
            & (former.long >= _DAYS)
            & (level >= _RECORD * former.most)
            & (level - former.most >= _RECORD * (former.most - former.least))
            & (growth.rise >= np.maximum(_RECORD_RISE, _RECORD_SHARE * level)),
            np.bool_,
        )


def _from_calm(growth: _Growth, former: _Former, level: Floats, age: Floats, span: Ints) -> Bools:
    """For hours in a straight line, away from where it stood for a day and more."""
    with np.errstate(invalid="ignore"):
        return np.asarray(
            growth.straight
            & (span >= _CALM_TIME)
            & (age >= _SETTLED)
            & (former.long >= _CALM)
            & (growth.rise >= np.maximum(_CALM_RISE, _CALM_SHARE * level))
            & (growth.rise >= _CALM_RANGE * (former.most - former.least))
            & (level - former.most >= 0.5 * growth.rise),
            np.bool_,
        )


def _constant(
    growth: _Growth, former: _Former, level: Floats, age: Floats, readings: NDArray[np.intp], span: Ints
) -> Bools:
    """A young process, or one of a program of which little is known: the slower it grows, the longer it must have grown
    in a straight line (half the rate asks for 1.4 times as long, or twice of a young process, which may warm up or be a
    job), and where a job might grow as fast, by the more snapshots."""
    with np.errstate(invalid="ignore", divide="ignore"):
        needed = _YOUNG_TIME * np.sqrt(_YOUNG_RATE / growth.rate)
        seen = np.where(growth.rate >= _FAST, readings >= _FAST_SNAPSHOTS, readings >= _SLOW_SNAPSHOTS)
        seen |= (growth.rate >= _FAST) & (readings >= _FEW_SNAPSHOTS) & (span <= _FEW_TIME)
        seen |= (growth.rate >= _RUNAWAY) | ((growth.rate >= _RUNNING) & (span <= _FEW_TIME))
        seen |= (readings >= _FEWER_SNAPSHOTS) & (span >= _FEWER_TIME)
        needed = np.where(age <= _YOUNG, np.maximum(needed, _YOUNG_TIME * _YOUNG_RATE / growth.rate), needed)
        long = (growth.rate >= _FAST) | (span >= _SLOW_TIME)
        return np.asarray(
            growth.straight
            & seen
            & long
            & (growth.rate >= _YOUNG_SLOWEST)
            & (span >= needed)
            & (growth.rise >= np.maximum(_YOUNG_RISE, _YOUNG_SHARE * level))
            & ((age <= _YOUNG) | (former.long < _DAYS))
            & ((former.long <= 0) | (level >= _YOUNG_RECORD * former.most)),
            np.bool_,
        )


def _race(frame: Frame, held: _Held, order: NDArray[np.intp], row: int, at: int, why: Why, minutes: int) -> Race:
    """`order`: of the frame's columns, as thinned."""
    now, process, limit = int(held.times[at]), int(held.rows[row]), float(held.limits[row])
    hours, counts, places = _course(held, row, at, why)
    onset = onset_of(hours, counts)
    begun = onset[1]
    kind, rates = _growing(frame, process, order, hours[begun:], counts[begun:], places[begun:], at)
    rate, low, high = rates
    full_us = _full_since(held, row, at)
    since = int(np.searchsorted(held.times, now - minutes * MINUTE, side="right"))
    level = _carried(held)[row]
    first, best, last = beginning(held.times[places], counts, onset, rate, float(held.born[row]))
    if len(places) == 1 and best < int(held.times[places[0]]):  # it was full when it was first seen
        rate = low = high = float(counts[0]) * HOUR / (int(held.times[places[0]]) - best)
    return Race(
        program=frame.processes[process].program,
        type=kind,
        process=frame.processes[process],
        why=why,
        started_us=best,
        started_from_us=first,
        started_to_us=last,
        detected_us=now,
        rate_per_hour=rate,
        low_rate=low,
        high_rate=high,
        limit=int(limit) if np.isfinite(limit) else None,
        full_us=full_us,
        from_us=int(held.times[since]),
        from_handles=int(level[since]),
        to_handles=int(level[at]),
        pieces=0 if why == "pinned" else PIECES,
    )


def _course(held: _Held, row: int, at: int, why: Why) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Of the look-back, as far as it tells of growth: hours before now, counts, and their places among the snapshots.
    At the limit nothing grows, and what was before that tells."""
    times, now = held.times, int(held.times[at])
    back = np.arange(int(np.searchsorted(times, now - LOOK_BACK, side="left")), at + 1)
    back = back[~np.isnan(held.counts[row, back])]
    if why == "pinned":
        full = held.counts[row, back] >= _STAYED_FULL * held.limits[row]
        back = back[: int(full.argmax()) + 1]
    return (times[back] - now) / HOUR, held.counts[row, back], back


def _full_since(held: _Held, row: int, at: int) -> int | None:
    """The first of the snapshots in a row, up to this one, at which it stands at its limit."""
    counts = held.counts[row, : at + 1]
    below = np.flatnonzero(~np.isnan(counts) & (counts < _STAYED_FULL * held.limits[row]))
    known = np.flatnonzero(~np.isnan(counts))
    after = known[known > below[-1]] if len(below) else known
    return int(held.times[after[0]]) if len(after) and np.isfinite(held.limits[row]) else None


def _growing(
    frame: Frame,
    row: int,
    order: NDArray[np.intp],
    hours: Floats,
    counts: Floats,
    places: NDArray[np.intp],
    at: int,
) -> tuple[str | None, tuple[float, float, float]]:
    """The type that takes most of a process's growth, or of what it holds now if it did not grow, and its rates; those
    of the total where none does."""
    grown = float(counts[-1] - counts[0])
    best, most = None, _EXPLAINS * grown
    for index, (owner, kind) in enumerate(frame.type_rows):
        if owner != row:
            continue
        of_type = frame.types.last[index, order]
        if grown <= 0:
            if of_type[at] >= _EXPLAINS * float(counts[-1]) > 0:
                return kind, rate_of_course(hours, counts)
            continue
        known = np.flatnonzero(of_type[places] >= 0)
        took = float(of_type[places[known[-1]]] - of_type[places[known[0]]]) if len(known) >= 2 else 0.0
        if took >= most:
            best, most = (kind, rate_of_course(hours[known], of_type[places[known]].astype(np.float64))), took
    return best if best is not None else (None, rate_of_course(hours, counts))
