"""When to read, and which time a reading bears. Pure: the clock is passed in, and may be set back and forward."""

import zlib
from dataclasses import dataclass

SHORTEST_INTERVAL_S = 1
LONGEST_INTERVAL_S = 3600
NEAR_S = 1.0
RESTART_S = 2.0


def offset_of(host: str, interval: int) -> int:
    """A host's own second within the interval, so that a fleet does not push in one instant."""
    return zlib.crc32(host.lower().encode("utf-8", "replace")) % interval


@dataclass(slots=True)
class Schedule:
    """Readings on a grid of whole seconds: every `interval`, at `offset_of(host)`, moved by `shift`.

    `last` is the time of the newest reading and `highest` the highest ever used, 0 for none. Times do not repeat: the
    server keeps the first content for a time, so a reading under a time that was used before would be lost. When the
    clock is set back by more than an interval, the grid moves by a second, and the times that come again fall between
    those used before. Off the grid is only the first reading after a start, and only above all that was used before.
    """

    host: str
    interval: int
    last: int = 0
    shift: int = 0
    highest: int = 0
    started: bool = False

    def stamp(self, now: float) -> int | None:
        """The time for a reading taken now; None where it is not the time for one."""
        if self._set_back(now):
            return None
        phase = self._phase()
        time = round((now - phase) / self.interval) * self.interval + phase
        if abs(now - time) > NEAR_S or time <= self.last:
            time = int(now)
            if self.started or time <= self.highest:
                return None
        self.started = True
        self.last = time
        self.highest = max(time, self.highest)
        return time

    def wait(self, now: float) -> float:
        """Seconds until the next reading."""
        self._set_back(now)
        if not self.started and -1 < self.highest - now < RESTART_S:
            return self.highest + 1 - now
        base = max(int(now), self.last) - self._phase()
        return (base // self.interval + 1) * self.interval + self._phase() - now

    def _phase(self) -> int:
        return (offset_of(self.host, self.interval) + self.shift) % self.interval

    def _set_back(self, now: float) -> bool:
        if self.last - now <= self.interval:
            return False
        self.shift = (self.shift + 1) % self.interval
        self.last = int(now)
        return True
