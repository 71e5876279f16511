"""Packs recent snapshots into blocks of an hour, hours into days, days into coarser steps, and drops what is too old.

Everything is counted in the host's own shown time, back from its newest snapshot. Blocks are cut by the times as sent.
A host's compaction is one transaction; its work is bounded per run."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select, update

from server.analysis.frames import Frame, rebucket, take, union
from server.analysis.instants import DAY, HOUR, MINUTE, SECOND
from server.analysis.names import folds_case
from server.analysis.slopes import steepest
from server.store import history
from server.store.blocks import pack, pack_times, unpack, unpack_times
from server.store.growing import write_growing
from server.store.tables import host_state, snapshots

OPEN_FOR = 5 * MINUTE  # what is newer stays as it is, so that most late snapshots find their like
PACK_EVERY = HOUR + OPEN_FOR  # of a host's time: an hour is packed once, when it is over
JOIN_AFTER = 2 * HOUR  # and the hours of a day become one block this long after the day's end
MOST_ROWS = 1_500  # a run


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each step is kept, in microseconds back from the host's newest snapshot."""

    full: int
    ten_minutes: int
    hour: int

    def step_at(self, age: int) -> int | None:
        """The step in seconds at which history of this age is kept; None: no longer."""
        if age <= self.full:
            return 0
        if age <= self.ten_minutes:
            return 600
        return 3600 if age <= self.hour else None


_EVERYTHING = Retention(full=10**18, ten_minutes=10**18, hour=10**18)


def is_due(recent_us: int | None, shown_us: int | None) -> bool:
    """Whether a host has so many recent snapshots that they are to be packed."""
    return recent_us is not None and shown_us is not None and recent_us + PACK_EVERY <= shown_us


def compact(connection: Connection, host_id: int, retention: Retention) -> bool:
    """One run over one host; the caller holds the transaction. True if there is more to do.

    1. recent snapshots go into blocks of an hour; 2. the hour blocks of days that are over become one;
    3. blocks that have aged get coarser or go.
    """
    state = connection.execute(
        select(host_state.c.shown_us, host_state.c.pushed_seq, host_state.c.judged_seq)
        .where(host_state.c.host_id == host_id)
        .with_for_update()
    ).one_or_none()
    if state is None or state.shown_us is None:
        return False
    judged = state.judged_seq == state.pushed_seq  # nothing is made coarser before it is judged
    more = _seal(connection, host_id, state.shown_us, retention if judged else _EVERYTHING)
    if not more:
        _join_days(connection, host_id, state.shown_us, judged=judged)
    if not more and judged:
        _age(connection, host_id, state.shown_us, retention)
    return more


def _seal(connection: Connection, host_id: int, newest_us: int, retention: Retention) -> bool:
    open_us = newest_us - OPEN_FOR
    rows = connection.execute(
        select(snapshots)
        .where(snapshots.c.host_id == host_id, snapshots.c.shown_us <= open_us)
        .order_by(snapshots.c.shown_us)
        .limit(MOST_ROWS)
    ).all()
    more = len(rows) == MOST_ROWS
    if not more:  # else there are so many that they can't wait for the end of their hour
        rows = [row for row in rows if _hour_end(row.time_us) - row.time_us + row.shown_us <= open_us]
    spans = _Spans(connection, host_id)
    by_span: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for row in rows:
        by_span[spans.of(row.time_us)].append(row)
    for _, members in sorted(by_span.items()):
        step_s = _step(members[-1].shown_us, newest_us, retention)
        members.sort(key=lambda row: row.time_us)
        for some, frame in history.assembled(members):
            spans = _put(connection, host_id, some, frame, spans, step_s=step_s)
    oldest = connection.scalar(select(func.min(snapshots.c.shown_us)).where(snapshots.c.host_id == host_id))
    connection.execute(update(host_state).where(host_state.c.host_id == host_id).values(recent_us=oldest))
    return more


class _Spans:
    """Which stretch of time a late snapshot belongs to: the block that is there, else its hour."""

    def __init__(self, connection: Connection, host_id: int) -> None:
        self._blocks = [(row.start_us, row.end_us) for row in history.block_spans(connection, host_id)]

    def of(self, time_us: int) -> tuple[int, int]:
        for start, end in reversed(self._blocks):
            if start <= time_us < end:
                return start, end
        return _hour_end(time_us) - HOUR, _hour_end(time_us)


def _step(shown_us: int, newest_us: int, retention: Retention) -> int:
    step = retention.step_at(newest_us - shown_us)
    return 3600 if step is None else step  # what is too old goes with its block, at once


def _put(
    connection: Connection, host_id: int, rows: Sequence[Any], frame: Frame, spans: _Spans, *, step_s: int
) -> _Spans:
    """Snapshots of one hour, or of one block, which those before them may have split; `frame`: what they make. The
    stretches of time from then on."""
    of_rows = [spans.of(row.time_us) for row in rows]
    for span in sorted(set(of_rows)):
        members = np.flatnonzero([one == span for one in of_rows])
        part = frame if len(members) == len(rows) else take(frame, members)
        _merge(connection, host_id, span, part, step_s=step_s)
    return _Spans(connection, host_id)


