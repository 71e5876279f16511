"""Reading and rewriting one host's history: recent snapshots, one row each, and the blocks they are packed into.

Reads take the recent rows before the blocks, and drop a snapshot seen twice: what a compaction moves in between is
then never missed."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, delete, func, insert, select, update

from server.analysis.frames import Frame, between, take
from server.analysis.series import Chart, Query, chart, sections_for
from server.store.blocks import SECTIONS, names_any, unpack, unpack_times
from server.store.columns import Assembly, unpack_columns
from server.store.tables import blocks, host_state, snapshots

MOST_CELLS = 2**23  # of a frame: a matrix of it is 64 MiB at most


def read_frames(
    connection: Connection,
    host_id: int,
    from_us: int,
    to_us: int,
    *,
    sections: frozenset[str] = SECTIONS,
    coarse_sections: frozenset[str] | None = None,
    recent: "Recent | None" = None,
) -> list[Frame]:
    """The host's history with shown times from `from_us` to `to_us` (both inclusive), oldest first, with these sections
    of blocks at full resolution and at coarser steps. Frames are cut to the range; frames of late snapshots may
    overlap in time with those of blocks. `recent`: for who reads several times of the same history."""
    recent = recent or Recent(connection, host_id, from_us, to_us)
    there = recent.covers(from_us, to_us)
    stored = connection.execute(
        select(blocks.c.step_s, blocks.c.times, blocks.c.body)
        .where(blocks.c.host_id == host_id, blocks.c.shown_from_us <= to_us, blocks.c.shown_to_us >= from_us)
        .order_by(blocks.c.shown_from_us)
    ).all()
    frames = []
    sealed: set[int] = set()
    for row in stored:
        if there:
            sealed.update(unpack_times(row.times))
        wanted = coarse_sections if row.step_s and coarse_sections is not None else sections
        frame = between(unpack(row.body, wanted), from_us, to_us)
        if len(frame.times):
            frames.append(frame)
    return frames + recent.frames(from_us, to_us, sealed)


def frames_one_by_one(connection: Connection, host_id: int, from_us: int, to_us: int) -> Iterator[Frame]:
    """As `read_frames`, but each is unpacked when it is asked for: a day of many short-lived processes would fill the
    memory at once. Needs a steady connection: what is packed meanwhile must not be missed."""
    recent = Recent(connection, host_id, from_us, to_us)
    stored = connection.execute(
        select(blocks.c.start_us)
        .where(blocks.c.host_id == host_id, blocks.c.shown_from_us <= to_us, blocks.c.shown_to_us >= from_us)
        .order_by(blocks.c.shown_from_us)
    ).scalars()
    sealed: set[int] = set()
    for start_us in stored.all():
        row = connection.execute(
            select(blocks.c.times, blocks.c.body).where(blocks.c.host_id == host_id, blocks.c.start_us == start_us)
        ).one()
        sealed.update(unpack_times(row.times))
        frame = between(unpack(row.body), from_us, to_us)
        if len(frame.times):
            yield frame
    yield from recent.frames(from_us, to_us, sealed)


def names_objects(connection: Connection, host_id: int, from_us: int, to_us: int, recent: "Recent") -> bool:
    """Whether objects were looked at by name in this time (both ends included), or about then."""
    bodies = connection.scalars(
        select(blocks.c.body).where(
            blocks.c.host_id == host_id, blocks.c.shown_from_us <= to_us, blocks.c.shown_to_us >= from_us
        )
    )
    return any(frame.object_rows for frame in recent.frames(from_us, to_us, ())) or any(map(names_any, bodies))


class Recent:
    """The recent snapshots of a host in a range of shown times, as they are when this is made; unpacked once, when they
    are first asked for."""

    def __init__(self, connection: Connection, host_id: int, from_us: int, to_us: int) -> None:
        self._rows = recent_rows(connection, host_id, from_us, to_us)
        self._frames: list[Frame] | None = None

    @property
    def newest(self) -> Any:
        """The row of the newest, by shown time; None if there is none."""
        return max(self._rows, key=lambda row: row.shown_us, default=None)

    def covers(self, from_us: int, to_us: int) -> bool:
        """Whether any lies in this part of the range."""
        return any(from_us <= row.shown_us <= to_us for row in self._rows)

    def frames(self, from_us: int, to_us: int, sealed: Collection[int]) -> list[Frame]:
        """Those in this part of the range, but for those sent at these times."""
        if not self.covers(from_us, to_us):
            return []
        if self._frames is None:
            rows = [row for row in self._rows if row.time_us not in sealed]
            self._frames = [frame for _, frame in assembled(rows)]
        found = []
        for frame in self._frames:
            part = between(frame, from_us, to_us)
            fresh = np.flatnonzero([time not in sealed for time in part.times.tolist()])
            if len(fresh):
                found.append(part if len(fresh) == len(part.times) else take(part, fresh))
        return found


def assembled(rows: Sequence[Any]) -> Iterator[tuple[Sequence[Any], Frame]]:
    """Rows of snapshots, in order of their times, as frames: as many of them at a time as make one of MOST_CELLS or
    little more, and the rows that each is made of."""
    assembly, begin = Assembly(), 0
    for at, row in enumerate(rows, start=1):
        assembly.add(row.time_us, row.skew_s, unpack_columns(row.body))
        if assembly.cells >= MOST_CELLS:
            yield rows[begin:at], assembly.frame()
            assembly, begin = Assembly(), at
    if begin < len(rows):
        yield rows[begin:], assembly.frame()


def read_chart(connection: Connection, host_id: int, from_us: int, to_us: int, query: Query) -> Chart:
    """The lines of a query over the host's history from `from_us` to `to_us` (shown times, both inclusive)."""
    frames = read_frames(
        connection,
        host_id,
        from_us,
        to_us,
        sections=sections_for(query),
        coarse_sections=sections_for(query, coarse=True),
    )
    return chart(frames, query)


