"""Brings one host's leaks up to date: digests the hours that are over and judges them, day by day.

Whatever arrives in whatever order, what is left behind is what would be if all had arrived in time: a late snapshot
has the days from its own on judged anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from msgspec import structs
from sqlalchemy import Connection

from server.analysis.digest import Digest, digest, join
from server.analysis.filling import NEAR_H, near_limit
from server.analysis.floors import LOOK_BACK_DAYS, Floors, laid_out
from server.analysis.following import Keep, by_key, hours_worth, keeper
from server.analysis.frames import Frame, between, no_values, take, union
from server.analysis.instants import DAY, HOUR
from server.analysis.lately import kept_up, live, tells_of
from server.analysis.leaking import Leak, followed, rewound, with_races
from server.analysis.names import folds_case, program_key
from server.analysis.racing import LOOK_BACK, Race, may_race, races_by_hour
from server.analysis.sensitivity import Level, Sensitivity, level_for
from server.analysis.worth import EACH, near_limits
from server.analysis.worth import LOOK_BACK_DAYS as WORTH_LOOK_BACK_DAYS
from server.store import history
from server.store.digests import StoredDay, forget_digests, of_programs, read_digests, write_digests
from server.store.sensitivities import sensitivities
from server.store.verdicts import Told, note_near_limit, record_leaks, told_leaks

MOST_NEAR = 20  # programs of a host
MANY_CELLS = 2**23  # of a stretch judged in one go
MOST_CELLS = 2**25  # of one that can't be shorter
LATEST = 14 * DAY  # behind the newest snapshot: later than that, nothing is judged anew

_SECTIONS = frozenset({"handles", "types"})
_HANDLES = frozenset({"handles"})
_FULL = 0.8  # of the limit, from which on a process may stand at it


@dataclass(frozen=True, slots=True)
class Detected:
    """What there is to record. days: those digested anew, from `from_us` on; until_us: the end of the newest hour."""

    leaks: Sequence[Leak]
    days: Sequence[StoredDay]
    from_us: int
    until_us: int
    near: Sequence[Mapping[str, object]] | None = None  # what stands near its limit; None: as before
    window: Frame | None = None  # what fast leaks were told from up to now, if none may be

    @property
    def open(self) -> list[Leak]:
        return [leak for leak in self.leaks if leak.resolved_us is None]


def detect(connection: Connection, host_id: int, state: Any, unpacked: history.Recent | None = None) -> Detected | None:
    """The host's leaks as of its newest snapshot; None for a host without one. Reads only. `unpacked`: all of its
    recent snapshots, where others read them too.

    1. rewind what is known to where judging goes on; 2. day by day: digest the hours that are over, look for fast
    leaks in their snapshots, follow what leaks; 3. the same for what is not over, by its snapshots alone.
    """
    if state.shown_us is None:
        return None
    whole_us = state.shown_us // EACH * EACH
    from_us = _from(state)
    newest = max(whole_us, from_us)
    host = _Host(connection, host_id, state, sensitivities(connection), folds_case(state.os_family), from_us, unpacked)
    host.found = rewound([one.leak for one in told_leaks(connection, host_id)], from_us)
    recent = host.frames(newest if whole_us > from_us else newest - LOOK_BACK, state.shown_us + 1, _HANDLES)
    since_us: int | None = from_us
    while since_us is not None and since_us < whole_us:
        until_us = min(whole_us, since_us // DAY * DAY + DAY)
        there = host.judge(since_us, until_us, recent)
        since_us = until_us if there else _slot_of(history.next_us(connection, host_id, until_us))  # over a long gap
    window = host.bare([*host.tail, *recent], newest, state.shown_us + 1)
    calm = window is not None and not may_race(window)
    racing = [] if calm else host.races([*host.tail, *recent], newest, state.shown_us + 1)
    keyed = by_key(racing, fold=host.fold)
    found = host.with_races(keyed)
    found = _as_it_stands(host, found, keyed, recent, newest)
    leaking = {leak.track.program for leak in found if leak.resolved_us is None}
    warned = None if host.near is None else [one for key, one in host.near if key not in leaking]
    return Detected(found, list(host.anew.values()), from_us, newest, warned, window if calm else None)


def detect_calm(connection: Connection, host_id: int, state: Any, known: Sequence[Told], row: Any) -> Detected | None:
    """The same where nothing happened since: none may race, no hours are to be digested. `known`: what stands; `row`:
    of the newest snapshot, which tells of all that can be read. None where it takes more to tell what is held."""
    if not known:
        return Detected([], [], state.digested_us, state.digested_us)
    host = _Host(
        *(connection, host_id, state, sensitivities(connection)),
        *(folds_case(state.os_family), state.digested_us),
        found=rewound([one.leak for one in known], state.digested_us),
    )
    found = host.with_races([])
    growing = [leak for leak in found if leak.resolved_us is None]
    ((_, newest),) = history.assembled([row])
    if any(leak.track.racer is not None or not tells_of(leak, newest, fold=host.fold) for leak in growing):
        return None
    now = live(found, newest, fold=host.fold) if growing else found
    now = [
        replace(one, track=structs.replace(one.track, racer=before.track.racer))
        for one, before in zip(now, found, strict=True)
    ]
    return Detected(now, [], state.digested_us, state.digested_us)


def _as_it_stands(
    host: "_Host", found: list[Leak], racing: Sequence[tuple[str, Race]], recent: list[Frame], newest: int
) -> list[Leak]:
    """The leaks with what is held now. `recent`: the snapshots from `newest` on, or `LOOK_BACK` before that; what
    judging goes on from stays as it was, since it will come to these hours."""
    shown_us = host.state.shown_us
    growing = [leak for leak in found if leak.resolved_us is None]
    if not growing:
        return found
    since_us = max(newest, shown_us - HOUR)
    raced = any(leak.track.racer is not None for leak in growing)
    lately = _finest(_cut([*host.tail, *recent], shown_us - LOOK_BACK, shown_us)) if raced else []
    if any(leak.type is not None for leak in growing):
        recent = host.frames(newest if raced else since_us, shown_us + 1, _SECTIONS)
    now = (
        kept_up(found, racing, union(_finest(parts)), newest, fold=host.fold)
        if raced and (parts := _cut(recent, newest, shown_us))
        else found
    )
    last = _finest(_cut(recent, since_us, shown_us))
    if last:
        now = live(now, union(last), fold=host.fold, lately=union(lately) if lately else None)
    return [
        replace(one, track=structs.replace(one.track, racer=before.track.racer))
        for one, before in zip(now, found, strict=True)
    ]


@dataclass(slots=True)
class _Host:
    """What judging one host goes on from, as far as it has come."""

    connection: Connection
    host_id: int
    state: Any
    said: Sequence[Sensitivity]
    fold: bool
    from_us: int
    unpacked: history.Recent | None = None
    found: list[Leak] = field(default_factory=list)
    anew: dict[int, StoredDay] = field(default_factory=dict)
    near: list[tuple[str, dict[str, object]]] | None = None
    tail: list[Frame] = field(default_factory=list)  # the snapshots before where it has come, as races need them
    _window: list[StoredDay] | None = None

    @property
    def window(self) -> list[StoredDay]:
        """The days up to where judging has come, the oldest first: read once they are asked for."""
        if self._window is None:
            first_day = self.from_us // DAY * DAY
            read = read_digests(self.connection, self.host_id, first_day - LOOK_BACK_DAYS * DAY, first_day)
            if read and read[-1].day_us == first_day and read[-1].begins_us >= self.from_us:
                read.pop()
            self._window = read
        return self._window

    def frames(self, from_us: int, to_us: int, sections: frozenset[str]) -> list[Frame]:
        """Of this time (the end excluded); of more than is to be held at a time, every second snapshot, or fourth."""
        read = history.read_frames(
            self.connection, self.host_id, from_us, to_us - 1, sections=sections, recent=self.unpacked
        )
        while _cells(read) > MOST_CELLS and any(len(frame.times) > 1 for frame in read):
            read = [take(frame, np.arange(0, len(frame.times), 2)) for frame in read]
        return read

    def judge(self, since_us: int, until_us: int, recent: Sequence[Frame]) -> bool:
        """These hours of one day; whether there was a snapshot in them. `recent`: what was read of the snapshots after
        all that is judged by the hour."""
        frames = _finest(self.frames(since_us, until_us, _SECTIONS))
        if (
            _cells(frames) > MANY_CELLS and until_us - since_us > EACH
        ):  # many processes come and go: by shorter stretches
            del frames
            for start_us in range(since_us // EACH * EACH, until_us, EACH):
                self.judge(max(start_us, since_us), min(start_us + EACH, until_us), recent)
            return True
        lead = self.tail or self.frames(since_us - LOOK_BACK, since_us, _HANDLES)
        self.tail = _cut([*lead, *frames], until_us - LOOK_BACK, until_us - 1)
        pieces = digest(frames, self.window[-1].carry if self.window else None, fold=self.fold)
        for piece in pieces:
            yesterday = next((day for day in self.window[-2:] if day.day_us == piece.day_us - DAY), None)
            today = piece
            if self.window and self.window[-1].day_us == piece.day_us:
                today = join(self.window.pop().whole, piece)
            self._window = [day for day in self.window if day.day_us >= piece.day_us - LOOK_BACK_DAYS * DAY]
            looked = self._looked(today, yesterday, since_us, until_us)
            self.anew[piece.day_us] = kept = StoredDay.of(today)
            self.window.append(kept)
            racing = self.races([*lead, *frames], since_us, until_us)
            keep = self._kept_up(racing, frames, since_us)
            self._follow(today, since_us, _next_us(self, until_us, recent), racing, looked, keep)
        return bool(frames)

    def _looked(self, today: Digest, yesterday: StoredDay | None, since_us: int, until_us: int) -> dict[str, list[int]]:
        levels = _levels(self.said, today.names, self.state.labels)
        always = frozenset(program for program, level in levels.items() if level == "high")
        former = [day.summary for day in self.window if day.day_us >= today.day_us - WORTH_LOOK_BACK_DAYS * DAY]
        unnamed = None if yesterday is None else yesterday.unnamed
        return hours_worth(today, unnamed, former, since_us, until_us, always=always)

    def _follow(
        self,
        today: Digest,
        since_us: int,
        next_us: int | None,
        racing: Sequence[Race],
        looked: dict[str, list[int]],
        keep: Keep | None,
    ) -> None:
        """`next_us`: of the first snapshot after these hours; None: they are not known to be over."""
        if next_us is None:
            return
        leaking = {leak.track.program for leak in self.found if leak.resolved_us is None}
        chosen = leaking | set(looked) | near_limits(today)
        chosen |= {program_key(race.program, fold=self.fold) for race in racing}
        self.near = []
        if chosen:
            floors = laid_out(of_programs(self.window, chosen), next_us)
            levels = _levels(self.said, floors.names, self.state.labels)
            self.found = followed(floors, since_us, self.found, racing, levels, looked, keep)
            self.near = _near(floors)

    def _kept_up(self, racing: Sequence[Race], frames: Sequence[Frame], since_us: int) -> Keep | None:
        """What tells what became of a process that raced in these hours; None where none did."""
        raced = any(leak.track.racer is not None and leak.resolved_us is None for leak in self.found)
        if not frames or not (racing or raced):
            return None
        return keeper(racing, union(frames), since_us, fold=self.fold)

    def with_races(self, racing: Sequence[tuple[str, Race]]) -> list[Leak]:
        """What leaks as of the last hour that is over, and of this what races, but for what is not to be told."""
        names = {leak.track.program: leak.program for leak in self.found}
        names |= {key: race.program for key, race in racing}
        levels = _levels(self.said, names, self.state.labels)
        told = [leak for leak in self.found if levels.get(leak.track.program) != "quiet"]
        return with_races(told, [(key, race) for key, race in racing if levels.get(key) != "quiet"])

    def bare(self, frames: Sequence[Frame], from_us: int, to_us: int) -> Frame | None:
        """What it is told from whether any may race."""
        parts = self._dense(frames, from_us, to_us)
        return union([_bare(part) for part in parts]) if parts else None

    def races(self, frames: Sequence[Frame], from_us: int, to_us: int) -> list[Race]:
        """What races in each hour of this time, in order of time. `frames` begin `LOOK_BACK` before it, or earlier."""
        bare = self.bare(frames, from_us, to_us)
        if bare is None or not may_race(bare):
            return []
        whole = union(self._dense(self.frames(from_us - LOOK_BACK, to_us, _SECTIONS), from_us, to_us))
        moved = {program_key(name, fold=self.fold) for name in _moved(whole)}
        return races_by_hour([whole], of_programs(self.window, moved), from_us, to_us, fold=self.fold)

    def _dense(self, frames: Sequence[Frame], from_us: int, to_us: int) -> list[Frame]:
        return [part for part in _finest(_cut(frames, from_us - LOOK_BACK, to_us - 1)) if not part.step_s]


def _slot_of(moment_us: int | None) -> int | None:
    return None if moment_us is None else moment_us // EACH * EACH


def _cells(frames: Sequence[Frame]) -> int:
    """Of the matrix that these frames make together, about."""
    rows = len({(key.program, key.pid, key.started_us) for frame in frames for key in frame.processes})
    told = sum(len(frame.processes) for frame in frames)
    types = sum(len(frame.type_rows) for frame in frames)
    return (rows + rows * types // max(told, 1)) * sum(len(frame.times) for frame in frames)


def _cut(frames: Sequence[Frame], from_us: int, to_us: int) -> list[Frame]:
    """Both ends included."""
    parts = [between(frame, from_us, to_us) for frame in frames]
    return [part for part in parts if len(part.times)]


def _bare(frame: Frame) -> Frame:
    """Without types."""
    return replace(frame, type_rows=[], types=no_values(0, len(frame.times)))


def _finest(frames: Sequence[Frame]) -> list[Frame]:
    """Those at the finest resolution that there is."""
    finest = min((frame.step_s for frame in frames), default=0)
    return [frame for frame in frames if frame.step_s == finest]


def _moved(frame: Frame) -> set[str]:
    """The programs of processes that moved, or have a limit that they may stand at."""
    moved = frame.handles.high.max(axis=1) > frame.handles.low.min(axis=1)
    full = (frame.limits > 0) & (frame.handles.high >= _FULL * frame.limits)
    return {frame.processes[row].program for row in np.flatnonzero(moved | full.any(axis=1)).tolist()}


def _next_us(host: _Host, until_us: int, recent: Sequence[Frame]) -> int | None:
    """The first snapshot at or after the end of these hours."""
    known = [int(frame.shown.min()) for frame in _cut(recent, until_us, 2**62)]
    if known and until_us >= host.state.shown_us // EACH * EACH:
        return min(known)
    return history.next_us(host.connection, host.host_id, until_us)


def record(connection: Connection, host_id: int, detected: Detected) -> int:
    """How many leaks are open after it."""
    if detected.days:
        keep_from_us = detected.days[-1].day_us - LOOK_BACK_DAYS * DAY
        forget_digests(connection, host_id, detected.from_us)
        write_digests(connection, host_id, detected.days, keep_from_us=keep_from_us)
    if detected.near is not None:
        note_near_limit(connection, host_id, detected.near)
    return record_leaks(connection, host_id, detected.leaks)


def _from(state: Any) -> int:
    """From when on hours are digested: those not yet done, or, for a late snapshot, those of its day and later."""
    dirty_us = state.shown_us if state.dirty_us is None else state.dirty_us
    if state.digested_us is None:
        return int(dirty_us // DAY * DAY)
    if dirty_us >= state.digested_us:
        return int(state.digested_us)
    return int(max(dirty_us, min(state.shown_us - LATEST, state.digested_us)) // DAY * DAY)


def _near(floors: Floors) -> list[tuple[str, dict[str, object]]]:
    """By the program's key, the processes that hold nearly all they may, the nearest first."""
    found: dict[str, tuple[float, dict[str, object]]] = {}
    for at in np.flatnonzero(np.isfinite(floors.limit)).tolist():
        row, limit = floors.rows[at], float(floors.limit[at])
        single = row.process is not None or np.nanmax(floors.alive[at][-NEAR_H:], initial=0.0) <= 1
        if row.type is not None or not single or np.isnan(floors.held[at][-1]):
            continue
        near = near_limit(floors.held[at], limit)
        if near is not None and (row.program not in found or near.share > found[row.program][0]):
            told = {
                "program": floors.names[row.program],
                "handles": int(floors.held[at][-1]),
                "limit": int(limit),
                "hours": near.hours,
            }
            found[row.program] = near.share, told
    nearest = sorted(found.items(), key=lambda item: -item[1][0])
    return [(program, told) for program, (_, told) in nearest[:MOST_NEAR]]


def _levels(said: Sequence[Sensitivity], names: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Level]:
    """By the program's key, where it isn't the usual."""
    if not said:
        return {}
    found = {key: level_for(said, name, labels) for key, name in names.items()}
    return {key: level for key, level in found.items() if level != "normal"}
