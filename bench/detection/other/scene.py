"""What the behaviours are made of: a host's time line, one program's make-up by type, its ordinary life, and the
processes in which it shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Lives = Sequence[tuple[float, float]]

DAY_H = 24.0
WEEK_H = 168.0
_FINE_H = 0.1

KINDS = {
    "windows": (
        "Event", "File", "Key", "Semaphore", "Thread", "Mutant", "Section", "Process", "Token", "IoCompletion", "Timer",
        "ALPC Port", "EtwRegistration", "Directory",
    ),
    "linux": ("file", "socket", "pipe", "eventfd", "eventpoll", "inotify", "timerfd", "device", "deleted", "directory"),
    "macos": ("file", "socket", "pipe", "kqueue", "device", "directory", "other"),
}  # fmt: skip


def spread(rng: Generator, low: float, high: float) -> float:
    """Log-uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How busy a host's people are at a local hour (since a Monday's midnight), from 0 to 1."""

    peak: float
    width: float
    weekend: float
    lunch: float

    @classmethod
    def draw(cls, rng: Generator) -> "Rhythm":
        peak = rng.normal(13.5, 1.5) if rng.random() < 0.85 else rng.uniform(0, 24)
        quiet = float(rng.uniform(0.05, 0.6)) if rng.random() < 0.7 else 1.0
        return cls(float(peak), float(rng.uniform(2.5, 5)), quiet, float(rng.uniform(0, 0.25)))

    def at(self, local: Floats) -> Floats:
        off = (local - self.peak + 12) % DAY_H - 12
        load = np.exp(-0.5 * (off / self.width) ** 2) * (1 - self.lunch * np.exp(-0.5 * ((off + 1) / 0.6) ** 2))
        day = np.floor((local % WEEK_H) / DAY_H)
        return np.asarray(load * np.where(day >= 5, self.weekend, 1.0), np.float64)


@dataclass(frozen=True, slots=True)
class Scene:
    """One host as one of its programs sees it. `hours`: of the snapshots, in true hours since the first; `ups`: from
    when to when the host was up; `monday`: the local hour since a Monday's midnight at hour 0."""

    rng: Generator
    hours: Floats
    monday: float
    ups: tuple[tuple[float, float], ...]
    family: str
    told: bool

    @property
    def end(self) -> float:
        return float(self.hours[-1])

    def local(self, hours: Floats) -> Floats:
        return hours + self.monday

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def spread(self, low: float, high: float) -> float:
        return spread(self.rng, low, high)

    def lives(self, restarts: Sequence[float] = ()) -> list[tuple[float, float]]:
        """Of a program that is always there: from each boot, and from each restart, to the next."""
        found = []
        for up, down in self.ups:
            born = up + self.spread(0.003, 0.05)
            if up < 0 and self.chance(0.3):
                born = -self.spread(0.01, max(-up, 0.02))
            for again in sorted(moment for moment in restarts if born < moment < down):
                found.append((born, again))
                born = again + self.spread(0.002, 0.02)
            found.append((born, down))
        return [(born, dead) for born, dead in found if dead > 0 and dead > born]


@dataclass(slots=True)
class Process:
    born: float
    dead: float
    columns: slice
    counts: dict[str, Ints]

    @property
    def total(self) -> Ints:
        return np.asarray(np.sum(list(self.counts.values()), axis=0), np.int64)


@dataclass(slots=True)
class Growth:
    """What a leak has taken in all by an hour; nothing before the first of `at`, no more after the last."""

    at: Floats
    taken: Floats
    steps: bool = False

    def __call__(self, hours: Floats) -> Floats:
        if not self.steps:
            return np.interp(hours, self.at, self.taken, left=0.0)
        index = np.searchsorted(self.at, hours, side="right") - 1
        return np.where(index >= 0, self.taken[index.clip(0)], 0.0)

    @classmethod
    def flowing(cls, pace: Callable[[Floats], Floats], since: float, until: float) -> "Growth":
        """By a pace per hour."""
        at = np.arange(since, max(until, since + 1) + _FINE_H, _FINE_H)
        return cls(at, np.concatenate([[0.0], np.cumsum(pace(at[:-1] + _FINE_H / 2)) * _FINE_H]))


@dataclass(slots=True)
class Leak:
    onset: float
    growth: Growth
    kind: str
    cured: float | None = None
    at_limit: float | None = None

    def rate(self, end: float) -> float:
        until = min(moment for moment in (end, self.cured, self.at_limit) if moment is not None)
        span = max(until - self.onset, 1e-3)
        return float(self.growth(np.array([until]))[0]) / span


@dataclass(slots=True)
class Story:
    """One program on one host. `limit`: what its processes may hold, where the story needs one; `hands_on`: its pids
    are given to others; `named`: a type whose objects bear a name."""

    processes: list[Process]
    leak: Leak | None = None
    limit: int | None = None
    hands_on: bool = False
    named: str | None = None


