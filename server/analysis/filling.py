"""Which rows run into their limit within hours, and which stand at it."""

import numpy as np
from numpy.typing import NDArray

from server.analysis.floors import Floats
from server.analysis.spans import before

STEPS_H = 2
_EVEN = 0.6  # the least step by the greatest
_SHARE = 0.08  # of the limit, risen in these hours
_TIMES = 1.5  # as far above the most that was ever held as that was above the least
_SOON_H = 12
_KNOWN_H = 24
_AGE_H = 12
AT_LIMIT = 0.985
_PINNED_H = 6


def fills(held: Floats, high: Floats, limit: Floats, young: Floats) -> NDArray[np.int64]:
    """By row and hour, over how many hours it is seen to run into its limit (one per row, infinite for none) or to
    stand there; 0 for neither. `held` and `high`: the least and the most of each hour."""
    most = limit[:, np.newaxis]
    steps = np.stack([before(held, back) - before(held, back + 1) for back in range(STEPS_H)], axis=2)
    risen = steps.sum(axis=2)
    top = before(np.fmax.accumulate(np.where(np.isnan(high), -np.inf, high), axis=1), STEPS_H)
    least = before(np.fmin.accumulate(np.where(np.isnan(held), np.inf, held), axis=1), STEPS_H)
    known = np.cumsum(~np.isnan(held), axis=1)
    with np.errstate(invalid="ignore"):
        running = (
            (steps.min(axis=2) >= _EVEN * steps.max(axis=2))
            & (risen >= _SHARE * most)
            & (held - top >= _TIMES * (top - least) * 0.5)
            & (held + risen / STEPS_H * _SOON_H >= most)
            & (known >= _KNOWN_H)
            & (young >= _AGE_H)
        )
        full = held >= AT_LIMIT * most
        pinned = np.all([before(np.where(full, 1.0, 0.0), back) == 1 for back in range(_PINNED_H)], axis=0)
    running &= np.isfinite(most)
    pinned &= np.isfinite(most)
    return np.where(running, STEPS_H, np.where(pinned, _PINNED_H, 0)).astype(np.int64)
