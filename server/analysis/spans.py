"""Values by row and hour, seen from each hour: what was before, what is known of a span, what was usual before it."""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

_HISTORY_H, _LEAST_KNOWN, _EVERY_H = 240, 20, 6
_FILLED_H = 72


def before(values: Floats, hours: int) -> Floats:
    """What was so many hours ago; NaN before the beginning."""
    if hours == 0:
        return values
    return np.pad(values, ((0, 0), (hours, 0)), constant_values=np.nan)[:, : values.shape[1]]


def filled(values: Floats) -> Floats:
    """What is not known is what was known last, for three days at most."""
    columns = np.arange(values.shape[1])
    known = np.maximum.accumulate(np.where(np.isnan(values), -_FILLED_H - 1, columns), axis=1)
    return np.where(columns - known <= _FILLED_H, np.take_along_axis(values, known.clip(0), axis=1), np.nan)


def low_of(values: Floats, hours: int) -> Floats:
    """The second least of the last so many hours; NaN where one is not known."""
    window = _windows(values, hours)
    return np.where(np.isnan(window).any(axis=2), np.nan, np.partition(window, 1, axis=2)[:, :, 1])


def mean_of(values: Floats, hours: int) -> Floats:
    """Of the last so many hours; NaN where one is not known."""
    means = sum_of(np.nan_to_num(values), hours) / hours
    means[sum_of(~np.isnan(values), hours) < hours] = np.nan
    return means


def quantile_of(values: Floats, hours: int, share: float) -> Floats:
    """Of the last so many hours; NaN where two are not known."""
    return _quantile(_windows(values, hours), share)


def quantile_at(values: Floats, hours: int, share: float, *, rows: Places, columns: Places) -> Floats:
    """The same at these places alone."""
    if not len(rows):
        return np.zeros(0)
    several, place = np.unique(rows, return_inverse=True)
    return _quantile(_windows(values[several], hours)[place, columns], share)


def _quantile(windows: Floats, share: float) -> Floats:
    place = int(share * windows.shape[-1])
    ordered = np.partition(windows, place, axis=-1)[..., place]
    return np.where(np.isnan(windows).sum(axis=-1) <= 1, ordered, np.nan)


def median_of_three(values: Floats) -> Floats:
    """Of the last three hours; NaN where one is not known."""
    newest, middle, oldest = (before(values, back) for back in range(3))
    low, high = np.minimum(newest, middle), np.maximum(newest, middle)
    return np.asarray(np.maximum(low, np.minimum(high, oldest)), np.float64)


def greatest(values: Floats, hours: int) -> Floats:
    """Of the last so many hours, of those that are known; minus infinity for none."""
    found, span = np.where(np.isnan(values), -np.inf, values), 1
    while span < hours:
        by = min(span, hours - span)
        found[:, by:] = np.maximum(found[:, by:], found[:, :-by])
        span += by
    return found


def _windows(values: Floats, hours: int) -> Floats:
    padded = np.pad(values, ((0, 0), (hours - 1, 0)), constant_values=np.nan)
    return sliding_window_view(padded, hours, axis=1)


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
