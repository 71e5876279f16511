"""How counts of handles move in time: each shape is a pure function of the moment, so that any stretch of time can be
computed alone and stretches join without a seam."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

HOUR = 3600
DAY = 24 * HOUR
STEP = 300

# Values that are whole on paper must not fall to the number below through the last bit of a sine or an exponential.
_SLACK = 1e-6


@dataclass(frozen=True)
class Moment:
    """The steps to compute for one process slot.

    `t` holds seconds since 1970, `born` the start of the process that runs then, `zone` the seconds by which local time
    is ahead of UTC, `key` what tells this motion's chance from every other's.
    """

    t: Ints
    born: Ints
    key: int
    zone: int


class Shape(Protocol):
    def __call__(self, at: Moment) -> Ints:
        """Handles on top of the resting count, never negative, one per step."""


def uniform(key: int, index: Ints) -> Floats:
    """Chance in [0, 1), the same for the same key and index always (splitmix64)."""
    mixed = index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    chance: Floats = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return chance


def geometric(chance: Floats, mean: float) -> Ints:
    return whole(-mean * np.log1p(-chance))


def whole(values: Floats) -> Ints:
    floored: Ints = np.floor(values + _SLACK).astype(np.int64)
    return floored


def load(t: Ints, *, zone: int, weekend: float, opens_h: float = 7.0) -> Floats:
    """How busy a working day is, from 0 to 1: up within three hours, held for seven, down within four."""
    local = t + zone
    hour = (local % DAY) / HOUR
    up = np.clip((hour - opens_h) / 3.0, 0.0, 1.0)
    down = np.clip((opens_h + 14.0 - hour) / 4.0, 0.0, 1.0)
    ramp = np.minimum(up, down)
    smooth = ramp * ramp * (3.0 - 2.0 * ramp)
    busy: Floats = smooth * np.where(is_weekend(local), weekend, 1.0)
    return busy


def is_weekend(local: Ints) -> NDArray[np.bool_]:
    # 1 January 1970 was a Thursday.
    late: NDArray[np.bool_] = (local // DAY + 3) % 7 >= 5
    return late


@dataclass(frozen=True)
class Noise:
    """Handles taken for a moment: mostly few, sometimes many, soon given back."""

    mean: float

    def __call__(self, at: Moment) -> Ints:
        return geometric(uniform(at.key, at.t // STEP), self.mean)


@dataclass(frozen=True)
class WhiteNoise:
    """Bell-shaped around a level three deviations above the resting count."""

    deviation: float

    def __call__(self, at: Moment) -> Ints:
        step = at.t // STEP
        bell = sum(uniform(at.key + salt, step) for salt in range(1, 5)) - 2.0
        return whole(np.clip(bell * 1.732, -3.0, 3.0) * self.deviation + 3.0 * self.deviation)


@dataclass(frozen=True)
class Wander:
    """Slow wandering between nothing and `height` that always comes back."""

    height: float
    period_h: float = 30.0

    def __call__(self, at: Moment) -> Ints:
        turn = 2.0 * np.pi * (at.t / (self.period_h * HOUR) + at.key % 997 / 997)
        drift = 0.5 + 0.36 * np.sin(turn) + 0.14 * np.sin(3.0 * turn + 1.0)
        return whole(drift * self.height) + np.minimum(geometric(uniform(at.key, at.t // STEP), 1.0), 3)


@dataclass(frozen=True)
class Rhythm:
    """Follows the working day in the host's own local time; busier moments are noisier."""

    height: float
    weekend: float = 0.3
    opens_h: float = 7.0

    def __call__(self, at: Moment) -> Ints:
        busy = load(at.t, zone=at.zone, weekend=self.weekend, opens_h=self.opens_h)
        chance = uniform(at.key, at.t // STEP)
        bursts = geometric(np.maximum(chance - 0.4, 0.0) / 0.6, 2.0 + 0.05 * self.height)
        # Next to none on the way up or down: there a single step decides how low a whole window was.
        level = busy == np.where(is_weekend(at.t + at.zone), self.weekend, 1.0)
        calm = np.minimum(geometric(chance, 1.5), 1)
        return whole(busy * self.height) + np.where(level, bursts, calm)


@dataclass(frozen=True)
class WorkingWeek:
    """A steep climb on Monday morning, held until Friday evening."""

    height: float

    def __call__(self, at: Moment) -> Ints:
        hour = ((at.t + at.zone + 3 * DAY) % (7 * DAY)) / HOUR
        held = np.minimum(np.clip((hour - 8.0) / 3.0, 0.0, 1.0), np.clip((116.0 - hour) / 3.0, 0.0, 1.0))
        return whole(held * self.height) + np.minimum(geometric(uniform(at.key, at.t // STEP), 1.5), 4)


@dataclass(frozen=True)
class Sawtooth:
    """Climbs until a collection gives everything back."""

    height: float
    period_h: float

    def __call__(self, at: Moment) -> Ints:
        period = int(self.period_h * HOUR)
        phase = at.key % period // STEP * STEP
        return whole(((at.t + phase) % period) / period * self.height)


@dataclass(frozen=True)
class Fill:
    """A pool or cache that fills after the start of its process, ever more slowly, and stays full."""

    height: float
    tau_s: float

    def __call__(self, at: Moment) -> Ints:
        return whole((1.0 - np.exp(-(at.t - at.born) / self.tau_s)) * self.height + 0.5)


@dataclass(frozen=True)
class Refill:
    """A cache that is dropped regularly and fills again."""

    height: float
    tau_s: float
    every_h: float

    def __call__(self, at: Moment) -> Ints:
        since_drop = at.t % int(self.every_h * HOUR)
        return whole((1.0 - np.exp(-since_drop / self.tau_s)) * self.height)


@dataclass(frozen=True)
class Climb:
    """Grows with the age of its process and ends with it: a batch job, a user's working day."""

    per_hour: float

    def __call__(self, at: Moment) -> Ints:
        return whole((at.t - at.born) / HOUR * self.per_hour)


@dataclass(frozen=True)
class NightJob:
    """A job inside a long-lived process that takes handles and gives all of them back at its end."""

    height: float
    starts_h: float
    lasts_h: float

    def __call__(self, at: Moment) -> Ints:
        into = ((at.t + at.zone) / HOUR - self.starts_h) % 24.0
        return whole(np.where(into < self.lasts_h, into / self.lasts_h * self.height, 0.0))


@dataclass(frozen=True)
class Spikes:
    """Rare and huge, each for one reading."""

    height: float
    chance: float = 0.002

    def __call__(self, at: Moment) -> Ints:
        drawn = uniform(at.key, at.t // STEP)
        return whole(np.where(drawn < self.chance, (0.5 + 0.5 * drawn / self.chance) * self.height, 0.0))


@dataclass(frozen=True)
class StepUp:
    """One step after a change of configuration."""

    height: int
    since: int

    def __call__(self, at: Moment) -> Ints:
        return np.where(at.t >= self.since, np.int64(self.height), np.int64(0))


@dataclass(frozen=True)
class Leak:
    """Handles that nobody gives back while their process lives.

    From `since` (seconds since 1970) to `ends`, whichever process runs; a new process starts with none of them. `swing`
    makes days faster than nights (0 to 1); `stairs` leaves them all at the end of each `grain_h`.
    """

    per_hour: float
    since: int
    ends: int | None = None
    swing: float = 0.0
    jitter: float = 0.4
    stairs: bool = False
    grain_h: int = 1

    def __call__(self, at: Moment) -> Ints:
        newest = int(at.t[-1])
        if newest < self.since:
            return np.zeros(len(at.t), np.int64)
        grain = self.grain_h * HOUR
        index = np.arange((newest - self.since) // grain + 1, dtype=np.int64)
        local_h = ((self.since + index * grain + at.zone) % DAY) / HOUR
        busy = 1.0 + self.swing * np.cos(2.0 * np.pi * (local_h - 14.0) / 24.0)
        taken = self.per_hour * self.grain_h * busy * (1.0 + self.jitter * (2.0 * uniform(at.key, index) - 1.0))
        before = np.concatenate(([0.0], np.cumsum(taken)))
        return self._sofar(at.t, before) - self._sofar(at.born, before)

    def _sofar(self, t: Ints, before: Floats) -> Ints:
        grain = self.grain_h * HOUR
        held = t if self.ends is None else np.minimum(t, self.ends)
        into = np.maximum(held - self.since, 0)
        whole_grains = into // grain
        sofar = before[whole_grains]
        if not self.stairs:
            sofar = sofar + (before[whole_grains + 1] - sofar) * ((into % grain) / grain)
        return whole(sofar)
