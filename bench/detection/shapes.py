"""The parts that a program's count is put together from: functions of true hours since the history began.

A part takes the hours to be evaluated at and the hour at which the process was born, and answers with counts that
need not be whole; what it draws at random is fixed when it is made, but for noise that is new at each snapshot."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Part = Callable[[Floats, float], Floats]

HOUR_US = 3_600_000_000
_EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday; Monday is 0


@dataclass(frozen=True, slots=True)
class Clock:
    """A host's local time; from `shift_h` on it is an hour later (summer time begins) or earlier."""

    start_us: int
    zone_h: float
    shift_h: float = np.inf
    shift_by: float = 0.0

    def local(self, hours: Floats) -> Floats:
        """Hours of local time since the local epoch's midnight."""
        shifted = np.where(hours >= self.shift_h, self.shift_by, 0.0)
        return np.asarray(self.start_us / HOUR_US + self.zone_h + hours + shifted, np.float64)

    def hour(self, hours: Floats) -> Floats:
        return np.mod(self.local(hours), 24.0)

    def day(self, hours: Floats) -> NDArray[np.int64]:
        return np.floor(self.local(hours) / 24.0).astype(np.int64)

    def weekday(self, hours: Floats) -> NDArray[np.int64]:
        return (self.day(hours) + _EPOCH_WEEKDAY) % 7

    def occasions(self, hour: float, between: tuple[float, float]) -> Floats:
        """The hours since the history began at which it is this hour of the local day."""
        first, last = between
        days = np.arange(np.floor(first / 24.0) - 1, np.ceil(last / 24.0) + 2) * 24.0
        at = days + np.mod(hour - self.hour(np.zeros(1))[0], 24.0)
        at = at - np.where(at >= self.shift_h, self.shift_by, 0.0)
        return np.asarray(at[(at >= first) & (at < last)], np.float64)


@dataclass(frozen=True, slots=True)
class Growth:
    """What has been leaked in all, net, at given hours: between them by straight lines, or in steps."""

    hours: Floats
    totals: Floats
    steps: bool = False

    def at(self, hours: Floats) -> Floats:
        if not self.steps:
            return np.asarray(np.interp(hours, self.hours, self.totals), np.float64)
        index = np.searchsorted(self.hours, hours, side="right") - 1
        return np.where(index >= 0, self.totals[index.clip(0)], 0.0)

    def part(self) -> Part:
        """As it shows in a process: nothing of what was leaked before it was born."""
        return lambda hours, born: np.maximum(self.at(hours) - self.at(np.array([born]))[0], 0.0)

    def rate(self, onset: float, until: float) -> float:
        gained = self.at(np.array([onset - 1e-9, until]))
        return float((gained[1] - gained[0]) / max(until - onset, 1e-6))


