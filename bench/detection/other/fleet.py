"""Hosts of the second corpus: their clocks, gaps and boots, what their collectors see, and the frames made of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.detection.names import program_names
from bench.detection.other.leaks import LEAKS
from bench.detection.other.scene import Floats, Ints, Process, Scene, Story, spread
from bench.detection.other.sound import SOUND
from server.analysis.frames import ABSENT, UNKNOWN, Frame, ProcessKey, Values, no_values, take
from server.analysis.instants import HOUR, SECOND, to_us
from server.evaluation.labels import Label, LabelledHost

LEAKING = 0.04
_STREAM = 0x07E5  # apart from any other corpus drawn from the same seeds
_EPOCH_DAY = 3  # 1970-01-01 was a Thursday
_FULL_H = 1.0
_LIMITS = {"linux": (1024, 4096, 65_536, 524_288, 1_048_576), "macos": (2560, 10_240, 61_440)}


def each(seed: int, *, hosts: int, days: float) -> Iterator[LabelledHost]:
    for index in range(hosts):
        yield _host(np.random.default_rng([_STREAM, seed, index]), f"other-{seed}-{index:04d}", days)


@dataclass(frozen=True, slots=True)
class _Clock:
    """When snapshots were taken, in true hours since the first, and by how much the host's clock was off from then."""

    start_us: int
    hours: Floats
    turned: Floats
    off_h: Floats
    every_s: Ints

    def stamps(self, hours: Floats) -> Ints:
        index = np.searchsorted(self.turned, hours, side="right")
        off = np.concatenate([[0.0], self.off_h])[index]
        stamps: Ints = self.start_us + np.rint((hours + off) * HOUR).astype(np.int64)
        return stamps

    def stamp(self, hour: float) -> int:
        return int(self.stamps(np.array([hour]))[0])


def _clock(rng: Generator, days: float) -> _Clock:
    start = to_us(datetime(2026, 2, 2, tzinfo=UTC)) + int(rng.uniform(0, 200) * 24 * HOUR)
    usual = int(rng.choice([300, 300, 300, 600, 900, 120], p=[0.3, 0.3, 0.15, 0.13, 0.07, 0.05]))
    end_s = days * 86_400
    edges = [(0.0, usual)]
    if rng.random() < 0.15:  # for some hours it was told to look more closely
        since = rng.uniform(0, end_s)
        edges += [(since, int(rng.choice([15, 30, 60]))), (since + spread(rng, 1800, 6 * 3600), usual)]
    seconds, every = [], []
    for (since, step), until in zip(edges, [*(edge[0] for edge in edges[1:]), end_s], strict=True):
        part = np.arange(since, min(until, end_s), step)
        seconds.append(part)
        every.append(np.full(len(part), step))
    at, step_s = np.concatenate(seconds), np.concatenate(every)
    at = at + rng.uniform(0, rng.choice([0.02, 0.2, 2.0]), len(at))
    kept = rng.random(len(at)) > (0.0 if rng.random() < 0.5 else spread(rng, 1e-3, 0.04))
    for _ in range(int(rng.poisson(1.0))):
        since = rng.uniform(0, end_s)
        kept &= ~((at >= since) & (at < since + spread(rng, 600, 2.5 * 86_400)))
    kept[0] = True
    hours = at[kept] / 3600
    turned, off = _turns(rng, float(hours[-1]))
    return _Clock(start, hours - hours[0], turned, off, step_s[kept].astype(np.int64))


def _turns(rng: Generator, end: float) -> tuple[Floats, Floats]:
    if rng.random() > 0.07:
        return np.zeros(0), np.zeros(0)
    at, off = rng.uniform(0.1, 0.85) * end, float(rng.choice([-1, 1])) * spread(rng, 0.5, 8)
    if rng.random() < 0.4:
        return np.array([at]), np.array([off])
    return np.array([at, at + spread(rng, 1, 48)]), np.array([off, 0.0])


def _ups(rng: Generator, end: float) -> tuple[tuple[float, float], ...]:
    boots = np.sort(rng.uniform(0, end, int(rng.choice([0, 1, 2, 3], p=[0.62, 0.22, 0.11, 0.05])))).tolist()
    begins = [-spread(rng, 1, 24 * 120), *(boot + spread(rng, 0.02, 0.4) for boot in boots)]
    return tuple((up, down) for up, down in zip(begins, [*boots, end + 48], strict=True) if down > up)


@dataclass(slots=True)
class _Program:
    image: str
    instance: str | None
    behaviour: str
    story: Story
    limit: int | None
    said: NDArray[np.bool_] | None

    @property
    def name(self) -> str:
        return f"{self.image}[{self.instance}]" if self.instance else self.image


