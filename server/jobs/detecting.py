"""Brings one host's leaks up to date: digests the hours that are over and judges them, day by day.

Whatever arrives in whatever order, what is left behind is what would be if all had arrived in time: a late snapshot
has the days from its own on judged anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from server.analysis.digest import Digest, digest, join
from server.analysis.floors import LOOK_BACK_DAYS, laid_out
from server.analysis.frames import Frame
from server.analysis.instants import DAY, HOUR
from server.analysis.leaking import Leak, followed, rewound
from server.analysis.names import folds_case
from server.store import history
from server.store.digests import forget_digests, read_digests, write_digests
from server.store.verdicts import Told, record_leaks, told_leaks

LATEST = 14 * DAY  # behind the newest snapshot: later than that, nothing is judged anew

_SECTIONS = frozenset({"handles", "types"})


@dataclass(frozen=True, slots=True)
class Detected:
    """What there is to record. days: those digested anew, from `from_us` on; until_us: the end of the newest hour."""

    leaks: Sequence[Leak]
    days: Sequence[Digest]
    from_us: int
    until_us: int

    @property
    def open(self) -> list[Leak]:
        return [leak for leak in self.leaks if leak.resolved_us is None]


def detect(connection: Connection, host_id: int, state: Any) -> Detected | None:
    """The host's leaks as of its newest snapshot; None for a host without one. Reads only."""
    if state.shown_us is None:
        return None
    whole_us = state.shown_us // HOUR * HOUR
    from_us = _from(state)
    known: list[Told] = told_leaks(connection, host_id)
    found = rewound([one.leak for one in known], from_us)
    first_day = from_us // DAY * DAY
    window = read_digests(connection, host_id, first_day - LOOK_BACK_DAYS * DAY, first_day)
    if from_us == first_day:
        window = [day for day in window if day.day_us < first_day]
    fold = folds_case(state.os_family)
    anew: list[Digest] = []
    for day_us in range(first_day, whole_us, DAY):
        since_us, until_us = max(from_us, day_us), min(whole_us, day_us + DAY)
        if since_us >= until_us:
            continue
        frames = _of_one_step(history.read_frames(connection, host_id, since_us, until_us - 1, sections=_SECTIONS))
        carry = window[-1].carry if window else None
        for piece in digest(frames, carry, fold=fold):
            if window and window[-1].day_us == piece.day_us:
                window[-1] = join(window[-1], piece)
            else:
                window.append(piece)
            anew = [day for day in anew if day.day_us != piece.day_us] + [window[-1]]
            window = [day for day in window if day.day_us >= piece.day_us - LOOK_BACK_DAYS * DAY]
            next_us = history.next_us(connection, host_id, until_us)
            if next_us is not None:
                found = followed(laid_out(window, next_us), max(from_us, piece.day_us), found)
    return Detected(found, anew, from_us, max(whole_us, from_us))


def record(connection: Connection, host_id: int, detected: Detected) -> int:
    """How many leaks are open after it."""
    if detected.days:
        keep_from_us = detected.days[-1].day_us - LOOK_BACK_DAYS * DAY
        forget_digests(connection, host_id, detected.from_us)
        write_digests(connection, host_id, detected.days, keep_from_us=keep_from_us)
    return record_leaks(connection, host_id, detected.leaks)


def _from(state: Any) -> int:
    """From when on hours are digested: those not yet done, or, for a late snapshot, those of its day and later."""
    dirty_us = state.shown_us if state.dirty_us is None else state.dirty_us
    if state.digested_us is None:
        return int(dirty_us // DAY * DAY)
    if dirty_us >= state.digested_us:
        return int(state.digested_us)
    return int(max(dirty_us, min(state.shown_us - LATEST, state.digested_us)) // DAY * DAY)


def _of_one_step(frames: Sequence[Frame]) -> list[Frame]:
    """Those at the finest resolution that there is of a day."""
    finest = min((frame.step_s for frame in frames), default=0)
    return [frame for frame in frames if frame.step_s == finest]
