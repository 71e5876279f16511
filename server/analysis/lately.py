"""What leaking programs hold in the newest snapshot, which may be less than an hour old."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from server.analysis.filling import AT_LIMIT
from server.analysis.frames import ABSENT, Frame, Ints, carried_types
from server.analysis.instants import HOUR
from server.analysis.leaking import Leak
from server.analysis.names import program_key
from server.analysis.rates import RACED_H


def live(known: Sequence[Leak], frame: Frame, *, fold: bool) -> list[Leak]:
    """The leaks with what is held in the newest snapshot of a frame that ends with it, or was last known of processes
    that it leaves out. A fast leak's rate is the newest too, while hours do not tell it."""
    newest = int(np.argmax(frame.shown))
    now = _last_known(frame, newest)
    types = carried_types(frame).last
    rows: dict[str, list[int]] = {}
    for row in now:
        rows.setdefault(program_key(frame.processes[row].program, fold=fold), []).append(row)
    found = []
    for leak in known:
        of_program = rows.get(leak.track.program, [])
        if leak.track.process is not None:
            alone = leak.track.process
            of_program = [at for at in of_program if (frame.processes[at].pid, frame.processes[at].started_us) == alone]
        if leak.resolved_us is not None or not of_program:
            found.append(leak)
            continue
        columns = {row: now[row] for row in of_program}
        found.append(_now(leak, frame, types, columns))
    return found


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
    limits = [int(frame.limits[row, column]) for row, column in columns.items()]
    limit = min((one for one in limits if one >= 0), default=leak.limit)
    full = limit is not None and max(counts) >= AT_LIMIT * limit
    rate = leak.rate_per_hour
    hours = (now_us - leak.started_us) / HOUR
    if leak.track.kind == "race" and handles is not None and not full and 0 < hours < RACED_H:
        rate = (handles - leak.track.base) / hours
    return replace(
        leak,
        handles=leak.handles if handles is None else handles,
        limit=limit,
        rate_per_hour=rate,
        rate_low=min(leak.rate_low, rate),
        rate_high=max(leak.rate_high, rate),
        last_seen_us=now_us,
        phase="at_limit" if full else leak.phase,
        at_limit_us=leak.at_limit_us or (now_us if full else None),
    )


def _held_now(frame: Frame, types: Ints, columns: Mapping[int, int], kind: str) -> int | None:
    counts = [
        int(types[at, columns[row]]) for at, (row, one) in enumerate(frame.type_rows) if one == kind and row in columns
    ]
    known = [count for count in counts if count >= 0]
    return sum(known) if known else None