def _host(rng: Generator, name: str, days: float) -> LabelledHost:
    family = str(rng.choice(["windows", "linux", "macos"], p=[0.55, 0.4, 0.05]))
    zone = float(rng.choice([-8, -6, -5, -3, 0, 1, 2, 3, 5.5, 8, 9, 9, 10]))
    clock = _clock(rng, days)
    end = float(clock.hours[-1])
    ups = _ups(rng, end)
    monday = ((clock.start_us / HOUR + zone) + _EPOCH_DAY * 24) % 168
    tells = str(rng.choice(["types", "some", "totals"], p=[0.75, 0.1, 0.15]))
    names = bool(tells != "totals" and rng.random() < 0.2)
    programs: list[_Program] = []
    for image, instance in program_names(rng, family, int(rng.integers(13, 28))):
        said = _said(rng, tells, len(clock.hours))
        scene = Scene(rng, clock.hours, monday, ups, family, said is not None)
        programs.append(_program(scene, image, instance, said))
    programs = [program for program in programs if any(_seen(one) for one in program.story.processes)]
    frame = _frame(rng, clock, programs, ups=ups, names=names)
    columns = np.unique(frame.times, return_index=True)[1]
    labels = [_label(program, clock) for program in programs]
    if len(columns) < len(frame.times) or (np.diff(columns) < 0).any():
        frame = take(frame, columns)
        there = {key.program for key in frame.processes}
        labels = [label for label in labels if label.program in there]
    return LabelledHost(name, family, zone, frame, labels, np.argsort(columns))


def _seen(process: Process) -> bool:
    return len(range(process.columns.start, process.columns.stop)) > 0


def _said(rng: Generator, tells: str, columns: int) -> NDArray[np.bool_] | None:
    """In which snapshots a program's types are told."""
    if tells == "totals" or (tells == "some" and rng.random() < 0.5):
        return None
    every = 1 if tells == "types" or rng.random() < 0.6 else int(rng.integers(2, 13))
    return np.asarray(np.arange(columns) % every == 0)


def _program(scene: Scene, image: str, instance: str | None, said: NDArray[np.bool_] | None) -> _Program:
    rng = scene.rng
    table = LEAKS if rng.random() < LEAKING else SOUND
    weights = np.array([0.0 if one.__name__ == "one_type" and not scene.told else w for one, w in table.items()])
    behaviour = list(table)[int(rng.choice(len(table), p=weights / weights.sum()))]
    story = behaviour(scene)
    story.processes = [process for process in story.processes if _seen(process)]
    limit = story.limit
    if limit is None and scene.family in _LIMITS:
        most = max((int(process.total.max()) for process in story.processes), default=0)
        if story.leak is None or rng.random() < 0.7:  # the rest may run into theirs
            wide = [one for one in _LIMITS[scene.family] if one > 1.3 * most]
        else:
            wide = [one for one in _LIMITS[scene.family] if one > 1.3 * int(story.processes[0].total[0])]
        limit = int(rng.choice(wide)) if wide else None
    if limit is not None:
        _pin(scene, story, limit)
    return _Program(image, instance, behaviour.__name__, story, limit, said)


def _pin(scene: Scene, story: Story, limit: int) -> None:
    """Nothing holds more than its limit; noted is since when the leak's process stands there."""
    for process in story.processes:
        over = (process.total - limit).clip(0)
        if not over.any():
            continue
        kinds = sorted(process.counts, key=lambda kind: -int(process.counts[kind].max()))
        if story.leak is not None:
            kinds = [story.leak.kind, *(kind for kind in kinds if kind != story.leak.kind)]
            full = np.flatnonzero(over > 0)
            hours = scene.hours[process.columns]
            steady = [i for i in full.tolist() if over[i : np.searchsorted(hours, hours[i] + _FULL_H)].all()]
            at = float(hours[steady[0]]) if steady else np.inf
            if steady and at >= story.leak.onset and (story.leak.at_limit is None or at < story.leak.at_limit):
                story.leak.at_limit = at
        for kind in kinds:
            given = np.minimum(over, process.counts[kind])
            process.counts[kind] = process.counts[kind] - given
            over = over - given


def _label(program: _Program, clock: _Clock) -> Label:
    leak = program.story.leak
    if leak is None:
        return Label(program.name, program.behaviour, False)
    return Label(
        program.name,
        program.behaviour,
        True,
        onset_us=clock.stamp(leak.onset),
        rate_per_hour=leak.rate(float(clock.hours[-1])),
        type=None if program.said is None else leak.kind,
        cured_us=None if leak.cured is None else clock.stamp(leak.cured),
        at_limit_us=None if leak.at_limit is None else clock.stamp(leak.at_limit),
    )