def _merge(connection: Connection, host_id: int, span: tuple[int, int], late: Frame, *, step_s: int) -> None:
    """Put recent snapshots into the block of their span, which may be there already, at whatever step it has."""
    old = history.covering_block(connection, host_id, span[0])
    sent = late.times.tolist()
    times = set(sent)
    if old is None:
        frame = rebucket(late, step_s) if step_s else late
    else:
        known = set(unpack_times(old.times))
        fresh = np.flatnonzero(~np.isin(late.times, list(known)))
        frame = unpack(old.body)
        if len(fresh):
            part = late if len(fresh) == len(sent) else take(late, fresh)
            frame = union([frame, rebucket(part, old.step_s) if old.step_s else part])
        times |= known
    history.replace_blocks(connection, host_id, [span[0]] if old else [], blocks_of(frame, span, times))
    _note_growing(connection, host_id, span, frame)
    history.forget_recent(connection, host_id, sent)


def blocks_of(frame: Frame, span: tuple[int, int], times: set[int]) -> list[dict[str, Any]]:
    """The frame as one block or, where many short-lived processes make it too large, as several, side by side."""
    width = len(frame.times)
    if frame.cells <= history.MOST_CELLS or width == 1:
        return [block_of(frame, span, times)]
    middle = width // 2
    cut = int(frame.times[middle])
    if frame.step_s:
        cut -= cut % (frame.step_s * SECOND)
    older, newer = take(frame, np.arange(middle)), take(frame, np.arange(middle, width))
    return [
        *blocks_of(older, (span[0], cut), {time for time in times if time < cut}),
        *blocks_of(newer, (cut, span[1]), {time for time in times if time >= cut}),
    ]


def block_of(frame: Frame, span: tuple[int, int], times: set[int]) -> dict[str, Any]:
    """The columns of a block's row, but for the host."""
    shown = frame.shown
    return {
        "start_us": span[0],
        "end_us": span[1],
        "shown_from_us": int(shown.min()),
        "shown_to_us": int(shown.max()),
        "step_s": frame.step_s,
        "snapshots": len(times),
        "times": pack_times(times),
        "body": pack(frame),
    }


def _join_days(connection: Connection, host_id: int, newest_us: int, *, judged: bool) -> None:
    """Blocks of one day and one step become one, once the day is over."""
    spans = history.block_spans(connection, host_id)
    for day, group in groupby(spans, key=lambda row: row.start_us // DAY):
        hours = [row for row in group if row.end_us - row.start_us < DAY]
        if not hours:
            continue
        lead = hours[-1].start_us - hours[-1].shown_from_us  # of the host's clock, to within the hour
        if (day + 1) * DAY - lead + JOIN_AFTER <= newest_us:
            _join(connection, host_id, (day * DAY, (day + 1) * DAY), [row.start_us for row in hours], judged=judged)


def _join(connection: Connection, host_id: int, span: tuple[int, int], starts: Sequence[int], *, judged: bool) -> None:
    rows = [history.read_block(connection, host_id, start) for start in starts]
    if not judged and any(row.step_s for row in rows):
        return
    frames = _fitting(rows)
    if frames is None:
        return
    step_s = max(row.step_s for row in rows)
    if step_s:
        frames = [frame if frame.step_s == step_s else rebucket(frame, step_s) for frame in frames]
    times = {time for row in rows for time in unpack_times(row.times)}
    day = union(frames)
    history.replace_blocks(connection, host_id, starts, blocks_of(day, span, times))
    _note_growing(connection, host_id, span, day)


def _note_growing(connection: Connection, host_id: int, span: tuple[int, int], frame: Frame) -> None:
    """What grew over a whole day, while there is every snapshot of it to tell by."""
    if span[1] - span[0] == DAY and not frame.step_s:
        family = connection.scalar(select(host_state.c.os_family).where(host_state.c.host_id == host_id))
        write_growing(connection, host_id, span[0], steepest(frame, fold=folds_case(family or "other")))


def _fitting(rows: Sequence[Any]) -> list[Frame] | None:
    """The frames of these blocks; None if they don't make one that is not too large, as processes that live for minutes
    don't."""
    keys: set[tuple[Any, ...]] = set()
    columns = 0
    frames = []
    for row in rows:
        frame = unpack(row.body)
        frames.append(frame)
        columns += len(frame.times)
        processes = frame.processes
        keys.update(processes)
        keys.update((processes[owner], kind) for owner, kind in frame.type_rows)
        keys.update((processes[owner], kind, name) for owner, kind, name in frame.object_rows)
        if len(keys) * columns > history.MOST_CELLS:
            return None
    return frames


def _age(connection: Connection, host_id: int, newest_us: int, retention: Retention) -> None:
    for row in history.block_spans(connection, host_id):
        step = retention.step_at(newest_us - row.shown_to_us)
        if step is None:
            history.replace_blocks(connection, host_id, [row.start_us], [])
        elif step > row.step_s:
            old = history.read_block(connection, host_id, row.start_us)
            frame = rebucket(unpack(old.body), step)
            times = set(unpack_times(old.times))
            new = blocks_of(frame, (old.start_us, old.end_us), times)
            history.replace_blocks(connection, host_id, [old.start_us], new)


def _hour_end(time_us: int) -> int:
    return (time_us // HOUR + 1) * HOUR
