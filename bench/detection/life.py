"""One program's life on one host: the setting that it is drawn for, its processes with their counts, and the truth
about its leak."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.detection.shapes import Clock, Floats, Growth, Part, constant, log_uniform

Counts = NDArray[np.int64]

TYPES = {
    "windows": ("Event", "File", "Key", "Thread", "Section", "Mutant", "Semaphore", "Token", "Process", "ALPC Port"),
    "linux": ("file", "socket", "pipe", "eventfd", "directory", "device", "eventpoll", "timerfd", "inotify"),
    "macos": ("file", "socket", "pipe", "directory", "device", "other"),
}
_LEADING = {
    "windows": ("Event", "File", "Key", "Thread", "Section", "Semaphore", "Token", "Mutant", "Process"),
    "linux": ("socket", "file", "pipe", "eventfd", "timerfd"),
    "macos": ("socket", "file", "pipe", "other"),
}
_BEFORE_H = 24 * 400


@dataclass(frozen=True, slots=True)
class Setting:
    """What a program finds on its host. `t` are the true hours of the snapshots since the first, `uptimes` the spans
    between the host's boots (the first begins before the history, the last does not end)."""

    rng: Generator
    clock: Clock
    t: Floats
    family: str
    uptimes: tuple[tuple[float, float], ...]
    types_told: bool

    @property
    def end(self) -> float:
        return float(self.t[-1])

    @property
    def span(self) -> tuple[float, float]:
        return (min(self.uptimes[0][0], 0.0) - 1, self.end + 1)

    def leading_type(self) -> str:
        names = _LEADING[self.family]
        return str(names[min(int(self.rng.exponential(1.5)), len(names) - 1)])

    def hour(self, low: float, high: float) -> float:
        """A moment within these shares of the history."""
        return float(self.rng.uniform(low, high)) * self.end


@dataclass(slots=True)
class Instance:
    """One process; `counts` by type hold one value per column in which it lives, `columns` which those are."""

    born: float
    dead: float
    columns: slice
    counts: dict[str, Counts]

    @property
    def total(self) -> Counts:
        return np.asarray(np.sum(list(self.counts.values()), axis=0), np.int64)


@dataclass(slots=True)
class Leak:
    """The truth; `at_limit` is set once it is known where the limit stopped it."""

    growth: Growth
    onset: float
    type: str
    cured: float | None = None
    at_limit: float | None = None

    def rate(self, end: float) -> float:
        until = min(moment for moment in (end, self.cured, self.at_limit) if moment is not None)
        return self.growth.rate(self.onset, until)


@dataclass(slots=True)
class Life:
    """`limit` asks for this limit, which a leak may reach; `pid_taken` says that the pids of its dead go to others."""

    instances: list[Instance]
    leak: Leak | None = None
    limit: int | None = None
    pid_taken: bool = False
    object_of: str | None = None  # the type whose handles carry a name


@dataclass(slots=True)
class Recipe:
    """Parts by type, of which each process of a program is made."""

    parts: list[tuple[str, Part]] = field(default_factory=list)

    def add(self, kind: str, *parts: Part) -> "Recipe":
        self.parts.extend((kind, part) for part in parts)
        return self

    def process(self, s: Setting, born: float, dead: float) -> Instance | None:
        """The process as the snapshots see it; None if none does."""
        first, last = (int(i) for i in np.searchsorted(s.t, [born, dead]))
        if first >= last:
            return None
        hours = s.t[first:last]
        sums: dict[str, Floats] = {}
        for kind, part in self.parts:
            value = part(hours, born)
            sums[kind] = sums[kind] + value if kind in sums else value
        counts = {kind: np.rint(np.maximum(value, 0.0)).astype(np.int64) for kind, value in sums.items()}
        return Instance(born, dead, slice(first, last), counts)

    def lives(self, s: Setting, spans: Sequence[tuple[float, float]]) -> list[Instance]:
        found = [self.process(s, born, dead) for born, dead in spans]
        return [one for one in found if one is not None]


def spread_base(s: Setting, base: float) -> Recipe:
    """A base divided among a few types, unevenly."""
    names = TYPES[s.family]
    count = min(int(s.rng.geometric(0.32)), len(names))
    chosen = s.rng.choice(len(names), size=count, replace=False)
    shares = s.rng.dirichlet(np.full(count, 0.6)) * base
    recipe = Recipe()
    for index, share in zip(chosen, shares, strict=True):
        recipe.add(names[int(index)], constant(float(np.rint(share))))
    return recipe


def resident(s: Setting, restarts: Sequence[float] = ()) -> list[tuple[float, float]]:
    """A service: it starts soon after each boot, ends with it, and is replaced at its own restarts."""
    spans = []
    for up, down in s.uptimes:
        lag = log_uniform(s.rng, 0.003, 0.1)
        cuts = [up + lag, *sorted(cut for cut in restarts if up + 2 * lag < cut < down)]
        pauses = s.rng.uniform(0.0005, 0.03, len(cuts))
        ends = [*cuts[1:], down]
        spans += [
            (cut + (pause if i else 0), end) for i, (cut, pause, end) in enumerate(zip(cuts, pauses, ends, strict=True))
        ]
    return spans


def some_restarts(s: Setting, *, a_month: float) -> list[float]:
    """At random times, of which most services have none or one in a history."""
    count = int(s.rng.poisson(a_month * s.end / 720))
    return sorted(s.rng.uniform(0, s.end, count).tolist())
