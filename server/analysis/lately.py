"""What leaking programs hold in the newest snapshot, which may be less than an hour old, and what became of processes
that raced."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from server.analysis.filling import AT_LIMIT
from server.analysis.forecast import forecast
from server.analysis.frames import ABSENT, Frame, Ints, carried_types
from server.analysis.instants import HOUR
from server.analysis.leaking import Fullest, Leak, Racer, as_raced
from server.analysis.names import program_key
from server.analysis.racing import LOOK_BACK, Race
from server.analysis.rates import RACED_H

_FORESEEN_H = 12  # since it began, for which single snapshots tell of its limit better than hours do
_MOST_POINTS = 720


def kept_up(
    known: Sequence[Leak], racing: Iterable[tuple[str, Race]], frame: Frame, from_us: int, *, fold: bool
) -> list[Leak]:
    """The leaks with what became, in the snapshots from `from_us` on, of the processes that raced; where one was gone
    and another races, with that one. `racing`: by key of the program, in order of time."""
    if all(leak.track.racer is None for leak in known):
        return list(known)
    order = np.argsort(frame.shown, kind="stable")
    order = order[frame.shown[order] >= from_us]
    raced: dict[str, list[Race]] = {}
    for key, race in racing:
        raced.setdefault(key, []).append(race)
    rows: dict[tuple[str, int, int | None], list[int]] = {}
    for row, one in enumerate(frame.processes):
        rows.setdefault((program_key(one.program, fold=fold), one.pid, one.started_us), []).append(row)
    types = carried_types(frame).last
    found = []
    for leak in known:
        racer = leak.track.racer
        if racer is None or leak.resolved_us is not None or not len(order):
            found.append(leak)
            continue
        seen = _seen(frame, types, rows, order, leak, _anew(racer, leak, from_us))
        for race in raced.get(leak.track.program, []):
            other = race.process.pid, race.process.started_us
            before = order[frame.shown[order] <= race.detected_us]
            if race.detected_us <= seen.seen_us or other == (seen.pid, seen.started_us) or not len(before):
                continue
            seen = Racer(*other, race.detected_us, race.to_handles, race.limit, race.full_us, race.full_us is not None)
            seen = _seen(frame, types, rows, order[frame.shown[order] >= race.detected_us], leak, seen)
        found.append(as_raced(leak, seen))
    return found


def _anew(racer: Racer, leak: Leak, from_us: int) -> Racer:
    """As it was before these snapshots."""
    if racer.full_us is not None and racer.full_us >= from_us and racer.full_us > leak.detected_us:
        return structs.replace(racer, full_us=None)
    return racer


def _seen(
    frame: Frame,
    types: Ints,
    rows: Mapping[tuple[str, int, int | None], list[int]],
    order: NDArray[np.intp],
    leak: Leak,
    racer: Racer,
) -> Racer:
    """The process as of the newest of these columns that has it."""
    own = rows.get((leak.track.program, racer.pid, racer.started_us), [])
    there = (frame.handles.last[own][:, order] != ABSENT).any(axis=0)
    whole = ~frame.partial[order]
    newest = np.flatnonzero(there | whole)
    gone = not there[newest[-1]] if len(newest) else racer.gone
    counts = frame.handles.last[own][:, order].max(axis=0, initial=ABSENT)
    told = np.flatnonzero(counts >= 0)
    if not len(told):
        return structs.replace(racer, gone=gone)
    last = int(order[told[-1]])
    limits = frame.limits[own][:, order].max(axis=0, initial=-1)
    full = told[(limits[told] > 0) & (counts[told] >= AT_LIMIT * limits[told])]
    since = full[frame.shown[order[full]] >= leak.detected_us]
    held = int(counts[told[-1]])
    if leak.type is not None:
        of_type = _held_now(frame, types, dict.fromkeys(own, last), leak.type)
        held = racer.held if of_type is None else of_type
    return structs.replace(
        racer,
        seen_us=int(frame.shown[last]),
        held=held,
        limit=int(limits[told[-1]]) if limits[told[-1]] > 0 else racer.limit,
        full_us=racer.full_us if racer.full_us is not None or not len(since) else int(frame.shown[order[since[0]]]),
        full=bool(len(full)) and int(full[-1]) == int(told[-1]),
        gone=gone,
    )


def live(known: Sequence[Leak], frame: Frame, *, fold: bool, lately: Frame | None = None) -> list[Leak]:
    """The leaks with what is held in the newest snapshot of a frame that ends with it, or was last known of processes
    that it leaves out. A fast leak's rate is the newest too, while hours do not tell it, and its forecast is told from
    `lately`: the snapshots of the last hours."""
    newest = int(np.argmax(frame.shown))
    now = _last_known(frame, newest)
    types = carried_types(frame).last
    rows: dict[str, list[int]] = {}
    for row in now:
        rows.setdefault(program_key(frame.processes[row].program, fold=fold), []).append(row)
    found = []
    for leak in known:
        of_program = rows.get(leak.track.program, [])
        alone = leak.track.process
        if leak.track.racer is not None:
            alone = leak.track.racer.pid, leak.track.racer.started_us
        if alone is not None:
            of_program = [at for at in of_program if (frame.processes[at].pid, frame.processes[at].started_us) == alone]
        if leak.resolved_us is not None or not of_program:
            found.append(replace(leak, track=structs.replace(leak.track, fullest=None)))
            continue
        one = _now(leak, frame, types, {row: now[row] for row in of_program})
        found.append(one if lately is None else _foreseen(one, lately))
    return found


def tells_of(leak: Leak, frame: Frame, *, fold: bool) -> bool:
    """Whether the newest snapshot of a frame tells what `live` looks for: of the leak's type, all of its processes."""
    if leak.type is None:
        return True
    newest = int(np.argmax(frame.shown))
    own = {
        row
        for row, one in enumerate(frame.processes)
        if program_key(one.program, fold=fold) == leak.track.program and frame.handles.last[row, newest] != ABSENT
    }
    told = {
        row for at, (row, kind) in enumerate(frame.type_rows) if kind == leak.type and frame.types.last[at, newest] >= 0
    }
    return own <= told


