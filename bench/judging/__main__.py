"""`python -m bench.judging`: what judging a host for leaks costs, beside the least that reading its history costs."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from server.analysis.frames import Frame, ProcessKey, Values, between, no_values
from server.analysis.instants import DAY, HOUR, MINUTE, rfc3339
from server.app import load_catalogue
from server.ingest.prepare import prepare
from server.ingest.wire import decode_push
from server.jobs import detecting
from server.jobs.compaction import Retention, block_of, compact, is_due
from server.jobs.judging import judge_host
from server.settings import load_settings
from server.store import history, judgements, schema
from server.store.blocks import unpack
from server.store.database import Database
from server.store.pushes import take

PROGRAMS = 200
START_US = 20_240 * DAY
MOST_MS = 5.0
BEFORE_H = 6  # of the day whose pushes are judged one by one
PUSHES = 179
CALM_DAYS = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of CPU for an hour of one host's data."""

    backfill: float
    live: float
    floor: float
    push: float  # milliseconds to judge one, of a host with four leaks
    calm: float  # and of one without
    packing: float  # and to pack it


def frame_of(day: int, random: np.random.Generator, *, leaking: bool = True) -> Frame:
    """A day of snapshots, one a minute: a fifth of the programs with noise, a tenth with a day's rhythm, four that
    leak unless none is to; each with two types."""
    minutes = np.arange(DAY // MINUTE)
    counts = np.repeat(np.linspace(20, 4000, PROGRAMS).astype(np.int64)[:, np.newaxis], len(minutes), axis=1)
    hours = minutes / 60
    for program in range(PROGRAMS):
        if program % 5 == 0:
            counts[program] += random.integers(0, 6, len(minutes))
        elif program % 10 == 1:
            counts[program] += (30 * np.sin(hours / 24 * 2 * np.pi) + 30).astype(np.int64)
        elif program % 50 == 2 and leaking:
            counts[program] += (day * 24 + hours).astype(np.int64)
    types = np.concatenate([counts // 2, counts - counts // 2])
    many = len(minutes)
    return Frame(
        step_s=0,
        times=START_US + day * DAY + minutes * MINUTE,
        skews=np.zeros(many, np.int64),
        seen=np.full(many, PROGRAMS),
        denied=np.zeros(many, np.int64),
        intervals=np.full(many, 60),
        booted=np.full(many, -1),
        partial=np.zeros(many, bool),
        processes=[ProcessKey(at + 1, START_US - DAY, f"program-{at}") for at in range(PROGRAMS)],
        handles=Values.exact(counts),
        limits=np.full((PROGRAMS, many), 65_536),
        type_rows=[(at, kind) for kind in ("file", "socket") for at in range(PROGRAMS)],
        types=Values.exact(types),
        looked=np.zeros((PROGRAMS, many), bool),
        object_rows=[],
        objects=no_values(0, many),
        distinct=np.zeros((0, many), np.int64),
        estimated=np.zeros((0, many), bool),
        sums=no_values(0, many),
    )


class Host:
    """One host of a database of its own, whose history is in blocks."""

    def __init__(self, database: Database, name: str = "measured") -> None:
        self.database = database
        self.name = name
        sent = {"host": {"name": name, "os": {"family": "linux"}}, "snapshots": []}
        with database.write() as connection:
            self.id = take(connection, prepare(decode_push(json.dumps(sent).encode()), START_US), {}).host_id
        self.digested_us: int | None = None
        self.leaks = 0

    def store(self, frame: Frame) -> None:
        times = set(frame.times.tolist())
        span = int(frame.times[0]), int(frame.times[-1]) + MINUTE
        with self.database.write() as connection:
            history.replace_blocks(connection, self.id, [], [block_of(frame, span, times)])

    def judge(self, shown_us: int) -> float:
        """Milliseconds of CPU, with what is read and written."""
        state = SimpleNamespace(
            shown_us=shown_us,
            dirty_us=START_US if self.digested_us is None else shown_us,
            digested_us=self.digested_us,
            os_family="linux",
            labels={},
        )
        began = time.process_time()
        with self.database.read() as connection:
            found = detecting.detect(connection, self.id, state)
        if found is not None:
            with self.database.write() as connection:
                self.leaks = detecting.record(connection, self.id, found)
            self.digested_us = found.until_us
        return 1000 * (time.process_time() - began)

    def pushes(self, day: Frame) -> tuple[float, float]:
        """Milliseconds of CPU to judge one push, of those that end no three hours, and to pack one, as a server does
        both. Every seventh of three hours is judged: what came since is judged with it."""
        judged, packing = [], 0.0
        catalogue = load_catalogue(load_settings({}))
        for hour in range(BEFORE_H):
            self.store(between(day, day_us := int(day.times[0]) + hour * HOUR, day_us + HOUR - 1))
        for minute in range(BEFORE_H * 60, BEFORE_H * 60 + PUSHES):
            with self.database.write() as connection:
                sent = prepare(decode_push(_wire(self.name, day, minute)), int(day.times[minute]))
                take(connection, sent, {self.name: self.id})
                state = judgements.state_of(connection, self.id)
            began = time.process_time()
            if is_due(state.recent_us, state.shown_us):
                with self.database.write() as connection:
                    compact(connection, self.id, Retention(full=14 * DAY, ten_minutes=90 * DAY, hour=730 * DAY))
            packing += time.process_time() - began
            began = time.process_time()
            if minute % 7 == 0:
                judge_host(self.database, self.id, catalogue)
                judged.append(time.process_time() - began)
        return 1000 * sum(judged[1:]) / len(judged[1:]), 1000 * packing / PUSHES


def _wire(name: str, day: Frame, minute: int) -> bytes:
    types: dict[int, dict[str, int]] = {}
    for (at, kind), count in zip(day.type_rows, day.types.last[:, minute].tolist(), strict=True):
        types.setdefault(at, {})[kind] = count
    processes = [
        {
            "pid": one.pid,
            "started_at": rfc3339(one.started_us or 0),
            "name": one.name,
            "handles": count,
            "limit": 65_536,
            "types": types[at],
        }
        for at, (one, count) in enumerate(zip(day.processes, day.handles.last[:, minute].tolist(), strict=True))
    ]
    snapshot = {"time": rfc3339(int(day.times[minute])), "processes": processes}
    host = {"name": name, "os": {"family": "linux"}}
    return json.dumps({"host": host, "collector": {"interval_s": 60}, "snapshots": [snapshot]}).encode()


def measure(days: int, tell: Callable[[str], None]) -> Cost:
    random = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'bench.db'}")
        schema.upgrade(database)
        host = Host(database)
        for day in range(days):
            host.store(frame_of(day, random))
        end_us = START_US + days * DAY
        backfill = host.judge(end_us - MINUTE) / (24 * days)
        tell(f"{days} days at once: {host.leaks} programs leak")
        today = frame_of(days, random)
        live = 0.0
        for hour in range(24):
            at = end_us + hour * HOUR
            host.store(between(today, at, at + HOUR - 1))
            live += host.judge(at + HOUR - MINUTE)
        tell(f"a day hour by hour: {host.leaks} programs leak")
        floor = _floor(database, host.id, START_US, end_us) / (24 * days)
        push, packing = host.pushes(frame_of(days + 1, random))
        calm = _calm(database, random)
        database.close()
    return Cost(backfill, live / 24, floor, push, calm, packing)


def _calm(database: Database, random: np.random.Generator) -> float:
    """To judge a push of a host on which nothing leaks, with a few days of history."""
    host = Host(database, "calm")
    for day in range(CALM_DAYS):
        host.store(frame_of(day, random, leaking=False))
    host.judge(START_US + CALM_DAYS * DAY - MINUTE)
    if host.leaks:
        raise SystemExit("a host on which nothing leaks was said to leak")
    return host.pushes(frame_of(CALM_DAYS, random, leaking=False))[0]


def _floor(database: Database, host_id: int, from_us: int, to_us: int) -> float:
    """To unpack the same snapshots, and go through them once."""
    began = time.process_time()
    with database.read() as connection:
        for row in history.block_spans(connection, host_id):
            if from_us <= row.start_us < to_us:
                frame = unpack(
                    history.read_block(connection, host_id, row.start_us).body, frozenset({"handles", "types"})
                )
                for matrix in (frame.handles.last, frame.types.last):
                    matrix.min(axis=1)
    return 1000 * (time.process_time() - began)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.judging", description=__doc__)
    parser.add_argument("--days", type=int, default=28, help="of history before the day that is judged by the hour")
    cost = measure(parser.parse_args().days, print)
    print(f"\nms of CPU for an hour of {PROGRAMS} programs, a snapshot a minute, with types")
    for name, spent in (("in a backfill", cost.backfill), ("hour by hour", cost.live)):
        print(f"  {name:15} {spent:6.2f}   {spent / cost.floor:5.1f} times the floor")
    print(f"  {'the floor':15} {cost.floor:6.2f}   to unpack the same snapshots and go through them once")
    print("and for a push")
    print(f"  {'to judge it':15} {cost.calm:6.2f}   where nothing leaks")
    print(f"  {'with four leaks':15} {cost.push:6.2f}")
    print(f"  {'to pack it':15} {cost.packing:6.2f}")
    return 0 if max(cost.backfill, cost.live) <= MOST_MS else 1


if __name__ == "__main__":
    sys.exit(main())
