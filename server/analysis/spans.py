"""Values by row and hour, seen from each hour: what was before, what is known of a span, what was usual before it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_HISTORY_H, _LEAST_KNOWN, _EVERY_H = 240, 20, 6


def before(values: Floats, hours: int) -> Floats:
    """What was so many hours ago; NaN before the beginning."""
    if hours == 0:
        return values
    return np.pad(values, ((0, 0), (hours, 0)), constant_values=np.nan)[:, : values.shape[1]]


def before_or_first(values: Floats, hours: int) -> Floats:
    return values[..., np.maximum(np.arange(values.shape[-1]) - hours, 0)]


def filled(values: Floats) -> Floats:
    """What is not known is what was known last."""
    known = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(values.shape[1])), axis=1)
    return np.where(known >= 0, np.take_along_axis(values, known.clip(0), axis=1), np.nan)


def sum_of(values: NDArray[np.float64] | NDArray[np.bool_], hours: int) -> Floats:
    """Of the last so many hours, at each hour."""
    sums = np.cumsum(np.pad(values.astype(np.float64), ((0, 0), (1, 0))), axis=1)
    since = np.maximum(np.arange(1, sums.shape[1]) - hours, 0)
    return np.asarray(sums[:, 1:] - sums[:, since], np.float64)


def share_of(values: NDArray[np.float64] | NDArray[np.bool_], hours: int) -> Floats:
    return np.asarray(sum_of(values, hours) / np.minimum(np.arange(values.shape[1]) + 1, hours), np.float64)


def most_seen(values: Floats, *, share: float) -> Callable[[int], Floats]:
    """By how many hours lie between: the size that this share of the values did not exceed in the ten days before, at
    each hour (looked up every six hours); NaN where less than twenty are known."""
    size = np.where(np.isnan(values), -1.0, np.abs(values))

    def at(lag: int) -> Floats:
        found = np.full_like(values, np.nan)
        for hour in range(0, values.shape[1], _EVERY_H):
            part = size[:, max(hour - lag - _HISTORY_H, 0) : max(hour - lag, 0)]
            known = (part >= 0).sum(axis=1)
            rows = np.flatnonzero(known >= _LEAST_KNOWN)
            if not len(rows):
                continue
            ordered = np.sort(part[rows], axis=1)
            place = part.shape[1] - 1 - np.floor((1 - share) * known[rows]).astype(np.intp)
            found[rows, hour : hour + _EVERY_H] = np.take_along_axis(ordered, place[:, np.newaxis], axis=1)
        return found

    return at