def _last_known(frame: Frame, newest: int) -> dict[int, int]:
    """By row of the processes that are there, the column with the newest known count."""
    order = np.argsort(frame.shown, kind="stable")
    there = frame.handles.last[:, newest] != ABSENT
    if frame.partial[newest]:  # who was there before still is
        whole = order[~frame.partial[order]]
        there |= (frame.handles.last[:, whole[-1]] != ABSENT) if len(whole) else True
    told = frame.handles.last[:, order] >= 0
    last = told.shape[1] - 1 - told[:, ::-1].argmax(axis=1)
    return {row: int(order[last[row]]) for row in np.flatnonzero(there & told.any(axis=1)).tolist()}


def _now(leak: Leak, frame: Frame, types: Ints, columns: Mapping[int, int]) -> Leak:
    """`columns`: by row of its processes, where they are known last."""
    now_us = max(int(frame.shown[column]) for column in columns.values())
    counts = [int(frame.handles.last[row, column]) for row, column in columns.items()]
    handles = _held_now(frame, types, columns, leak.type) if leak.type is not None else sum(counts)
    fullest = _fullest(frame, columns)
    full = fullest is not None and fullest.handles >= AT_LIMIT * fullest.limit
    rate = leak.rate_per_hour
    hours = (now_us - leak.started_us) / HOUR
    if leak.track.kind == "race" and handles is not None and not full and 0 < hours < RACED_H:
        rate = (handles - leak.track.base) / hours
    return replace(
        leak,
        handles=leak.handles if handles is None else handles,
        limit=leak.limit if fullest is None else fullest.limit,
        rate_per_hour=rate,
        rate_low=min(leak.rate_low, rate),
        rate_high=max(leak.rate_high, rate),
        last_seen_us=now_us,
        phase="at_limit" if full else leak.phase,
        at_limit_us=leak.at_limit_us or (now_us if full else None),
        track=structs.replace(leak.track, fullest=fullest),
    )


def _fullest(frame: Frame, columns: Mapping[int, int]) -> Fullest | None:
    found = None
    for row, column in columns.items():
        held, limit = int(frame.handles.last[row, column]), int(frame.limits[row, column])
        if limit > 0 and (found is None or held * found.limit > found.handles * limit):
            found = Fullest(frame.processes[row].pid, frame.processes[row].started_us, held, limit)
    return found


def _held_now(frame: Frame, types: Ints, columns: Mapping[int, int], kind: str) -> int | None:
    counts = [
        int(types[at, columns[row]]) for at, (row, one) in enumerate(frame.type_rows) if one == kind and row in columns
    ]
    known = [count for count in counts if count >= 0]
    return sum(known) if known else None


def _foreseen(leak: Leak, lately: Frame) -> Leak:
    """With the time at which the process that raced reaches its limit, by the snapshots since it began."""
    racer, now_us = leak.track.racer, leak.last_seen_us
    if racer is None or leak.limit is None:
        return leak
    if now_us - leak.started_us > _FORESEEN_H * HOUR and leak.track.doubt != "several":
        return leak
    own = [
        row for row, one in enumerate(lately.processes) if (one.pid, one.started_us) == (racer.pid, racer.started_us)
    ]
    order = np.argsort(lately.shown, kind="stable")
    counts = lately.handles.last[own][:, order].max(axis=0, initial=ABSENT)
    since_us = max(leak.started_us, now_us - LOOK_BACK)
    known = np.flatnonzero((counts >= 0) & (lately.shown[order] >= since_us) & (lately.shown[order] <= now_us))
    if not len(known):
        return leak
    known = known[:: -(-len(known) // _MOST_POINTS)] if len(known) > _MOST_POINTS else known
    times, held = lately.shown[order[known]], counts[known].astype(np.float64)
    last = leak.handles if leak.track.fullest is None else leak.track.fullest.handles
    ahead = forecast(times, held, float(leak.limit), now_us=now_us, now_count=float(last or 0))
    return replace(
        leak,
        exhausted_us=ahead.exhausted_us,
        exhausted_from_us=ahead.earliest_us,
        exhausted_to_us=ahead.latest_us,
        track=structs.replace(leak.track, doubt=ahead.doubt),
    )
