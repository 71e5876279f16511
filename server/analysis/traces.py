"""From frames to the traces that a signature is judged on: what each process held on matching objects at each look."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from server.analysis.catalogue import Signature
from server.analysis.frames import ABSENT, UNKNOWN, Frame, Ints
from server.analysis.signatures import Key, Match, Trace


def traces(frames: Sequence[Frame], signature: Signature, before: Match | None) -> list[Trace]:
    """One trace for each process that ever matched in these frames, or that `before` names. The newest column of all
    frames is the host's newest snapshot. A process whose start is not told ends where it is absent."""
    wanted = {program.key for program in before.programs} if before else set()
    for frame in frames:
        wanted.update(_key(frame, owner) for owner in _matching(frame, signature))
    if not wanted or not frames:
        return []
    newest_us = max(int(frame.shown.max()) for frame in frames)
    collected: dict[Key, _Collected] = defaultdict(_Collected)
    for frame in frames:
        of_process: dict[Key, list[int]] = defaultdict(list)
        for row in range(len(frame.processes)):
            if _key(frame, row) in wanted:
                of_process[_key(frame, row)].append(row)
        matching = _matching(frame, signature)
        for key, rows in of_process.items():
            collected[key].add(frame, rows, [(row, matching.get(row, [])) for row in rows], signature)
        for key in wanted - set(of_process):
            collected[key].absent(frame)
    return [trace for key, one in collected.items() if one.image for trace in one.traces(key, newest_us)]


class _Collected:
    """The looks at one process, frame by frame."""

    def __init__(self) -> None:
        self.program = self.image = ""
        self.times: list[Ints] = []
        self.present: list[Ints] = []
        self.counts: list[Ints] = []  # UNKNOWN where not looked at
        self.distinct: list[Ints] = []
        self.estimated = False

    def add(self, frame: Frame, rows: list[int], matching: list[tuple[int, list[int]]], signature: Signature) -> None:
        process = frame.processes[rows[0]]
        self.program, self.image = process.program, process.name
        counts, distinct = _looks(frame, matching, signature)
        self.times.append(frame.shown)
        self.present.append((frame.handles.high[rows] != ABSENT).any(axis=0).astype(np.int64))
        self.counts.append(counts)
        self.distinct.append(distinct)
        objects = [at for _, of_row in matching for at in of_row]
        if signature.subject == "object" and objects:
            newest = frame.estimated[objects][:, counts >= 0][:, -1:]
            self.estimated = bool(newest.any()) if newest.size else self.estimated

    def absent(self, frame: Frame) -> None:
        width = len(frame.times)
        self.times.append(frame.shown)
        self.present.append(np.zeros(width, np.int64))
        self.counts.append(np.full(width, UNKNOWN, np.int64))
        self.distinct.append(np.full(width, UNKNOWN, np.int64))

    def traces(self, key: Key, newest_us: int) -> list[Trace]:
        order = np.argsort(np.concatenate(self.times), kind="stable")
        times, present, counts, distinct = (
            np.concatenate(part)[order] for part in (self.times, self.present, self.counts, self.distinct)
        )
        lives = [np.ones(len(times), bool)]
        if key[2] is None:
            life = np.cumsum(np.diff(present, prepend=0) == 1)
            lives = [(life == one) & (present == 1) for one in np.unique(life[present == 1])]
        found = []
        for life_columns in lives:
            looked = life_columns & (counts >= 0)
            alive = bool(present[life_columns & (times == newest_us)].any())
            found.append(
                Trace(
                    program=self.program,
                    image=self.image,
                    pid=key[1],
                    started_us=key[2],
                    times=times[looked],
                    counts=counts[looked],
                    distinct=distinct[looked],
                    estimated=self.estimated,
                    alive=alive,
                )
            )
        return found


def _key(frame: Frame, row: int) -> Key:
    process = frame.processes[row]
    return process.program.casefold(), process.pid, process.started_us


def _matching(frame: Frame, signature: Signature) -> dict[int, list[int]]:
    """By row of the process, the rows of its matching objects, types or totals."""
    found: dict[int, list[int]] = defaultdict(list)
    named: list[tuple[int, str | None, str | None]]
    match signature.subject:
        case "object":
            named = [(owner, kind, name) for owner, kind, name in frame.object_rows]
        case "type":
            named = [(owner, kind, None) for owner, kind in frame.type_rows]
        case _:
            named = [(owner, None, None) for owner in range(len(frame.processes))]
    for row, (owner, kind, name) in enumerate(named):
        process = frame.processes[owner]
        if signature.wants(process.name, process.program, kind, name):
            found[owner].append(row)
    return found


def _looks(frame: Frame, matching: list[tuple[int, list[int]]], signature: Signature) -> tuple[Ints, Ints]:
    """Per column the count and the distinct objects of one process; UNKNOWN where it was not looked at."""
    rows = [at for _, of_row in matching for at in of_row]
    owners = [row for row, _ in matching]
    if signature.subject != "object":
        source = frame.types.last if signature.subject == "type" else frame.handles.last
        part = source[rows]
        counts = np.where((part >= 0).any(axis=0), np.where(part >= 0, part, 0).sum(axis=0), UNKNOWN)
        return counts, np.full(len(counts), UNKNOWN, np.int64)
    looked = frame.looked[owners].any(axis=0)
    part = frame.objects.last[rows]
    counts = np.where(looked, np.where(part >= 0, part, 0).sum(axis=0), UNKNOWN)
    known = frame.distinct[rows]
    distinct = np.where((known >= 0).any(axis=0), np.where(known >= 0, known, 0).sum(axis=0), UNKNOWN)
    return counts, distinct
