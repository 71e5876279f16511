"""The course of one process over some hours of single snapshots: when it began to grow, and how fast it grows."""

import numpy as np
from numpy.typing import NDArray

from server.analysis.frames import Ints
from server.analysis.instants import HOUR
from server.analysis.rates import explained_by_rise

Floats = NDArray[np.float64]

LONGEST = 3 * HOUR  # that is looked at
_PARTS = 6
_LEAST_FIT = 4
_AS_WELL = 4.0  # squares of an onset that fits nearly as well, by those of the best that one snapshot has left


def onset_of(hours: Floats, counts: Floats) -> tuple[int, int, int]:
    """Where a flat line turns into a rising one, by least squares, between the earliest and the latest that fit nearly
    as well; 0 if it never was flat."""
    count = len(hours)
    if count < _LEAST_FIT:
        return 0, 0, min(1, max(count - 2, 0))
    deviations = counts - counts.mean()
    explained = explained_by_rise(hours, deviations)
    best = min(int(explained.argmax()), count - 2)
    left = float((deviations * deviations).sum()) - explained
    near = np.flatnonzero(left <= left[best] + abs(left[best]) * _AS_WELL / count)
    return min(int(near[0]), best), best, max(min(int(near[-1]), count - 1), best)


def beginning(
    times: Ints, counts: Floats, onset: tuple[int, int, int], rate: float, born: float
) -> tuple[int, int, int]:
    """From when, when and until when it may have begun to grow. What grows from the first snapshot on began before: not
    before it was born, nor before its line comes from nothing; an old process held something then."""
    first, best, last = (int(times[at]) for at in onset)
    if onset[0] == 0:
        back = min(float(counts[0]) / rate * HOUR, float(LONGEST)) if rate > 0 else float(LONGEST)
        first = int(max(born, times[0] - back))
        if onset[1] == 0:
            best = first if born >= times[0] - back else int(times[0] - back / 2)
    elif best == first:  # between two snapshots
        first = int(times[onset[0] - 1])
    return min(first, best), best, max(last, best)


def rate_of_course(hours: Floats, counts: Floats) -> tuple[float, float, float]:
    """By least squares, and the least and the greatest of its sixths."""
    if len(hours) < 2:
        return 0.0, 0.0, 0.0
    x = hours - hours.mean()
    rate = float((x * counts).sum() / (x * x).sum())
    parts = [part for part in np.array_split(np.arange(len(hours)), _PARTS) if len(part)]
    middle = np.array([[hours[part].mean(), counts[part].mean()] for part in parts])
    steps = np.diff(middle, axis=0)
    slopes = steps[:, 1] / steps[:, 0]
    return rate, min(rate, float(slopes.min())), max(rate, float(slopes.max()))
