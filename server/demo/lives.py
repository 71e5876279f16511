"""When a process runs and since when: from boot, every night, for an hour as one of a pool. Pure functions of time."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from server.demo.shapes import DAY, Ints, load, uniform


@dataclass(frozen=True)
class Machine:
    """What a process's life depends on: the boots of its machine (seconds since 1970, ascending), its local time, and
    the `key` of the chance in it."""

    boots: tuple[int, ...]
    zone: int
    key: int

    def booted(self, t: Ints) -> Ints:
        boots = np.array(self.boots, np.int64)
        since: Ints = boots[np.maximum(np.searchsorted(boots, t, side="right") - 1, 0)]
        return since


class Life(Protocol):
    def born(self, t: Ints, machine: Machine) -> Ints:
        """The start of the process that runs at each step, -1 where none does."""


@dataclass(frozen=True)
class Resident:
    """Starts with the machine and stays, but for restarts at the times given."""

    after_boot_s: int = 20
    restarts: tuple[int, ...] = ()

    def born(self, t: Ints, machine: Machine) -> Ints:
        born = machine.booted(t) + self.after_boot_s
        for restart in self.restarts:
            born = np.where(t >= restart, np.maximum(born, restart), born)
        return np.where(born <= t, born, -1)


@dataclass(frozen=True)
class Daily:
    """Starts every day at a local minute; ends after `lasts_s`, or lives until the next start where that is None."""

    minute: int
    lasts_s: int | None = None
    weekdays: bool = False
    jitter_s: int = 0

    def born(self, t: Ints, machine: Machine) -> Ints:
        day = (t + machine.zone - self.minute * 60 - self.jitter_s) // DAY
        late = (uniform(machine.key, day) * (self.jitter_s + 1)).astype(np.int64)
        born = day * DAY + self.minute * 60 + late - machine.zone
        booted = machine.booted(t)
        if self.lasts_s is None:
            born = np.maximum(born, booted + 30)
            return np.where(born <= t, born, -1)
        runs = (t >= born) & (t < born + self.lasts_s) & (born >= booted)
        if self.weekdays:
            runs &= (day + 3) % 7 < 5
        return np.where(runs, born, -1)


@dataclass(frozen=True)
class Pooled:
    """One place in a pool: a new process every `every_s`, while the day is at least as busy as `above`."""

    every_s: int
    above: float = 0.0
    weekend: float = 0.3

    def born(self, t: Ints, machine: Machine) -> Ints:
        phase = machine.key % self.every_s
        born = (t + phase) // self.every_s * self.every_s - phase
        wanted = load(born, zone=machine.zone, weekend=self.weekend) >= self.above
        return np.where(wanted & (born >= machine.booted(t)), born, -1)