def log_uniform(rng: Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def constant(value: float) -> Part:
    return lambda hours, _born: np.full(len(hours), value)


def noise(rng: Generator, spread: float) -> Part:
    return lambda hours, _born: rng.normal(0.0, spread, len(hours))


def flicker(rng: Generator, chance: float, most: int) -> Part:
    """Nothing, but now and then a few more for one snapshot."""
    return lambda hours, _born: (rng.random(len(hours)) < chance) * rng.integers(1, most + 1, len(hours)).astype(float)


def wander(rng: Generator, *, spread: float, tau_h: float, between: tuple[float, float]) -> Part:
    """Drifts away and always comes back, within about three times the spread."""
    first, last = between
    step = tau_h / 4
    count = int((last - first) / step) + 3
    keep = np.exp(-0.25)
    shocks = rng.normal(0.0, spread * np.sqrt(1 - keep**2), count)
    nodes = np.empty(count)
    level = rng.normal(0.0, spread)
    for i, shock in enumerate(shocks):
        level = keep * level + shock
        nodes[i] = level
    nodes = np.clip(nodes, -2.5 * spread, 2.5 * spread)
    at = first + step * np.arange(count)
    return lambda hours, _born: np.interp(hours, at, nodes)


@dataclass(slots=True)
class Load:
    """How busy a host's users keep a program, from 0 to about 1.3, by local time."""

    clock: Clock
    kind: str  # round | office | two_humps
    peak: float
    idle: float
    weekend: float
    moods: Floats  # one factor per day

    @classmethod
    def draw(cls, rng: Generator, clock: Clock, *, idle: float | None = None) -> "Load":
        kind = str(rng.choice(["round", "office", "two_humps"]))
        peak = rng.uniform(9, 21) if kind == "round" else rng.uniform(11, 15)
        low = float(rng.uniform(0.0, 0.4)) if idle is None else idle
        weekend = float(rng.choice([1.0, rng.uniform(0.05, 0.9), rng.uniform(0.05, 0.4)]))
        moods = np.exp(rng.normal(0, rng.uniform(0.0, 0.15), 512))
        return cls(clock, kind, float(peak), low, weekend, moods)

    def at(self, hours: Floats) -> Floats:
        hour = self.clock.hour(hours)
        off = np.mod(hour - self.peak + 12, 24) - 12
        if self.kind == "round":
            shape = 0.5 + 0.5 * np.cos(off / 24 * 2 * np.pi)
        elif self.kind == "office":
            shape = 1 / (1 + np.exp(-(5 - np.abs(off)) * 2))
        else:
            shape = np.exp(-((off + 3) ** 2) / 5) + 0.8 * np.exp(-((off - 3) ** 2) / 5)
        days = self.clock.day(hours)
        busy = self.moods[days % len(self.moods)] * np.where(self.clock.weekday(hours) >= 5, self.weekend, 1.0)
        return np.asarray(self.idle + (1 - self.idle) * shape * busy, np.float64)

    def connections(self, rng: Generator, most: float) -> Part:
        """A count that follows the load, new at each snapshot."""
        return lambda hours, _born: rng.poisson(most * self.at(hours)).astype(np.float64)

    def level(self, most: float) -> Part:
        return lambda hours, _born: most * self.at(hours)


def warm_up(amount: float, tau_h: float) -> Part:
    """Fills fast, then ever more slowly."""
    return lambda hours, born: amount * -np.expm1(-np.maximum(hours - born, 0.0) / tau_h)


def slow_fill(amount: float, tau_h: float, shape: float) -> Part:
    """A cache that fills ever more slowly, with a longer tail than an exponential's for a shape below 1, full at
    last."""
    return lambda hours, born: amount * -np.expm1(-((np.maximum(hours - born, 0.0) / tau_h) ** shape))


def sawtooth(rng: Generator, *, height: float, period_h: float, between: tuple[float, float], ragged: float) -> Part:
    """Climbs and falls back to the same base, at intervals that vary by `ragged` of the period."""
    first, last = between
    count = int((last - first) / period_h * (1.5 + ragged)) + 8
    gaps = period_h * np.exp(rng.normal(0, ragged, count)).clip(0.3, 3)
    falls = first - rng.uniform(0, period_h) + np.concatenate([[0.0], np.cumsum(gaps)])
    heights = height * rng.uniform(1 - ragged * 0.7, 1.0, len(falls))

    def part(hours: Floats, born: float) -> Floats:
        index = (np.searchsorted(falls, hours, side="right") - 1).clip(0, len(gaps) - 1)
        since = np.minimum(hours - falls[index], hours - born)
        return np.asarray(heights[index] * np.clip(since / gaps[index], 0, 1), np.float64)

    return part


def spikes(rng: Generator, *, height: float, a_week: float, between: tuple[float, float]) -> Part:
    """Rare bursts of minutes to an hour or two, each of its own height."""
    first, last = between
    count = int(rng.poisson(max((last - first) / 168 * a_week, 0)))
    at = np.sort(rng.uniform(first, last, count))
    long = np.exp(rng.uniform(np.log(0.05), np.log(2.0), count))
    high = height * rng.lognormal(0, 0.5, count)

    def part(hours: Floats, _born: float) -> Floats:
        total = np.zeros(len(hours))
        for start, span, top in zip(at, long, high, strict=True):
            inside = slice(int(np.searchsorted(hours, start)), int(np.searchsorted(hours, start + span)))
            total[inside] += top
        return total

    return part


def steps(at: Floats, sizes: Floats) -> Part:
    """A level that changes at given hours, for good."""
    levels = np.concatenate([[0.0], np.cumsum(sizes)])
    return lambda hours, _born: levels[np.searchsorted(at, hours, side="right")]


def pulses(starts: Floats, spans: Floats, heights: Floats, climbs: bool) -> Part:
    """Jobs: so many handles while each runs, from its start on or climbing to its end, all given back."""

    def part(hours: Floats, _born: float) -> Floats:
        total = np.zeros(len(hours))
        for start, span, height in zip(starts, spans, heights, strict=True):
            inside = slice(int(np.searchsorted(hours, start)), int(np.searchsorted(hours, start + span)))
            total[inside] += height * ((hours[inside] - start) / span if climbs else 1.0)
        return total

    return part


def decays(starts: Floats, heights: Floats, tau_h: float) -> Part:
    """Storms: a jump that drains slowly, wholly in the end."""

    def part(hours: Floats, born: float) -> Floats:
        total = np.zeros(len(hours))
        for start, height in zip(starts, heights, strict=True):
            if start >= born:
                since = hours - start
                total += np.where(since >= 0, height * np.exp(-np.maximum(since, 0) / tau_h), 0.0)
        return total

    return part
