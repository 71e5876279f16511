"""A dump file's processes told as the same ones that the host's history knows.

Most tools name neither start time nor user, and some list a few processes alone. Stored as they come, each process
would end and another begin where a file stands between a collector's snapshots, or between files of two tools."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np
from sqlalchemy import Connection

from server.analysis.frames import ABSENT, Frame, ProcessKey
from server.analysis.instants import DAY, SECOND, from_us, to_us
from server.analysis.readings import Process
from server.dumps.dump import Moment
from server.ingest.importing import Understood
from server.ingest.wire import MOST_PROCESSES
from server.store import fleet, history

REACH = 7 * DAY  # a process list older than that says nothing about now
SAME_START = 2 * SECOND  # tools cut fractions of a second off
_LISTED = frozenset({"handles"})

Known = Mapping[int, ProcessKey]


def joined(connection: Connection, found: Understood) -> Understood:
    """The file with its processes as the newest snapshot before each moment names them. Where the file lists only
    some, the others are added as not read."""
    times = [to_us(moment.time) for moment in found.moments if moment.time is not None]
    row = fleet.find_host(connection, found.host) if found.host and times else None
    if row is None:
        return found
    before = _Before(connection, row.host_id, times[0], times[-1])
    moments = [
        moment if moment.time is None else _joined(moment, before.at(to_us(moment.time)), whole=not found.dump.partial)
        for moment in found.moments
    ]
    return replace(found, moments=moments, interval_s=before.interval_s)


class _Before:
    """The processes of the newest stored snapshot at or before a time."""

    def __init__(self, connection: Connection, host_id: int, first_us: int, last_us: int) -> None:
        newest = history.frame_at(connection, host_id, first_us)
        frames = [] if newest is None or newest.shown[0] < first_us - REACH else [newest]
        if last_us > first_us:
            frames += history.read_frames(connection, host_id, first_us, last_us, sections=_LISTED)
        told = -1 if newest is None else int(newest.intervals[0])
        self.interval_s = told if told > 0 else None
        columns = [(int(shown), frame, at) for frame in frames for at, shown in enumerate(frame.shown)]
        columns.sort(key=lambda column: column[0])
        self._times: Sequence[int] = [column[0] for column in columns]
        self._columns = columns
        self._last: tuple[int, Known] | None = None

    def at(self, time_us: int) -> Known:
        at = bisect_right(self._times, time_us) - 1
        if at < 0 or self._times[at] < time_us - REACH:
            return {}
        if self._last is None or self._last[0] != at:
            _, frame, column = self._columns[at]
            self._last = at, {key.pid: key for key in _present(frame, column)}
        return self._last[1]


def _present(frame: Frame, column: int) -> Iterator[ProcessKey]:
    for row in np.flatnonzero(frame.handles.last[:, column] != ABSENT):
        yield frame.processes[row]


def _joined(moment: Moment, known: Known, *, whole: bool) -> Moment:
    processes = [_named(process, known.get(process.pid)) for process in moment.processes]
    if not whole:
        listed = {process.pid for process in processes}
        others = [_unread(key) for pid, key in known.items() if pid not in listed]
        processes += others[: max(0, MOST_PROCESSES - len(processes))]
    return Moment(moment.time, processes)


def _named(process: Process, known: ProcessKey | None) -> Process:
    """As it is known, if it is the same: by pid and name, and by its start where both tell it."""
    if known is None or known.name.casefold() != process.name.casefold():
        return process
    if process.started_at is not None and known.started_us is not None:
        if abs(to_us(process.started_at) - known.started_us) > SAME_START:
            return process
    elif process.started_at is not None:
        return process
    return msgspec.structs.replace(
        process,
        started_at=None if known.started_us is None else from_us(known.started_us),
        name=known.name,
        instance=known.instance,
        exe=known.exe,
        user=known.user,
        version=known.version,
    )


def _unread(key: ProcessKey) -> Process:
    return Process(
        pid=key.pid,
        started_at=None if key.started_us is None else from_us(key.started_us),
        name=key.name,
        handles=None,
        instance=key.instance,
        exe=key.exe,
        user=key.user,
        version=key.version,
    )
