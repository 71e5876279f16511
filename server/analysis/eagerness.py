"""What an operator's levels change of what is said: `low` speaks only of what was seen to grow two days before as
well, or stands at its limit, `high` also of what grew for a day on end, whatever came before. Quiet programs are left
out where leaks are followed."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from server.analysis.climbing import Climbs
from server.analysis.filling import AT_LIMIT
from server.analysis.floors import Floats, Floors
from server.analysis.sensitivity import Level
from server.analysis.spans import before, sum_of

AGO_H = 48
DAY_H, PIECE_H = 24, 6
LOOK_BACK_H = AGO_H + DAY_H
_LEAST = 5.0  # handles in the day
_EVEN = 0.2  # the least piece's rise by the mean


def adjusted(climbs: Climbs, floors: Floors, levels: Mapping[str, Level]) -> Climbs:
    """`levels` by the key of the program."""
    low = [at for at, row in enumerate(floors.rows) if levels.get(row.program) == "low"]
    high = [at for at, row in enumerate(floors.rows) if levels.get(row.program) == "high"]
    if not low and not high:
        return climbs
    over = climbs.over.copy()
    if low:
        full = floors.held[low] >= AT_LIMIT * floors.limit[low, np.newaxis]
        seen = before(sum_of(over[low] > 0, DAY_H), AGO_H) > 0
        over[low] = np.where(seen | full, over[low], 0)
    if high:
        rising = rises_all_day(climbs.level[high])
        over[high] = np.where((over[high] == 0) & rising, DAY_H, over[high])
    return replace(climbs, over=over)


def rises_all_day(level: Floats) -> NDArray[np.bool_]:
    """By row and hour: whether the least of each six hours of the last day lies above that of the six hours before."""
    padded = np.pad(level, ((0, 0), (PIECE_H - 1, 0)), constant_values=np.nan)
    least = np.lib.stride_tricks.sliding_window_view(padded, PIECE_H, axis=1).min(axis=2)
    steps = np.stack([before(least, at) - before(least, at + PIECE_H) for at in range(0, DAY_H, PIECE_H)], axis=2)
    total = steps.sum(axis=2)
    with np.errstate(invalid="ignore"):
        return np.asarray((total >= _LEAST) & (steps.min(axis=2) >= _EVEN * total / steps.shape[2]), np.bool_)
