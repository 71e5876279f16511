"""When to read, and which time a reading bears. Pure: the clock is passed in, and may be set back and forward."""

import zlib
from dataclasses import dataclass

SHORTEST_INTERVAL_S = 5
LONGEST_INTERVAL_S = 3600
NEAR_S = 1.0


def offset_of(host: str, interval: int) -> int:
    """A host's own second within the interval, so that a fleet does not push in one instant."""
    return zlib.crc32(host.lower().encode("utf-8", "replace")) % interval


@dataclass(slots=True)
class Schedule:
    """Readings on a grid of whole seconds: every `interval`, at `offset_of(host)`, moved by `shift`.

    `last` is the time of the newest reading, 0 for none. Times never repeat: the server keeps the first content for a
    time, so a reading under a time that was used before would be lost. When the clock is set back by more than an
    interval, the grid moves by a second, and the times that come again fall between those used before.
    """

    host: str
    interval: int
    last: int = 0
    shift: int = 0

    def stamp(self, now: float) -> int | None:
        """The time for a reading taken now; None where it is too early for one."""
        if self._set_back(now):
            return None
        nearest = round((now - self._phase()) / self.interval) * self.interval + self._phase()
        time = nearest if abs(now - nearest) <= NEAR_S else int(now)
        if time <= self.last:
            return None
        self.last = time
        return time

    def wait(self, now: float) -> float:
        """Seconds until the next reading."""
        self._set_back(now)
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