@dataclass(slots=True)
class Body:
    """A program's make-up: what it holds of each type at rest, and which types its life moves, by what shares."""

    scene: Scene
    kinds: list[str]
    rest: Floats
    busy: Floats

    @classmethod
    def draw(cls, scene: Scene, base: float) -> "Body":
        rng, known = scene.rng, KINDS[scene.family]
        count = int(rng.integers(2, min(9, len(known) + 1)))
        weights = 1 / np.arange(1, len(known) + 1) ** 0.7
        kinds = [known[int(i)] for i in rng.choice(len(known), count, replace=False, p=weights / weights.sum())]
        busy = np.zeros(count)
        moved = int(rng.integers(1, min(3, count) + 1))
        busy[:moved] = rng.dirichlet(np.full(moved, 2.0))
        order = rng.permutation(count)
        return cls(scene, kinds, np.rint(rng.dirichlet(np.full(count, 0.8)) * base), busy[order])

    def leaking_kind(self) -> str:
        """As often one that is quiet otherwise as any."""
        quiet = [kind for kind, share in zip(self.kinds, self.busy, strict=True) if share == 0]
        return str(self.scene.rng.choice(quiet if quiet and self.scene.chance(0.5) else self.kinds))

    def most_moved(self) -> str:
        return self.kinds[int(self.busy.argmax())]

    def process(self, life: tuple[float, float], moving: Floats, more: dict[str, Floats] | None = None) -> Process:
        """`moving` on top of the rest, over all columns or over this life's; `more` by type, likewise."""
        born, dead = life
        hours = self.scene.hours
        columns = slice(int(np.searchsorted(hours, born)), int(np.searchsorted(hours, dead)))

        def own(values: Floats) -> Floats:
            return values[columns] if len(values) == len(hours) else values

        counts = {}
        for kind, rest, share in zip(self.kinds, self.rest, self.busy, strict=True):
            held = np.rint(rest + share * own(moving)) if share else np.full(columns.stop - columns.start, rest)
            if more is not None and kind in more:
                held = held + np.floor(own(more[kind]))
            counts[kind] = held.clip(0).astype(np.int64)
        kept = Process(born, dead, columns, counts)
        if not kept.total.all():
            first = self.kinds[0]
            counts[first] = counts[first] + 1
        return kept


@dataclass(slots=True)
class Ordinary:
    """A program's everyday life over all columns: cycles, wandering, noise, spikes, collections, some of each."""

    level: Floats
    rhythm: Rhythm


def wandering(scene: Scene, sigma: float, memory_h: float) -> Floats:
    """A level that strays and always comes back, by an Ornstein-Uhlenbeck walk."""
    step = min(0.25, memory_h / 8)
    count = int(scene.end / step) + 3
    keep = np.exp(-step / memory_h)
    noise = scene.rng.normal(0, sigma * np.sqrt(1 - keep**2), count)
    noise[0] = scene.rng.normal(0, sigma)
    level = np.empty(count)
    now = 0.0
    for index, push in enumerate(noise.tolist()):
        now = keep * now + push
        level[index] = now
    return np.interp(scene.hours, np.arange(count) * step, level)


def swaying(scene: Scene, size: float) -> Floats:
    """A level that strays and comes back, as a sum of slow waves."""
    waves = [
        (scene.spread(9, 120), scene.rng.uniform(0, 2 * np.pi), scene.rng.uniform(0.3, 1))
        for _ in range(int(scene.rng.integers(2, 5)))
    ]
    parts = [weight * np.sin(2 * np.pi * scene.hours / period + phase) for period, phase, weight in waves]
    return np.asarray(np.sum(parts, axis=0) * size / len(parts), np.float64)


def spikes(scene: Scene, height: float, per_day: float, long_h: float) -> Floats:
    """Short and high, at random times."""
    level = np.zeros(len(scene.hours))
    for begin in scene.rng.uniform(0, scene.end, int(scene.rng.poisson(per_day * scene.end / DAY_H))).tolist():
        cells = slice(*np.searchsorted(scene.hours, [begin, begin + scene.spread(long_h / 10, long_h)]).tolist())
        level[cells] = np.maximum(level[cells], height * scene.spread(0.5, 2))
    return level


def sawtooth(scene: Scene, size: float, period_h: float, uneven: float) -> Floats:
    """Climbs and is collected, each time back to nothing."""
    lengths = period_h * scene.rng.uniform(1 - uneven, 1 + uneven, int(scene.end / period_h / (1 - uneven)) + 3)
    cuts = np.cumsum(lengths) - scene.rng.uniform(0, 1) * lengths[0]
    index = np.searchsorted(cuts, scene.hours, side="right")
    begin = np.concatenate([[cuts[0] - lengths[0]], cuts])[index]
    return np.asarray(size * (scene.hours - begin) / period_h, np.float64)


def base_of(scene: Scene) -> float:
    return scene.spread(6, 400) if scene.chance(0.6) else scene.spread(100, 12_000)


def ordinary(scene: Scene, base: float, calm: float = 0.3) -> Ordinary:
    """`calm`: the chance of a program that hardly moves at all."""
    rhythm = Rhythm.draw(scene.rng)
    level = np.zeros(len(scene.hours))
    if scene.chance(calm):
        if scene.chance(0.6):
            level = np.abs(scene.rng.normal(0, scene.spread(0.2, 1.5), len(level)))
        return Ordinary(level, rhythm)
    size = min(base, 3000.0)
    if scene.chance(0.5):
        level = level + size * scene.spread(0.02, 0.4) * rhythm.at(scene.local(scene.hours))
    if scene.chance(0.6):
        sigma = size * scene.spread(0.003, 0.035)
        level = level + wandering(scene, sigma, scene.spread(0.5, 12))
    level = level + scene.rng.normal(0, max(size * scene.spread(0.002, 0.03), 0.3), len(level))
    if scene.chance(0.3):
        level = level + spikes(scene, size * scene.spread(0.1, 1.5), scene.spread(0.1, 4), scene.spread(0.1, 1.5))
    if scene.chance(0.2):
        level = level + sawtooth(scene, size * scene.spread(0.03, 0.3), scene.spread(0.5, 14), 0.3)
    return Ordinary(level - min(level.min(), 0.0), rhythm)
