"""Whether a count grows, judged by its floors: a leak lifts the lowest count, a busy hour only the highest."""

import numpy as np
from numpy.typing import NDArray

from server.analysis.instants import DAY, HOUR, MINUTE

Ints = NDArray[np.int64]

_QUARTERS = 4
_UNKNOWN = np.iinfo(np.int64).max  # stands for "no reading" where the lowest is wanted


def growing(
    times: Ints,
    counts: Ints,
    *,
    window_us: int = DAY,
    least_us: int = 30 * MINUTE,
    least_rise: int = 0,
    history: bool = False,
) -> bool:
    """Whether the floor of the newest quarter of the window lies more than `least_rise` above every floor before it.

    `times` are microseconds, ascending; `counts` of the same length, negative = not known and left out. The window
    reaches back `window_us` from the newest known count, or to the oldest one in reach if that is nearer; under
    `least_us` of it nothing is said to grow. It is cut by time into quarters, counted back from the newest count,
    and a floor is the lowest count of a quarter that has any. With `history`, what lies before the window is cut
    into pieces of the same length and counts as "before it" too, so that a daily rhythm is no growth.
    """
    known = counts >= 0
    return _grows(
        times[known], counts[known], window_us=window_us, least_us=least_us, least_rise=least_rise, history=history
    )


def growing_rows(
    times: Ints,
    matrix: Ints,
    *,
    window_us: int = DAY,
    least_us: int = 30 * MINUTE,
    least_rise: int = 0,
    history: bool = False,
) -> NDArray[np.bool_]:
    """`growing` of every row of `matrix` (rows by times, negative = not known) at once; one flag per row."""
    verdicts = np.zeros(len(matrix), dtype=np.bool_)
    if matrix.size == 0:
        return verdicts
    known = matrix >= 0
    rows = np.flatnonzero(known.any(axis=1))
    newest = len(times) - 1 - known[rows, ::-1].argmax(axis=1)
    reach = np.zeros_like(newest) if history else np.searchsorted(times, times[newest] - window_us, side="left")
    oldest = (known[rows] & (np.arange(len(times)) >= reach[:, np.newaxis])).argmax(axis=1)
    # Rows that share their first and last reading share their quarters: on most hosts that is nearly all of them.
    pairs, which = np.unique(np.stack([oldest, newest], axis=1), axis=0, return_inverse=True)
    for index, (first, last) in enumerate(pairs.tolist()):
        starts = _cuts(times[first : last + 1], window_us=window_us, least_us=least_us)
        if starts is None:
            continue
        members = rows[which.reshape(-1) == index]
        part = matrix[members, first : last + 1]
        floors = np.minimum.reduceat(np.where(part < 0, _UNKNOWN, part), starts, axis=1)
        before = np.where(floors[:, :-1] == _UNKNOWN, -1, floors[:, :-1]).max(axis=1)
        verdicts[members] = floors[:, -1] - before > least_rise
    return verdicts


def rate_per_hour(times: Ints, counts: Ints, *, least_us: int = 30 * MINUTE) -> float | None:
    """The net growth an hour over all of `times`, or None if the known counts span less than `least_us`.

    It is the difference between the floors of the newest and the oldest quarter over the time between them (each
    floor at the middle of the readings that show it). Spikes therefore do not move it, a steady leak gives its own
    rate to within one handle over the span, and one that grows in steps, as in a nightly job, its average; a median
    of slopes would call that one 0.
    """
    known = counts >= 0
    times, counts = times[known], counts[known]
    if len(times) == 0:
        return None
    starts = _cuts(times, window_us=int(times[-1] - times[0]), least_us=least_us)
    if starts is None:
        return None
    old_count, old_time = _floor(times[: starts[1]], counts[: starts[1]])
    new_count, new_time = _floor(times[starts[-1] :], counts[starts[-1] :])
    return (new_count - old_count) * HOUR / (new_time - old_time)


def _grows(times: Ints, counts: Ints, *, window_us: int, least_us: int, least_rise: int, history: bool) -> bool:
    if len(times) == 0:
        return False
    if not history:
        reach = int(np.searchsorted(times, times[-1] - window_us, side="left"))
        times, counts = times[reach:], counts[reach:]
    starts = _cuts(times, window_us=window_us, least_us=least_us)
    if starts is None:
        return False
    floors = np.minimum.reduceat(counts, starts)
    return bool(floors[-1] - floors[:-1].max() > least_rise)


def _cuts(times: Ints, *, window_us: int, least_us: int) -> Ints | None:
    """Where each piece that has readings begins, oldest first; None if they span too little to say anything.

    A piece is a quarter of the window, or of the whole if that is shorter; the newest ends with the newest reading,
    and a reading on an edge belongs to the older piece.
    """
    total = int(times[-1] - times[0])
    window = min(window_us, total)
    if window <= 0 or total < least_us:
        return None
    ages = times[-1] - times
    # The very oldest reading would lie on an edge and make a piece of its own: it joins the piece that ends there.
    pieces = np.minimum(ages * _QUARTERS // window, (total * _QUARTERS - 1) // window)
    return np.concatenate([[0], np.flatnonzero(np.diff(pieces)) + 1])


def _floor(times: Ints, counts: Ints) -> tuple[int, float]:
    lowest = counts.min()
    at = times[counts == lowest]
    return int(lowest), (float(at[0]) + float(at[-1])) / 2
