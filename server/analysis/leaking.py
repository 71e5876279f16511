"""From climbs to leaks: when each began, when it was told, how fast it grows, in which type, and when it was over.

What is said of an hour depends on snapshots up to the one that ends it alone. Days are judged one after another, each
going on from the leaks of the day before, so that it makes no difference in how many goes that is done."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from server.analysis.climbing import DAY_H, TOLD_BY, Climbs, climbs
from server.analysis.digest import Alone
from server.analysis.eagerness import LOOK_BACK_H as EAGERNESS_H
from server.analysis.eagerness import adjusted
from server.analysis.evidence import MOST_PIECES, Evidence, Kind, Piece
from server.analysis.filling import AT_LIMIT
from server.analysis.floors import Floors, Row
from server.analysis.forecast import Doubt, Forecast, forecast
from server.analysis.instants import DAY, HOUR
from server.analysis.nightly import jumps
from server.analysis.racing import Race
from server.analysis.rates import (
    OVER_H,
    RACED_H,
    SHORT_H,
    base_of,
    low_at,
    onset,
    over_at,
    rate_by_lows,
    rate_of,
    rate_range,
    rate_since,
    risen,
)
from server.analysis.sensitivity import Level
from server.analysis.worth import EACH, noting

_NO_ROOM = 0.97  # of the limit: growth may stop for want of it
_EXPLAINS = 0.7  # of the growth: what a type must take to be named
_SETTLED = 14 * DAY  # after which its beginning is no longer looked for
_BACK = 0.2  # of what it grew, to which it must fall to be called back
_NEW = DAY

Phase = Literal["detected", "growing", "at_limit", "returned"]
Why = Literal["gone", "back", "still"]


class Racer(Struct):
    """The process that raced: when it was last seen, what it held then of the type that names the leak, its limit, and
    since when it stood there; `full`: whether it did then. `gone`: later snapshots do not have it."""

    pid: int
    started_us: int | None
    seen_us: int
    held: int
    limit: int | None
    full_us: int | None = None
    full: bool = False
    gone: bool = False


class Fullest(Struct):
    """The process of a leaking program that is nearest to its limit, all its handles counted."""

    pid: int
    started_us: int | None
    handles: int
    limit: int


class Track(Struct, omit_defaults=True):
    """What judging goes on from. program: its key. type, process: of the row by which it was recognised; named: of the
    type that names it. single: its restarts are taken out. hour_us: the hour at the end of which it was recognised,
    over `seen_h` hours, when it grew by `rate` an hour. It can't have begun before `since_us`. base: what it had at
    base_us, from where its rate is counted. grew_us: the newest time from which on it was seen to grow. why: it is
    over. raced: its beginning is known from single snapshots, which racer did, unless it has grown without it since.
    reopened: a person resolved it, and it grew on. doubt: why there is no forecast. fullest: as of the newest snapshot,
    to be shown alone."""

    program: str
    type: str | None
    named: str | None
    hour_us: int
    seen_h: int
    since_us: int
    rate: float
    base_us: int
    base: float
    grew_us: int
    process: tuple[int, int | None] | None = None
    single: bool = False
    kind: Kind = "days"
    why: Why | None = None
    raced: bool = False
    reopened: bool = False
    doubt: Doubt | Literal["several", "gone"] | None = None
    racer: Racer | None = None
    fullest: Fullest | None = None

    @property
    def row(self) -> Row:
        return Row(self.program, self.type, None if self.process is None else Alone(*self.process))

    @property
    def named_row(self) -> Row:
        return self.row if self.named is None else Row(self.program, self.named)


@dataclass(frozen=True, slots=True)
class Leak:
    """Times in microseconds, as shown. `type` None: the total grows and no type explains it. `rate_per_hour` is the net
    average from `started_us` on, until it was over or the last hour, and may well lie between the two others; the
    beginning between its two. `limit`: of one process. exhausted_us None: no honest forecast."""

    program: str
    type: str | None
    started_us: int
    detected_us: int
    resolved_us: int | None
    rate_per_hour: float
    handles: int | None
    limit: int | None
    track: Track
    evidence: Evidence
    last_seen_us: int = 0
    started_from_us: int = 0
    started_to_us: int = 0
    rate_low: float = 0.0
    rate_high: float = 0.0
    phase: Phase = "detected"
    at_limit_us: int | None = None
    exhausted_us: int | None = None
    exhausted_from_us: int | None = None
    exhausted_to_us: int | None = None
    object: str | None = None


def leaks(floors: Floors) -> list[Leak]:
    """Of all programs of a host, each in order of time, judged in one go."""
    return followed(floors, int(floors.hours[0]), []) if len(floors.hours) else []


def followed(
    floors: Floors,
    from_us: int,
    known: Sequence[Leak],
    racing: Sequence[Race] = (),
    levels: Mapping[str, Level] = MappingProxyType({}),
    looked: Mapping[str, Sequence[int]] | None = None,
    keep: Callable[[Leak], Leak] | None = None,
) -> list[Leak]:
    """The leaks after the hours from `from_us` on, which are the last of these floors; `known` are those before;
    `racing` is what was seen from then on, in order of time. `levels`: how soon to speak of programs, by their keys,
    where it isn't normal. `looked`: at which hours each program counts, where not all do: as `worth` says; of others
    the floors need tell only while they leak, or race. `keep`: what became in these hours of the process that raced, as
    `lately.kept_up` tells of single snapshots."""
    first = max(int((from_us - floors.hours[0]) // HOUR), 0)
    asked = first - (EAGERNESS_H if "low" in levels.values() else 0) - EACH // HOUR
    climbing = adjusted(_climbs(floors, known, first, looked, max(asked, 0)), floors, levels)
    if looked is not None:
        climbing = _counting(climbing, floors, looked)
    new = climbing.over[:, first:] > 0
    saying: dict[str, list[int]] = {}
    for row in np.flatnonzero(new.any(axis=1)).tolist():
        saying.setdefault(floors.rows[row].program, []).append(row)
    found = []
    of_program: dict[str, list[Leak]] = {}
    for leak in known:
        of_program.setdefault(leak.track.program, []).append(leak)
    raced = _by_program(floors, racing)
    for program in dict.fromkeys((*of_program, *saying, *raced)):
        if levels.get(program) == "quiet":
            continue
        done, rows = of_program.get(program, []), saying.get(program, [])
        found += _of_program(floors, climbing, rows, first, done, raced.get(program, []), keep)
    return found


def _climbs(
    floors: Floors, known: Sequence[Leak], first: int, looked: Mapping[str, Sequence[int]] | None, asked: int
) -> Climbs:
    """Of the programs that count, as `climbs` tells of hours from `asked` on; of what leaks already no more than is
    noted of it."""
    if looked is None:
        return climbs(floors, asked)
    open_ones = {leak.track.program for leak in known if leak.resolved_us is None}
    ends_day = set(floors.hours[first:][noting(floors.hours[first:])].tolist())
    wanted = {
        program for program, hours in looked.items() if program not in open_ones or not ends_day.isdisjoint(hours)
    }
    rows = np.flatnonzero([row.program in wanted for row in floors.rows])
    shape = floors.held.shape
    over, by, single = np.zeros(shape, np.int64), np.zeros(shape, np.int8), np.zeros(shape, bool)
    level = floors.held.copy()
    if len(rows):
        part = climbs(floors.of_rows(rows), asked)
        over[rows], by[rows], level[rows], single[rows] = part.over, part.by, part.level, part.single
    return Climbs(over=over, by=by, level=level, single=single)


def _counting(climbing: Climbs, floors: Floors, looked: Mapping[str, Sequence[int]]) -> Climbs:
    """What is said at the hours that count: also what was said in the hours just before, since none of them was asked
    by itself."""
    over, by = climbing.over.copy(), climbing.by.copy()
    place = floors.hours % EACH // HOUR
    for ago in range(1, EACH // HOUR):
        columns = np.flatnonzero(place >= ago)
        columns = columns[columns >= ago]
        said = (over[:, columns] == 0) & (climbing.over[:, columns - ago] > 0)
        over[:, columns] = np.where(said, climbing.over[:, columns - ago] + ago, over[:, columns])
        by[:, columns] = np.where(said, climbing.by[:, columns - ago], by[:, columns])
    hours = {program: np.isin(floors.hours, times) for program, times in looked.items()}
    nothing = np.zeros(len(floors.hours), bool)
    counts = np.array([hours.get(row.program, nothing) for row in floors.rows]).reshape(over.shape)
    return replace(climbing, over=np.where(counts, over, 0), by=by)


def _by_program(floors: Floors, racing: Sequence[Race]) -> dict[str, list[tuple[str, Race]]]:
    keys = {name: key for key, name in floors.names.items()}
    found: dict[str, list[tuple[str, Race]]] = {}
    for race in racing:
        key = keys.get(race.program, race.program)
        found.setdefault(key, []).append((key, race))
    return found


def with_races(known: Sequence[Leak], racing: Iterable[tuple[str, Race]]) -> list[Leak]:
    """The leaks, with those that are told by single snapshots after the last hour. By the key of the program."""
    found = list(known)
    for key, race in racing:
        of_program = [leak for leak in found if leak.track.program == key]
        last = of_program[-1] if of_program else None
        if last is None or (last.resolved_us is not None and race.from_us >= last.resolved_us):
            found.append(_raced(key, race, returned=last is not None))
    return found


def rewound(known: Iterable[Leak], to_us: int) -> list[Leak]:
    """The leaks as they were when the hours before `to_us` were judged: what was found later is not there yet, what
    was over later is not over."""
    return [
        leak
        if leak.resolved_us is None or leak.resolved_us <= to_us
        else replace(leak, resolved_us=None, track=structs.replace(leak.track, why=None))
        for leak in known
        if leak.track.hour_us < to_us
    ]


def _of_program(
    floors: Floors,
    climbing: Climbs,
    rows: list[int],
    first: int,
    known: Sequence[Leak],
    racing: Sequence[tuple[str, Race]],
    keep: Callable[[Leak], Leak] | None,
) -> list[Leak]:
    done = list(known)
    hours = floors.hours
    while True:
        last = done[-1] if done else None
        if last is not None and last.resolved_us is None:
            returned = len(done) > 1 or last.track.reopened
            if keep is not None and last.track.racer is not None:
                last = keep(last)
            done[-1] = last = _gone_on(floors, _noted(climbing, floors, rows, first, last), returned=returned)
            if last.resolved_us is None:
                return done
        fresh = -(2**62) if last is None or last.resolved_us is None else last.resolved_us
        over = climbing.over[rows, first:]
        # the hours over which it grew lie wholly after it was over, and it is told on a later day
        since = hours[first:] + HOUR - over * HOUR
        new = (over > 0) & (since >= fresh - HOUR) & (hours[first:] // DAY > fresh // DAY)
        at = int(new.any(axis=0).argmax()) if new.any() else None
        raced = next((one for one in racing if one[1].from_us >= fresh), None)
        if raced is not None and (at is None or raced[1].detected_us <= floors.ends[first + at]):
            done.append(_raced(*raced, returned=bool(done)))
            if raced[1].detected_us >= floors.ends[-1]:  # no hour tells more of it yet
                return done
            continue
        if at is None:
            return done
        says = [row for row, said in zip(rows, new[:, at], strict=True) if said]
        row = min(says, key=lambda one: _rank(floors, one))
        done.append(_recognised(floors, climbing, row, first + at, since_us=max(fresh - OVER_H * HOUR, int(hours[0]))))


def _rank(floors: Floors, row: int) -> tuple[bool, bool, int]:
    """The total first, then a single process, then types."""
    key = floors.rows[row]
    return key.type is not None, key.process is not None, row


def _recognised(floors: Floors, climbing: Climbs, row: int, hour: int, *, since_us: int) -> Leak:
    """A new leak, as far as the hour tells at which it was recognised."""
    seen = int(climbing.over[row, hour])
    named = _named(floors, climbing, row, hour, hours=seen)
    single = bool(climbing.single[row, hour])
    level = floors.grown[0][named] if single else floors.held[named]
    since = max(int((since_us - floors.hours[0]) // HOUR), 0)
    beginning = onset(level[since : hour + 1])[1] + since
    told = jumps((floors.grown[0] if single else floors.held)[row], hour, seen)
    if TOLD_BY[climbing.by[row, hour]] == "nights" and told:
        beginning = max(told[0].first, since)
    base_us, base = base_of(floors.hours, level, began=beginning, last=hour)
    rate = rate_of(floors.hours, level[: hour + 1], base_us=base_us, base=base)
    key, other = floors.rows[row], floors.rows[named]
    track = Track(
        program=key.program,
        type=key.type,
        named=other.type if named != row else None,
        process=None if key.process is None else (key.process.pid, key.process.started_us),
        hour_us=int(floors.hours[hour]),
        seen_h=seen,
        since_us=since_us,
        rate=min(rate, rate_by_lows(level[: hour + 1], seen)),
        base_us=base_us,
        base=base,
        grew_us=int(floors.hours[hour]) + HOUR - seen * HOUR,
        single=single,
        kind=TOLD_BY[climbing.by[row, hour]],
    )
    ends = int(floors.ends[hour])
    return Leak(
        program=floors.names[key.program],
        type=other.type,
        started_us=int(floors.hours[beginning]),
        detected_us=ends,
        resolved_us=None,
        rate_per_hour=track.rate,
        handles=None,
        limit=None,
        track=track,
        evidence=Evidence("days"),
        last_seen_us=ends,
    )


def _raced(key: str, race: Race, *, returned: bool) -> Leak:
    """A new leak, as far as single snapshots tell."""
    hour_us = race.detected_us // HOUR * HOUR
    length = max((race.detected_us - race.from_us) // max(race.pieces, 1), 1)
    rose = race.to_handles - race.from_handles
    pieces = [
        Piece(
            race.from_us + at * length,
            race.from_us + (at + 1) * length,
            race.from_handles + rose * at // max(race.pieces - 1, 1),
        )
        for at in range(race.pieces)
    ]
    track = Track(
        program=key,
        type=None,
        named=race.type,
        hour_us=hour_us,
        seen_h=1,
        since_us=race.started_us,
        rate=race.rate_per_hour,
        base_us=race.started_us,
        base=race.to_handles - race.rate_per_hour * (race.detected_us - race.started_us) / HOUR,
        grew_us=race.from_us,
        single=True,
        kind="pinned" if race.why == "pinned" else "race",
        raced=True,
        racer=Racer(
            pid=race.process.pid,
            started_us=race.process.started_us,
            seen_us=race.detected_us,
            held=race.to_handles,
            limit=race.limit,
            full_us=race.full_us,
            full=race.full_us is not None,
        ),
    )
    return Leak(
        program=race.program,
        type=race.type,
        started_us=race.started_us,
        detected_us=race.detected_us,
        resolved_us=None,
        rate_per_hour=race.rate_per_hour,
        handles=race.to_handles,
        limit=race.limit,
        track=track,
        evidence=Evidence(track.kind, pieces=pieces, process=(race.process.pid, race.process.started_us)),
        last_seen_us=race.detected_us,
        started_from_us=race.started_from_us,
        started_to_us=race.started_to_us,
        rate_low=race.low_rate,
        rate_high=race.high_rate,
        phase="at_limit" if race.full_us is not None else "returned" if returned else "detected",
        at_limit_us=race.full_us,
    )


def _noted(climbing: Climbs, floors: Floors, rows: list[int], first: int, leak: Leak) -> Leak:
    """The leak, with the newest time from which on it was seen to grow, at the end of a day."""
    if not rows:
        return leak
    over = np.where(noting(floors.hours[first:]), climbing.over[rows, first:], 0)
    since = np.where(over > 0, floors.hours[first:] + HOUR - over * HOUR, leak.track.grew_us)
    grew_us = max(leak.track.grew_us, int(since.max(initial=leak.track.grew_us)))
    racer = leak.track.racer
    if racer is not None and racer.gone and grew_us > racer.seen_us:  # others of the program do what it did
        racer = None
    return replace(leak, track=structs.replace(leak.track, grew_us=grew_us, racer=racer))


def _gone_on(floors: Floors, leak: Leak, *, returned: bool) -> Leak:
    """An open leak, as of the last of these hours, or as of the one at which it was over."""
    track, hours = leak.track, floors.hours
    places = {row: at for at, row in enumerate(floors.rows)}
    if track.named_row not in places or track.row not in places:  # it fell out of sight long ago
        return replace(leak, resolved_us=int(floors.ends[-1]), track=structs.replace(track, why="gone"))
    row, named = places[track.row], places[track.named_row]
    level = floors.grown[0][named] if track.single else floors.held[named]
    whole = row if track.process is not None else places.get(Row(track.program, None), row)
    full = floors.held[whole] >= _NO_ROOM * floors.limit[row]
    at_limit = _full(floors, track, whole)
    full |= at_limit
    hour = int((track.hour_us - hours[0]) // HOUR)
    started = max(int((leak.started_us - hours[0]) // HOUR), 0)
    over = over_at(level, hour, began=started, rate=track.rate, full=full)
    end = len(level) if over is None else max(over - OVER_H, 2)
    last = len(level) - 1 if over is None else over
    since = max(int((track.since_us - hours[0]) // HOUR), 0)
    began = leak.started_us, leak.started_from_us or leak.started_us, leak.started_to_us or leak.started_us
    if not track.raced and int(hours[last]) - track.hour_us <= _SETTLED:
        if track.single and full[started:end].any():  # it grew until there was no room
            end = max(started + int(full[started:end].argmax()) + 1, started + 2)
        if end - since >= 2:
            low, beginning, high = (at + since for at in onset(level[since:end]))
            told = jumps((floors.grown[0] if track.single else floors.held)[row], hour, track.seen_h)
            if track.kind == "nights" and told:
                low, beginning, high = (max(at, since) for at in (told[0].first, told[0].first, told[0].last))
            beginning = min(beginning, end - 2)
            began = int(hours[beginning]), int(hours[low]), int(hours[max(high, beginning)])
            base_us, base = base_of(hours, level, began=beginning, last=end - 1)
            track = structs.replace(track, base_us=base_us, base=base)
    elif track.single and full[max(hour, 0) : end].any():
        end = max(hour, 0) + int(full[max(hour, 0) : end].argmax()) + 1
    if track.racer is not None and track.racer.gone:
        end = min(end, max(int((track.racer.seen_us - hours[0]) // HOUR) + 1, 2))
    if track.raced:
        since_raced = rate_since(hours, level[:end], leak.started_us)
        rate = track.rate if since_raced is None else since_raced
    else:
        rate = rate_of(hours, level[:end], base_us=track.base_us, base=track.base)
    held = floors.held[named][: last + 1]
    known = np.flatnonzero(~np.isnan(held))
    limit = float(floors.limit[row])
    handles = int(held[known[-1]]) if len(known) else None
    hit = np.flatnonzero(at_limit[max(hour, 0) : last + 1])
    if over is not None:
        back = handles is not None and handles <= _held_at(floors, named, began[0]) + _BACK * rate * (end - hour)
        there = not np.isnan(floors.held[named][max(last - 23, 0) : last + 1]).all()
        there = there and (track.racer is None or not track.racer.gone)
        track = structs.replace(track, why=("back" if back else "still") if there else "gone")
    at_limit_us = leak.at_limit_us if (leak.at_limit_us or hours[0]) < hours[0] else None
    if at_limit_us is None and len(hit):
        at_limit_us = int(floors.ends[max(hour, 0) + int(hit[0])])
    ahead = _ahead(floors, track, whole, began[0], end, full=bool(at_limit[last])) if over is None else None
    several = np.isfinite(limit) and ahead is None
    track = structs.replace(track, doubt="several" if several else None if ahead is None else ahead.doubt)
    low_rate, high_rate = rate_range(hours, level[:end], started_us=began[0], rate=rate)
    gone_on = replace(
        leak,
        started_us=began[0],
        started_from_us=began[1],
        started_to_us=began[2],
        resolved_us=None if over is None else int(floors.ends[over]),
        rate_per_hour=rate,
        rate_low=low_rate,
        rate_high=high_rate,
        handles=handles,
        limit=int(limit) if np.isfinite(limit) else None,
        last_seen_us=int(floors.ends[last]),
        at_limit_us=at_limit_us,
        phase=_phase(leak, bool(at_limit[last]), int(floors.ends[last]), returned=returned),
        track=track,
        evidence=_evidence(floors, track, row, named, began[0], last, leak.evidence),
        exhausted_us=None if ahead is None else ahead.exhausted_us,
        exhausted_from_us=None if ahead is None else ahead.earliest_us,
        exhausted_to_us=None if ahead is None else ahead.latest_us,
    )
    return gone_on if track.racer is None else as_raced(gone_on, track.racer)


def as_raced(leak: Leak, racer: Racer) -> Leak:
    """The leak, as the process that raced stands or stood last."""
    phase = leak.phase
    if racer.gone:
        phase = "growing" if racer.full_us is not None and phase in ("at_limit", "detected") else phase
        leak = replace(leak, exhausted_us=None, exhausted_from_us=None, exhausted_to_us=None)
    elif racer.full_us is not None and racer.full:
        phase = "at_limit"
    return replace(
        leak,
        handles=racer.held,
        limit=leak.limit if racer.limit is None else racer.limit,
        at_limit_us=racer.full_us,
        last_seen_us=racer.seen_us if racer.gone else leak.last_seen_us,
        phase=phase,
        track=structs.replace(leak.track, racer=racer, doubt="gone" if racer.gone else leak.track.doubt),
        evidence=replace(leak.evidence, process=(racer.pid, racer.started_us)),
    )


def _full(floors: Floors, track: Track, whole: int) -> NDArray[np.bool_]:
    """By hour, whether it stood at its limit: the process that raced, else the one there is, or all that there are."""
    racer = track.racer
    if racer is not None and racer.full_us is not None:
        return np.asarray((floors.hours + HOUR > racer.full_us) & (floors.hours <= racer.seen_us), np.bool_)
    several = 1.0 if track.process is not None else np.fmax(floors.alive[whole], 1.0)
    return np.asarray(floors.held[whole] >= AT_LIMIT * floors.limit[whole] * several, np.bool_)


def _ahead(floors: Floors, track: Track, whole: int, started_us: int, end: int, *, full: bool) -> Forecast | None:
    """When the process that leaks reaches its limit; None where several share the growth, or none has a limit."""
    limit = float(floors.limit[whole])
    held = floors.held[whole]
    known = np.flatnonzero(~np.isnan(held))
    alive = floors.alive[whole][-DAY_H:]
    if not np.isfinite(limit) or not len(known) or (track.process is None and np.nanmax(alive, initial=0.0) > 1):
        return None
    start = max(int((started_us - floors.hours[0]) // HOUR), 0)
    level = floors.grown[0][whole] if track.single and track.process is None else held
    lows = level[start:end] + (held[known[-1]] - level[known[-1]])
    times = floors.hours[start:end]
    now = float(held[known[-1]])
    if full:
        now = limit
    return forecast(times, lows, limit, now_us=int(floors.ends[-1]), now_count=now)


def _phase(leak: Leak, full: bool, now_us: int, *, returned: bool) -> Phase:
    if full:
        return "at_limit"
    if returned:
        return "returned"
    return "detected" if now_us - leak.detected_us < _NEW else "growing"


def _held_at(floors: Floors, row: int, started_us: int) -> float:
    """What the row held when the leak began, or first after it."""
    start = max(int((started_us - floors.hours[0]) // HOUR), 0)
    held = floors.held[row][start:]
    known = np.flatnonzero(~np.isnan(held))
    return float(held[known[0]]) if len(known) else 0.0


def _named(floors: Floors, climbing: Climbs, row: int, hour: int, *, hours: int) -> int:
    """The row of the type that explains the growth, or the row itself."""
    key = floors.rows[row]
    if key.type is not None:
        return row
    days = -(-hours // DAY_H)
    before, low_h = max(hour - days * DAY_H, 0), DAY_H if days > 2 else SHORT_H
    if hours <= SHORT_H:
        before, low_h = max(hour - hours, 0), 1

    def growth(of: int, grown: bool) -> float:
        series = floors.grown[0][of] if grown else floors.held[of]
        return low_at(series, hour, low_h) - low_at(series, before, low_h)

    whole = growth(row, bool(climbing.single[row, hour]))
    types = [
        (growth(other, bool(climbing.single[other, hour])), other)
        for other, one in enumerate(floors.rows)
        if one.program == key.program and one.type is not None
    ]
    most, best = max(types, default=(-np.inf, row))
    return best if most >= _EXPLAINS * whole else row


def _evidence(
    floors: Floors, track: Track, row: int, named: int, started_us: int, last: int, former: Evidence
) -> Evidence:
    """The low of each piece of the time since it began, newest pieces whole."""
    hours = floors.hours
    start = max(int((started_us - hours[0]) // HOUR), 0)
    if track.raced and last - start < RACED_H:
        return former
    restarts = [int(hours[at]) for at in np.flatnonzero(floors.births[named][start : last + 1] > 0) + start]
    restarts = restarts if track.single and track.process is None else []
    held, kept = floors.held[named], floors.grown[0][named]
    counted: Literal["held", "kept"] = "kept" if restarts else "held"
    level = held
    if restarts:
        both = np.flatnonzero(~np.isnan(held[start:]) & ~np.isnan(kept[start:]))
        level = kept + (held[start + both[0]] - kept[start + both[0]]) if len(both) else kept
    span = last + 1 - start
    each = DAY_H if span >= 3 * DAY_H else SHORT_H if span >= 3 * SHORT_H else 1
    pieces: list[Piece] = []
    for to in range(last + 1, max(start - each, 0), -each):
        part = level[max(to - each, 0) : to]
        part = part[~np.isnan(part)]
        if len(part) and len(pieces) < MOST_PIECES:
            pieces.append(Piece(int(hours[max(to - each, 0)]), int(hours[to - 1]) + HOUR, int(part.min())))
    share = None
    if named != row and track.process is None:
        whole, own = (
            risen(floors.grown[0][at] if track.single else floors.held[at], start, last) for at in (row, named)
        )
        share = min(own / whole, 1.0) if whole > 0 else None
    return Evidence(
        kind=track.kind,
        counted=counted,
        pieces=pieces[::-1],
        restarts=restarts[-MOST_PIECES:],
        share=share,
        process=track.process,
    )
