"""Which object a leak's handles name: the name template that takes most of what it grew, where its objects were looked
at."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from server.analysis.frames import Frame
from server.analysis.instants import HOUR
from server.analysis.leaking import Leak
from server.analysis.names import program_key, template

EXPLAINS = 0.5  # of what it grew
_APART = HOUR  # two looks that tell of growth

_Looks = dict[str, dict[int, int]]  # by name template and time, the count


def with_objects(leaks: Sequence[Leak], frames: Iterable[Frame], *, fold: bool) -> list[Leak]:
    """The leaks, each with the object that explains its growth by the looks of these frames while it lasted; one of
    which they tell nothing keeps the object that it has."""
    frames = [frame for frame in frames if frame.object_rows]
    if not frames:
        return list(leaks)
    return [_with_object(leak, frames, fold=fold) for leak in leaks]


def _with_object(leak: Leak, frames: Sequence[Frame], *, fold: bool) -> Leak:
    until_us = leak.last_seen_us if leak.resolved_us is None else leak.resolved_us
    looks: _Looks = defaultdict(dict)
    times: set[int] = set()
    for frame in frames:
        _add(looks, times, frame, leak, until_us, fold=fold)
    if not times:
        return leak
    first, last = min(times), max(times)
    grown = leak.rate_per_hour * (last - leak.started_us) / HOUR
    best, most = None, 0.0
    for name, counts in looks.items():
        newest = counts.get(last, 0)
        rose = newest - counts.get(first, 0)
        lately = leak.rate_per_hour * (last - first) / HOUR if last - first >= _APART else 0.0
        enough = newest >= EXPLAINS * grown and rose >= EXPLAINS * lately
        if enough and newest > most:
            best, most = name, newest
    return replace(leak, object=best)


def _add(looks: _Looks, times: set[int], frame: Frame, leak: Leak, until_us: int, *, fold: bool) -> None:
    rows = [
        row
        for row, process in enumerate(frame.processes)
        if program_key(process.program, fold=fold) == leak.track.program
        and (leak.track.process is None or (process.pid, process.started_us) == leak.track.process)
    ]
    if not rows:
        return
    shown = frame.shown
    columns = np.flatnonzero(frame.looked[rows].any(axis=0) & (shown >= leak.started_us) & (shown <= until_us))
    if not len(columns):
        return
    ends = np.unique(columns[[0, -1]])
    times.update(shown[ends].tolist())
    wanted = set(rows)
    for at, (row, kind, name) in enumerate(frame.object_rows):
        if row not in wanted or (leak.type is not None and kind != leak.type):
            continue
        counts = looks[template(name)]
        for column in ends.tolist():
            count = int(frame.objects.last[at, column])
            if count >= 0:
                time = int(shown[column])
                counts[time] = counts.get(time, 0) + count