def recent_rows(connection: Connection, host_id: int, from_us: int, to_us: int) -> Sequence[Any]:
    """The recent snapshots in this range of shown times, in order of the times as sent."""
    return connection.execute(
        select(snapshots.c.time_us, snapshots.c.skew_s, snapshots.c.shown_us, snapshots.c.body)
        .where(snapshots.c.host_id == host_id, snapshots.c.shown_us >= from_us, snapshots.c.shown_us <= to_us)
        .order_by(snapshots.c.time_us)
    ).all()


def frame_at(connection: Connection, host_id: int, at_us: int) -> Frame | None:
    """One column: the host's newest snapshot, or bucket of a coarser step, at or before a shown time."""
    row = connection.execute(
        select(snapshots.c.time_us, snapshots.c.skew_s, snapshots.c.shown_us, snapshots.c.body)
        .where(snapshots.c.host_id == host_id, snapshots.c.shown_us <= at_us)
        .order_by(snapshots.c.shown_us.desc())
        .limit(1)
    ).one_or_none()
    found = None if row is None else next(assembled([row]))[1]
    for block in _blocks_at(connection, host_id, at_us):
        if found is not None and min(block.shown_to_us, at_us) <= found.shown[0]:
            continue
        frame = unpack(block.body)
        shown = np.where(frame.shown <= at_us, frame.shown, -1)
        newest = int(np.argmax(shown))
        if found is None or int(shown[newest]) > found.shown[0]:
            found = take(frame, np.array([newest], np.intp))
    return found


def _blocks_at(connection: Connection, host_id: int, at_us: int) -> Sequence[Any]:
    """The blocks around a shown time, which are several where the host's clock was set, and the last one before it."""
    of_host = select(blocks.c.body, blocks.c.shown_to_us).where(blocks.c.host_id == host_id)
    around = of_host.where(blocks.c.shown_from_us <= at_us, blocks.c.shown_to_us >= at_us)
    before = of_host.where(blocks.c.shown_to_us < at_us).order_by(blocks.c.shown_to_us.desc()).limit(1)
    return [*connection.execute(around), *connection.execute(before)]


def oldest_us(connection: Connection, host_id: int) -> int | None:
    """The shown time of the oldest snapshot there is."""
    recent = select(func.min(snapshots.c.shown_us)).where(snapshots.c.host_id == host_id)
    packed = select(func.min(blocks.c.shown_from_us)).where(blocks.c.host_id == host_id)
    known = [time for time in (connection.scalar(recent), connection.scalar(packed)) if time is not None]
    return min(known, default=None)


def next_us(connection: Connection, host_id: int, from_us: int) -> int | None:
    """The shown time of the first snapshot at or after a time."""
    recent = select(func.min(snapshots.c.shown_us)).where(
        snapshots.c.host_id == host_id, snapshots.c.shown_us >= from_us
    )
    packed = (
        select(blocks.c.times, blocks.c.body, blocks.c.shown_from_us)
        .where(blocks.c.host_id == host_id, blocks.c.shown_to_us >= from_us)
        .order_by(blocks.c.shown_from_us)
        .limit(2)  # those of a clock that was set may overlap
    )
    known = [connection.scalar(recent)]
    for block in connection.execute(packed):
        if block.shown_from_us >= from_us:
            known.append(block.shown_from_us)
        else:
            shown = unpack(block.body, frozenset()).shown
            known.append(int(shown[shown >= from_us].min()))
    return min((one for one in known if one is not None), default=None)


def covering_block(connection: Connection, host_id: int, time_us: int) -> Any:
    """The block that a snapshot of this time, as sent, belongs to, if there is one."""
    return connection.execute(
        select(blocks).where(blocks.c.host_id == host_id, blocks.c.start_us <= time_us, blocks.c.end_us > time_us)
    ).one_or_none()


def replace_blocks(connection: Connection, host_id: int, old: Sequence[int], new: Sequence[dict[str, Any]]) -> None:
    """Put blocks in the place of those that start at these times."""
    if old:
        connection.execute(delete(blocks).where(blocks.c.host_id == host_id, blocks.c.start_us.in_(old)))
    for block in new:
        connection.execute(insert(blocks).values(host_id=host_id, **block))
        until_us = unpack_times(block["times"])[-1] + 1
        higher = host_state.c.sealed_us < until_us
        connection.execute(update(host_state).where(host_state.c.host_id == host_id, higher).values(sealed_us=until_us))


def block_spans(connection: Connection, host_id: int) -> Sequence[Any]:
    """All blocks of a host without their bodies, oldest first."""
    return connection.execute(
        select(blocks.c.start_us, blocks.c.end_us, blocks.c.shown_from_us, blocks.c.shown_to_us, blocks.c.step_s)
        .where(blocks.c.host_id == host_id)
        .order_by(blocks.c.start_us)
    ).all()


def read_block(connection: Connection, host_id: int, start_us: int) -> Any:
    return connection.execute(select(blocks).where(blocks.c.host_id == host_id, blocks.c.start_us == start_us)).one()


def forget_recent(connection: Connection, host_id: int, times: Sequence[int]) -> None:
    connection.execute(delete(snapshots).where(snapshots.c.host_id == host_id, snapshots.c.time_us.in_(times)))
