"""Labelled hosts, one frame each: the snapshots' times with all their accidents, and the programs' lives laid out as
rows. The same seed gives the same hosts, however many of them are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.detection.healthy import HEALTHY
from bench.detection.leaking import LEAKING
from bench.detection.life import Instance, Leak, Life, Setting
from bench.detection.names import program_names
from bench.detection.shapes import HOUR_US, Clock, Floats, log_uniform
from server.analysis.frames import ABSENT, UNKNOWN, Frame, Ints, ProcessKey, Values, no_values, take
from server.analysis.instants import DAY, SECOND, to_us
from server.evaluation.labels import Label, LabelledHost

__all__ = ["KEPT", "Label", "LabelledHost", "build", "each"]

KEPT = 9001  # the seed of the final figure; never looked at before
LEAKING_SHARE = 0.04
_STAYS = 8  # snapshots
PROGRAMS = 20  # of a host, on the average

_INTERVALS_S = (300, 600, 120, 60, 30)
_INTERVAL_WEIGHTS = (0.72, 0.25, 0.02, 0.007, 0.003)
_ZONES = (-10, -8, -7, -6, -5, -3, 0, 1, 1, 2, 3, 5.5, 8, 9, 9, 10, 12)
_LIMITS = {
    "linux": (1024, 4096, 16_384, 65_536, 524_288, 1_048_576, 10_000_000),
    "macos": (256, 2560, 10_240, 61_440, 1_048_576),
    "windows": (16_777_216,),
}


def build(seed: int, *, hosts: int, days: float) -> list[LabelledHost]:
    return list(each(seed, hosts=hosts, days=days))


def each(seed: int, *, hosts: int, days: float) -> Iterator[LabelledHost]:
    """The hosts one at a time, for histories that do not fit into memory together."""
    for index in range(hosts):
        yield _host(np.random.default_rng([seed, index]), f"host-{seed}-{index:04d}", days)


@dataclass(frozen=True, slots=True)
class _Ticks:
    """When snapshots were taken, in true hours since the first, and what the host's clock said then."""

    hours: Floats
    stamps: Ints
    turns: tuple[Floats, Floats]  # from which hour on the clock was off by how many microseconds
    start_us: int
    every_s: int

    def stamp(self, hour: float) -> int:
        at, off = self.turns
        index = int(np.searchsorted(at, hour, side="right")) - 1
        return self.start_us + int(hour * HOUR_US) + (int(off[index]) if index >= 0 else 0)


def _ticks(rng: Generator, days: float) -> _Ticks:
    start = to_us(datetime(2025, 1, 6, tzinfo=UTC)) + int(rng.uniform(0, 300) * DAY)
    every = int(rng.choice(_INTERVALS_S, p=_INTERVAL_WEIGHTS))
    count = int(days * 86_400 / every)
    seconds = np.arange(count) * every + rng.uniform(0, 1 if rng.random() < 0.7 else 0.01, count)
    kept = rng.random(count) >= (0.0 if rng.random() < 0.4 else log_uniform(rng, 1e-4, 0.05))
    for _ in range(int(rng.poisson(1.2))):
        long = log_uniform(rng, 300, 86_400 * min(3.0, days / 5))
        since = rng.uniform(0, days * 86_400)
        kept &= (seconds < since) | (seconds > since + long)
    kept[0] = True
    hours = seconds[kept] / 3600
    hours -= hours[0]
    turns = _turns(rng, float(hours[-1]))
    index = np.searchsorted(turns[0], hours, side="right") - 1
    offsets = np.where(index >= 0, turns[1][index.clip(0)], 0.0) if len(turns[0]) else np.zeros(len(hours))
    return _Ticks(hours, start + (hours * HOUR_US + offsets).astype(np.int64), turns, start, every)


