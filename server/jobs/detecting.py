"""Brings one host's leaks up to date: digests the hours that are over and judges them, day by day.

Whatever arrives in whatever order, what is left behind is what would be if all had arrived in time: a late snapshot
has the days from its own on judged anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection

from server.analysis.digest import Digest, digest, join
from server.analysis.filling import NEAR_H, near_limit
from server.analysis.floors import LOOK_BACK_DAYS, Floors, laid_out
from server.analysis.frames import Frame, between, union
from server.analysis.instants import DAY, HOUR
from server.analysis.leaking import Leak, followed, live, rewound, with_races
from server.analysis.names import folds_case, program_key
from server.analysis.racing import LOOK_BACK, Race, held_before, may_race, races
from server.analysis.sensitivity import Level, Sensitivity, level_for
from server.store import history
from server.store.digests import forget_digests, read_digests, write_digests
from server.store.sensitivities import sensitivities
from server.store.verdicts import note_near_limit, record_leaks, told_leaks

MOST_NEAR = 20  # programs of a host
LATEST = 14 * DAY  # behind the newest snapshot: later than that, nothing is judged anew

_SECTIONS = frozenset({"handles", "types"})


@dataclass(frozen=True, slots=True)
class Detected:
    """What there is to record. days: those digested anew, from `from_us` on; until_us: the end of the newest hour."""

    leaks: Sequence[Leak]
    days: Sequence[Digest]
    from_us: int
    until_us: int
    near: Sequence[Mapping[str, object]] | None = None  # what stands near its limit; None: as before

    @property
    def open(self) -> list[Leak]:
        return [leak for leak in self.leaks if leak.resolved_us is None]


def detect(connection: Connection, host_id: int, state: Any) -> Detected | None:
    """The host's leaks as of its newest snapshot; None for a host without one. Reads only.

    1. rewind what is known to where judging goes on; 2. day by day: digest the hours that are over, look for fast
    leaks in their snapshots, follow what leaks; 3. the same for the hour that is not over, by its snapshots alone.
    """
    if state.shown_us is None:
        return None
    host = _Host(connection, host_id, folds_case(state.os_family))
    said = sensitivities(connection)
    whole_us = state.shown_us // HOUR * HOUR
    from_us = _from(state)
    first_day = from_us // DAY * DAY
    found = rewound([one.leak for one in told_leaks(connection, host_id)], from_us)
    window = [
        day
        for day in read_digests(connection, host_id, first_day - LOOK_BACK_DAYS * DAY, first_day)
        if day.begins_us < from_us
    ]
    anew: dict[int, Digest] = {}
    near = None
    for day_us in range(first_day, whole_us, DAY):
        since_us, until_us = max(from_us, day_us), min(whole_us, day_us + DAY)
        if since_us >= until_us:
            continue
        racing = host.races(window, since_us, until_us)
        for piece in digest(host.frames(since_us, until_us), window[-1].carry if window else None, fold=host.fold):
            if window and window[-1].day_us == piece.day_us:
                window[-1] = join(window[-1], piece)
            else:
                window = [day for day in window if day.day_us >= piece.day_us - LOOK_BACK_DAYS * DAY] + [piece]
            anew[piece.day_us] = window[-1]
            next_us = history.next_us(connection, host_id, until_us)
            if next_us is not None:
                floors = laid_out(window, next_us)
                found = followed(floors, since_us, found, racing, _levels(said, floors.names, state.labels))
                near = _near(floors)
    newest = max(whole_us, from_us)
    racing = host.races(window, newest, state.shown_us + 1)
    keyed = [(program_key(race.program, fold=host.fold), race) for race in racing]
    levels = _levels(said, {key: race.program for key, race in keyed}, state.labels)
    found = with_races(found, [(key, race) for key, race in keyed if levels.get(key) != "quiet"])
    last = host.frames(newest, state.shown_us + 1)
    if last:
        found = live(found, union(last), fold=host.fold)
    leaking = {leak.track.program for leak in found if leak.resolved_us is None}
    warned = None if near is None else [one for key, one in near if key not in leaking]
    return Detected(found, list(anew.values()), from_us, newest, warned)


@dataclass(frozen=True, slots=True)
class _Host:
    connection: Connection
    host_id: int
    fold: bool

    def frames(self, from_us: int, to_us: int) -> list[Frame]:
        """Of this time (the end excluded), those at the finest resolution that there is."""
        read = history.read_frames(self.connection, self.host_id, from_us, to_us - 1, sections=_SECTIONS)
        finest = min((frame.step_s for frame in read), default=0)
        return [frame for frame in read if frame.step_s == finest]

    def races(self, window: Sequence[Digest], from_us: int, to_us: int) -> list[Race]:
        """What races in each hour of this time, in order of time."""
        read = [frame for frame in self.frames(from_us - LOOK_BACK, to_us) if not frame.step_s]
        if not read:
            return []
        frame = union(read)
        if not may_race(frame):
            return []
        found: list[Race] = []
        for hour_us in range(from_us // HOUR * HOUR, to_us, HOUR):
            part = between(frame, hour_us - LOOK_BACK, min(hour_us + HOUR, to_us) - 1)
            if len(part.times) and may_race(part):
                known = held_before(window, hour_us - LOOK_BACK)
                found += races(part, known, hour_us, fold=self.fold)
        return sorted(found, key=lambda race: race.detected_us)


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
