"""Which restarted programs climb anew in each of their lives, at a like rate and to its end.

A warm-up climbs at the beginning of a life and then stays; what leaks climbs as fast late in a life as early in it, and
as fast in each life as in the one before."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.analysis.floors import Floats

DAY_H = 24
_LOOK_BACK_H = 168
_SHORT_H = 5  # a life that tells nothing
_PIECES = 4
_YOUNG = 0.2  # of a life, in which it warms up
_EVEN = 0.5  # the least piece's climb by their mean
_LASTING = 0.7  # the later climb by the earlier
_ALIKE = 0.6  # the least life's rate by the greatest
_CLIMB = 3.0  # handles in a life
_LIVES, _CLIMBING_H = 3, 36
_HOURS_OF_DAY = 18  # among which the climbs must lie


@dataclass(frozen=True, slots=True)
class _Life:
    """Hours from `first` to before `end`, climbing by `rate` an hour; None: not climbing."""

    first: int
    end: int
    rate: float | None


def recycled(held: Floats, births: Floats) -> NDArray[np.int64]:
    """By row and hour, over how many hours its lives are seen to climb, 0 for not at all. `held`: the least of each
    hour; `births`: processes first seen in the hour. For programs of one process at a time."""
    found = np.zeros(held.shape, np.int64)
    for row in np.flatnonzero((births > 0).any(axis=1)).tolist():
        _judge(held[row], np.flatnonzero(births[row] > 0).tolist(), found[row])
    return found


def _judge(held: Floats, cuts: list[int], found: NDArray[np.int64]) -> None:
    done: list[_Life] = []
    for first, end in zip([0, *(cut + 1 for cut in cuts)], [*cuts, len(held)], strict=True):
        if len(done) >= _LIVES - 1 and any(life.rate is not None for life in done):
            for hour in range(first + _SHORT_H, end):
                now = _Life(first, hour + 1, _climb(held[first : hour + 1]))
                since = _since(now, done)
                if since is not None:
                    found[hour] = hour - since
        if end - first > _SHORT_H:
            done.append(_Life(first, end, _climb(held[first:end])))


def _climb(values: Floats) -> float | None:
    """By the hour, once warm; None if it does not climb to the end."""
    late = values[int(len(values) * _YOUNG) :]
    late = late[~np.isnan(late)]
    if len(late) < _PIECES:
        return None
    lows = np.array([part.min() for part in np.array_split(late, _PIECES)])
    steps = np.diff(lows)
    mean = float(steps.mean())
    even = steps.min() >= _EVEN * mean and steps[-1] >= _LASTING * steps[0]
    if not even or late[-1] - late[0] < _CLIMB or mean <= 0:
        return None
    return mean / (len(late) / _PIECES)


def _since(now: _Life, done: list[_Life]) -> int | None:
    """From which hour on all lives climb alike; None if that is too short a time."""
    if now.rate is None:
        return None
    lives = list(_alike(now, done))
    hours = sum(life.end - life.first for life in lives)
    times = {hour % DAY_H for life in lives for hour in range(life.first, life.end)}
    enough = len(lives) >= _LIVES and hours >= _CLIMBING_H and len(times) >= _HOURS_OF_DAY
    return lives[-1].first if enough else None


def _alike(now: _Life, done: list[_Life]) -> Iterator[_Life]:
    yield now
    low = high = now.rate or 0.0
    for life in reversed(done):
        if life.rate is None or now.end - life.first > _LOOK_BACK_H:
            return
        low, high = min(low, life.rate), max(high, life.rate)
        if low < _ALIKE * high:
            return
        yield life