def _turns(rng: Generator, end: float) -> tuple[Floats, Floats]:
    """A clock that jumps forward or back by hours, mostly to be set right again."""
    if rng.random() > 0.08:
        return np.zeros(0), np.zeros(0)
    at = rng.uniform(0.05, 0.9) * end
    off = log_uniform(rng, 0.2, 10) * HOUR_US * (1 if rng.random() < 0.6 else -1)
    if rng.random() < 0.3:
        return np.array([at]), np.array([off])
    return np.array([at, at + log_uniform(rng, 0.2, 60)]), np.array([off, 0.0])


def _uptimes(rng: Generator, end: float) -> tuple[tuple[float, float], ...]:
    boots = [-log_uniform(rng, 0.5, 24 * 200)]
    if rng.random() < 0.35:
        boots += sorted(rng.uniform(0, end, int(rng.integers(1, 4))).tolist())
    pauses = [log_uniform(rng, 0.02, 0.3) for _ in boots]
    ends = [*boots[1:], end + 10]
    return tuple(
        (boot + (pause if i else 0), down)
        for i, (boot, pause, down) in enumerate(zip(boots, pauses, ends, strict=True))
        if down > boot + pause
    )


@dataclass(slots=True)
class _Program:
    name: str
    instance: str | None
    behaviour: str
    life: Life
    limit: int | None
    said: NDArray[np.bool_] | None  # in which snapshots its types are told; None: never

    @property
    def program(self) -> str:
        return f"{self.name}[{self.instance}]" if self.instance else self.name


def _host(rng: Generator, name: str, days: float) -> LabelledHost:
    family = str(rng.choice(["windows", "linux", "macos"], p=[0.5, 0.44, 0.06]))
    zone = float(rng.choice(_ZONES))
    ticks = _ticks(rng, days)
    end = float(ticks.hours[-1])
    shift = (rng.uniform(0.1, 0.9) * end, float(rng.choice([1.0, -1.0]))) if rng.random() < 0.1 else (np.inf, 0.0)
    clock = Clock(ticks.start_us, zone, *shift)
    telling = str(rng.choice(["all", "some", "none"], p=[0.74, 0.11, 0.15]))
    uptimes = _uptimes(rng, end)
    programs = []
    for image, instance in program_names(rng, family, int(rng.integers(PROGRAMS - 6, PROGRAMS + 7))):
        said = _said(rng, telling, ticks.hours)
        setting = Setting(rng, clock, ticks.hours, family, uptimes, said is not None)
        programs.append(_program(setting, image, instance, said))
    programs = [program for program in programs if program.life.instances]
    frame = _frame(rng, programs, ticks, uptimes=uptimes, named=telling != "none" and rng.random() < 0.12)
    columns = np.unique(ticks.stamps, return_index=True)[1]
    if len(columns) < len(ticks.hours) or (np.diff(columns) < 0).any():
        frame = take(frame, columns)
    labels = [_label(program, ticks, end) for program in programs]
    return LabelledHost(name, family, zone, frame, labels, np.argsort(columns))


def _said(rng: Generator, telling: str, hours: Floats) -> NDArray[np.bool_] | None:
    if telling == "none" or (telling == "some" and rng.random() < 0.4):
        return None
    if telling == "all":
        return np.ones(len(hours), bool)
    every = int(rng.choice([1, 1, 3, 12]))
    return np.asarray(np.arange(len(hours)) % every == 0)


def _program(s: Setting, image: str, instance: str | None, said: NDArray[np.bool_] | None) -> _Program:
    rng = s.rng
    table = LEAKING if rng.random() < LEAKING_SHARE else HEALTHY
    weights = np.array(list(table.values()))
    if not s.types_told:
        weights = weights * [behaviour.__name__ not in ("one_type",) for behaviour in table]
    behaviour = list(table)[int(rng.choice(len(table), p=weights / weights.sum()))]
    life = behaviour(s)
    limit = _limit(s, life)
    if limit is not None:
        _stop_at(life, limit, s)
    return _Program(image, instance, behaviour.__name__, life, limit, said)