def _keys(rng: Generator, clock: _Clock, rows: list[tuple[_Program, Process]], windows: bool) -> list[ProcessKey]:
    """Pids rise as they do, and those of the dead come again; Linux tells starts to the hundredth of a second."""
    told = rng.random() > 0.04
    unit = SECOND // 100 if not windows else SECOND // 1000
    pid = int(rng.integers(4, 2000)) * 4
    keys: list[ProcessKey] = []
    left: list[tuple[float, int, str]] = []
    for program, process in rows:
        free = next((one for one in left if one[0] < process.born and one[2] != program.name), None)
        if free is not None:
            left.remove(free)
            own = free[1]
        else:
            pid += 4 * int(rng.integers(1, 60))
            own = pid
        if program.story.hands_on:
            left.append((process.dead, own, program.name))
        started = clock.stamp(process.born) // unit * unit if told else None
        keys.append(ProcessKey(own, started, program.image, program.instance))
    return keys


def _frame(
    rng: Generator, clock: _Clock, programs: list[_Program], *, ups: tuple[tuple[float, float], ...], names: bool
) -> Frame:
    rows = [(program, process) for program in programs for process in program.story.processes if _seen(process)]
    rows.sort(key=lambda row: row[1].born)
    width = len(clock.hours)
    keys = _keys(rng, clock, rows, any(program.limit is None for program in programs))
    handles = np.full((len(rows), width), ABSENT, np.int64)
    limits = np.full((len(rows), width), UNKNOWN, np.int64)
    looked = np.zeros((len(rows), width), bool)
    looks = np.arange(width) % int(rng.integers(1, 8)) == 0
    blind = rng.random() < 0.1  # its collector leaves some handles' types out
    types: dict[tuple[int, str], Ints] = {}
    objects: dict[tuple[int, str, str], Ints] = {}
    for row, (program, process) in enumerate(rows):
        where, total = process.columns, process.total
        handles[row, where] = np.where(rng.random(len(total)) < 3e-4, UNKNOWN, total)
        if program.limit is not None:
            limits[row, where] = program.limit
        leaks = program.story.leak.kind if program.story.leak is not None else None
        if program.said is not None:
            for index, (kind, counts) in enumerate(process.counts.items()):
                if counts.any() and not (blind and index == 1 and kind != leaks):
                    types[row, kind] = _placed(width, where, np.where(program.said[where], counts, UNKNOWN))
        named = program.story.named
        if names and named is not None and named in process.counts:
            looked[row, where] = looks[where]
            seen = np.where(looks[where], process.counts[named] * 4 // 5, UNKNOWN)
            objects[row, named, f"\\BaseNamedObjects\\{program.image[:6]}Done"] = _placed(width, where, seen)
    return _assembled(
        clock, ups, keys=keys, handles=handles, limits=limits, looked=looked, types=types, objects=objects
    )


def _placed(width: int, where: slice, values: Ints) -> Ints:
    row = np.full(width, UNKNOWN, np.int64)
    row[where] = values
    return row


def _assembled(
    clock: _Clock, ups: tuple[tuple[float, float], ...], *, keys: list[ProcessKey], handles: Ints, limits: Ints,
    looked: NDArray[np.bool_], types: dict[tuple[int, str], Ints], objects: dict[tuple[int, str, str], Ints],
) -> Frame:  # fmt: skip
    width = len(clock.hours)
    stamps = clock.stamps(clock.hours)
    boots = clock.stamps(np.array([up for up, _ in ups]))
    booted = boots[(np.searchsorted([up for up, _ in ups], clock.hours, side="right") - 1).clip(0)]

    def matrix(rows: list[Ints]) -> Ints:
        return np.stack(rows) if rows else np.zeros((0, width), np.int64)

    named = matrix(list(objects.values()))
    return Frame(
        step_s=0,
        times=stamps,
        skews=np.zeros(width, np.int64),
        seen=(handles != ABSENT).sum(axis=0).astype(np.int64),
        denied=(handles == UNKNOWN).sum(axis=0).astype(np.int64),
        intervals=clock.every_s,
        booted=np.where(booted <= stamps, booted // SECOND * SECOND, UNKNOWN),
        partial=np.zeros(width, bool),
        processes=keys,
        handles=Values.exact(handles),
        limits=limits,
        type_rows=list(types),
        types=Values.exact(matrix(list(types.values()))),
        looked=looked,
        object_rows=list(objects),
        objects=Values.exact(named),
        distinct=np.full_like(named, UNKNOWN),
        estimated=np.zeros(named.shape, bool),
        sums=no_values(0, width),
    )
