"""What a simulated host is: its facts, its programs, and when it cannot be heard."""

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from server.demo.lives import Machine
from server.demo.programs import Program
from server.demo.shapes import STEP, Ints

HISTORY = timedelta(days=14)

# Local time is ahead of UTC by so much; summer time is left out on purpose.
ZONES = {"seoul": 9 * 3600, "busan": 9 * 3600, "frankfurt": 3600, "austin": -6 * 3600}


def floor_to_step(time: datetime) -> datetime:
    """The newest whole step at or before an aware time, in UTC."""
    seconds = int(time.timestamp())
    return datetime.fromtimestamp(seconds - seconds % STEP, UTC)


@dataclass(frozen=True)
class Inventory:
    """What is installed from a time on (seconds since 1970); the lists are as the wire has them."""

    since: int
    software: tuple[dict[str, str], ...]
    services: tuple[dict[str, str], ...] = ()
    drivers: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True)
class SimulatedHost:
    """One machine of the simulated fleet; everything about it is a function of time.

    `os` and `labels` are as the wire has them. `boots`, `silences` (from, to), `silent_since` and `began` are seconds
    since 1970; `inventories` are in order of time. No snapshot exists before `began`.
    """

    name: str
    os: dict[str, str | None]
    labels: dict[str, str]
    programs: tuple[Program, ...]
    inventories: tuple[Inventory, ...]
    boots: tuple[int, ...]
    began: int
    seed: int
    silences: tuple[tuple[int, int], ...] = ()
    silent_since: int | None = None

    @property
    def site(self) -> str:
        return self.labels["site"]

    @property
    def software(self) -> tuple[dict[str, str], ...]:
        """What is installed in the end."""
        return self.inventories[-1].software

    def machine(self, slot: int) -> Machine:
        return Machine(self.boots, ZONES[self.site], self.key("life", slot))

    def key(self, *parts: object) -> int:
        """A number of its own for everything on this host that has chance in it."""
        text = "/".join(str(part) for part in (self.seed, self.name, *parts)).encode()
        return zlib.crc32(text) << 32 | zlib.crc32(text[::-1])

    def steps(self, since: datetime, until: datetime) -> Ints:
        """The times, in seconds, at which it was read from `since` up to, not including, `until`."""
        first = max(-(-int(np.ceil(since.timestamp())) // STEP), -(-self.began // STEP))
        last = -(-int(np.ceil(until.timestamp())) // STEP)
        t = np.arange(first, max(first, last), dtype=np.int64) * STEP
        heard = np.ones(len(t), np.bool_)
        for start, end in self.silences:
            heard &= (t < start) | (t >= end)
        if self.silent_since is not None:
            heard &= t < self.silent_since
        return t[heard]