def _limit(s: Setting, life: Life) -> int | None:
    """One that a healthy program never reaches; a leak may, in its time."""
    if life.limit is not None:
        return life.limit
    if s.rng.random() < (0.9 if s.family == "windows" else 0.05):
        return None
    most = max((int(one.total.max()) for one in life.instances), default=0)
    least = most * 1.4
    if life.leak is not None and s.rng.random() < 0.5:
        least = _most_honest(life, life.leak, s) * 1.4
    wide = [limit for limit in _LIMITS[s.family] if limit > least]
    return int(s.rng.choice(wide[:4])) if wide else None


def _most_honest(life: Life, leak: Leak, s: Setting) -> int:
    """The most that any process would have held without the leak."""
    part, most = leak.growth.part(), 0
    for one in life.instances:
        leaked = part(s.t[one.columns], one.born)
        carries = leak.type in one.counts and bool((one.counts[leak.type] >= leaked - 1).all())
        most = max(most, int((one.total - (leaked if carries else 0)).max()))
    return most


def _stop_at(life: Life, limit: int, s: Setting) -> None:
    """No process holds more than its limit: what leaks, or what leads, gives way."""
    for one in life.instances:
        over = one.total - limit
        if not (over > 0).any():
            continue
        order = sorted(one.counts, key=lambda kind: -int(one.counts[kind].max()))
        if life.leak is not None and life.leak.type in one.counts:
            order = [life.leak.type, *(kind for kind in order if kind != life.leak.type)]
            _note_limit(life.leak, over >= 0, s.t[one.columns])
        for kind in order:
            given = np.minimum(np.maximum(over, 0), one.counts[kind])
            one.counts[kind] = one.counts[kind] - given
            over = over - given


def _note_limit(leak: Leak, full: NDArray[np.bool_], hours: Floats) -> None:
    """The first moment since the onset from which it is full most of the time, spikes apart."""
    after = np.cumsum(np.concatenate([full, np.repeat(full[-1:], _STAYS)]))
    stays = (after[_STAYS:] - after[:-_STAYS]) >= 0.75 * _STAYS
    moments = hours[full & stays & (hours >= leak.onset)]
    if len(moments) and (leak.at_limit is None or moments[0] < leak.at_limit):
        leak.at_limit = float(moments[0])


def _label(program: _Program, ticks: _Ticks, end: float) -> Label:
    leak = program.life.leak
    if leak is None:
        return Label(program.program, program.behaviour, False)
    return Label(
        program.program,
        program.behaviour,
        True,
        onset_us=ticks.stamp(leak.onset),
        rate_per_hour=leak.rate(end),
        type=leak.type if program.said is not None else None,
        cured_us=None if leak.cured is None else ticks.stamp(leak.cured),
        at_limit_us=None if leak.at_limit is None else ticks.stamp(leak.at_limit),
    )


class _Pids:
    """Hands out numbers as a system does; those of the dead again, at once where that is asked for."""

    def __init__(self, rng: Generator, windows: bool) -> None:
        self._rng, self._step = rng, 4 if windows else 1
        self._used: dict[int, tuple[float, str]] = {}
        self._free: list[tuple[int, float, str]] = []

    def take(self, name: str, one: Instance, *, give: bool) -> int:
        taken = [free for free in self._free if free[1] < one.born and free[2] != name]
        if taken:
            self._free.remove(taken[0])
            pid = taken[0][0]
        else:
            pid = self._step * int(self._rng.integers(10, 60_000))
            while pid in self._used and self._used[pid][0] >= one.born - 24 * 30:
                pid = self._step * int(self._rng.integers(10, 60_000))
        self._used[pid] = (one.dead, name)
        if give or self._rng.random() < 0.01:
            self._free.append((pid, one.dead, name))
        return pid


