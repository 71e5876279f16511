"""How often a password may be tried: five times at once, then after waits that double."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from server.analysis.instants import MINUTE, SECOND

FREE_TRIES = 5
LONGEST_WAIT = 15 * MINUTE


@dataclass(slots=True)
class _Tries:
    count: int
    last_us: int


class Throttle:
    """Failed tries by key, in memory. The table is bounded: the key longest unused gives way."""

    def __init__(self, *, size: int = 10_000) -> None:
        self._size = size
        self._tries: OrderedDict[Hashable, _Tries] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, key: Hashable, now_us: int) -> int:
        """Count a try. 0: go ahead; else the microseconds still to wait, and the try does not count.

        A try counts before it is made, so that many at once gain nothing; `succeed` takes it back.
        """
        with self._lock:
            tries = self._tries.get(key)
            if tries is None or now_us - tries.last_us >= LONGEST_WAIT:
                tries = self._tries[key] = _Tries(0, now_us)
            left = tries.last_us + _wait(tries.count) - now_us
            if left > 0:
                return left
            tries.count += 1
            tries.last_us = now_us
            self._tries.move_to_end(key)
            if len(self._tries) > self._size:
                self._tries.popitem(last=False)
            return 0

    def succeed(self, key: Hashable) -> None:
        with self._lock:
            self._tries.pop(key, None)

    def __len__(self) -> int:
        return len(self._tries)


def _wait(count: int) -> int:
    """Microseconds to wait after so many failures."""
    if count < FREE_TRIES:
        return 0
    doublings = min(count - FREE_TRIES, 20)
    return min(SECOND << doublings, LONGEST_WAIT)