def _frame(
    rng: Generator, programs: list[_Program], ticks: _Ticks, *, uptimes: tuple[tuple[float, float], ...], named: bool
) -> Frame:
    """The rows of all programs over the ticks in their true order."""
    columns = len(ticks.hours)
    rows = [(program, one) for program in programs for one in program.life.instances]
    rows.sort(key=lambda row: row[1].born)
    pids = _Pids(rng, rng.random() < 0.5)
    told_start = rng.random() > 0.03
    handles = np.full((len(rows), columns), ABSENT, np.int64)
    limits = _filled((len(rows), columns), np.int64(UNKNOWN), any(program.limit is not None for program in programs))
    looked = _filled((len(rows), columns), np.bool_(False), named)
    keys: list[ProcessKey] = []
    type_rows: list[tuple[int, str]] = []
    type_values: list[_Part] = []
    object_rows: list[tuple[int, str, str]] = []
    object_values: list[_Part] = []
    short = rng.random() < 0.15  # its collector does not know all types, so that they do not add up
    looks = np.arange(columns) % int(rng.integers(1, 13)) == 0
    for row, (program, one) in enumerate(rows):
        started = ticks.stamp(one.born) // SECOND * SECOND if told_start else None
        pid = pids.take(program.program, one, give=program.life.pid_taken)
        keys.append(ProcessKey(pid, started, program.name, program.instance))
        total = one.total
        if rng.random() < 0.01:  # now and then it could not be read
            total = np.where(rng.random(len(total)) < log_uniform(rng, 0.002, 0.2), UNKNOWN, total)
        handles[row, one.columns] = total
        if program.limit is not None:
            limits[row, one.columns] = program.limit
        if program.said is None:
            continue
        said = program.said[one.columns] & (total > 0)
        leaking = None if program.life.leak is None else program.life.leak.type
        for index, (kind, counts) in enumerate(one.counts.items()):
            if counts.any() and not (short and index % 3 == 1 and kind != leaking):
                type_rows.append((row, kind))
                type_values.append((one.columns, counts, said))
        seen = program.life.object_of
        if named and seen in one.counts and seen is not None:
            looked[row, one.columns] = looks[one.columns]
            object_rows.append((row, seen, f"\\BaseNamedObjects\\{program.name.split('.')[0]}-sync"))
            object_values.append((one.columns, one.counts[seen] * 9 // 10, looks[one.columns]))
    objects = _laid(object_values, columns)
    present = (handles != ABSENT).sum(axis=0)
    return Frame(
        step_s=0,
        times=ticks.stamps,
        skews=np.zeros(columns, np.int64),
        seen=present.astype(np.int64),
        denied=(handles == UNKNOWN).sum(axis=0).astype(np.int64),
        intervals=np.full(columns, ticks.every_s if told_start else UNKNOWN, np.int64),
        partial=np.zeros(columns, bool),
        booted=_booted(uptimes, ticks) if told_start else np.full(columns, UNKNOWN, np.int64),
        processes=keys,
        handles=Values.exact(handles),
        limits=limits,
        type_rows=type_rows,
        types=Values.exact(_laid(type_values, columns)),
        looked=looked,
        object_rows=object_rows,
        objects=Values.exact(objects),
        distinct=np.full_like(objects, UNKNOWN),
        estimated=np.zeros(objects.shape, bool),
        sums=no_values(0, columns),
    )


def _booted(uptimes: tuple[tuple[float, float], ...], ticks: _Ticks) -> Ints:
    """As a system tells it that was booted when its clock said so, to the second; not what lies ahead of it."""
    boots = np.array([ticks.stamp(up) // SECOND * SECOND for up, _ in uptimes], np.int64)
    ups = np.array([up for up, _ in uptimes])
    told = boots[(np.searchsorted(ups, ticks.hours, side="right") - 1).clip(0)]
    return np.where(told <= ticks.stamps, told, UNKNOWN)


def _filled(shape: tuple[int, int], value: np.generic, changes: bool) -> NDArray[Any]:
    """A matrix of one value, which takes no memory and can't be written to if nothing changes it."""
    return np.full(shape, value) if changes else np.broadcast_to(np.asarray(value), shape)


_Part = tuple[slice, Ints, NDArray[np.bool_]]  # where, what, and which of it is told


def _laid(values: list[_Part], columns: int) -> Ints:
    matrix = np.full((len(values), columns), UNKNOWN, np.int64)
    for row, (where, counts, told) in enumerate(values):
        matrix[row, where] = np.where(told, counts, UNKNOWN)
    return matrix
