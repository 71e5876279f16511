"""Which rows run into their limit within hours or days, which stand at it, and which stand near it."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from server.analysis.floors import Floats
from server.analysis.spans import before

AT_LIMIT = 0.985
_PINNED_H = 6
_SHARE = 0.08  # of the limit, what it must have risen
_HIGHS = (0.6, 1.6)  # how the highs rise, by the lows
_AGE_H = 12


@dataclass(frozen=True, slots=True)
class Run:
    """A straight climb over so many hours, in `steps` steps, towards a limit that is reached within `ahead` times as
    many. even: the least step by the greatest; lasting: the newer steps by the older; full: the share of the limit that
    is held already; above: how far above the most that was ever held, by what lay between that and the least; known:
    hours of history."""

    hours: int
    ahead: float
    full: float
    even: float = 0.6
    lasting: float = 0.8
    above: float = 0.75
    known: int = 24
    steps: int = 4


RUNS = (
    Run(3, ahead=6, full=0.2, even=0.7, lasting=0.85, above=1.0, known=72, steps=3),
    Run(4, ahead=6, full=0.2, even=0.7, lasting=0.85, known=48),
    Run(4, ahead=4, full=0.6),
    Run(8, ahead=4, full=0.6),
    Run(12, ahead=4, full=0.6),
    Run(16, ahead=2, full=0.4, known=36),
    Run(24, ahead=2, full=0.4, known=48),
)

NEAR, NEAR_H = 0.8, 6


def fills(held: Floats, high: Floats, limit: Floats, young: Floats) -> NDArray[np.int64]:
    """By row and hour, over how many hours it is seen to run into its limit (one per row, infinite for none) or to
    stand there; 0 for neither. `held` and `high`: the least and the most of each hour; `young`: hours since a process
    was born."""
    found = np.zeros(held.shape, np.int64)
    if not len(held):
        return found
    most = limit[:, np.newaxis]
    top = np.fmax.accumulate(np.where(np.isnan(high), -np.inf, high), axis=1)
    least = np.fmin.accumulate(np.where(np.isnan(held), np.inf, held), axis=1)
    known = np.cumsum(~np.isnan(held), axis=1)
    near = np.flatnonzero((held >= min(run.full for run in RUNS) * most).any(axis=1))
    for run in reversed(RUNS):
        said = _runs(run, held[near], high[near], most[near], (least[near], top[near]))
        said &= (young[near] >= _AGE_H) & (known[near] >= run.known)
        found[near] = np.where(said, run.hours, found[near])
    full = np.where(held >= AT_LIMIT * most, 1.0, 0.0)
    pinned = np.all([before(full, back) == 1 for back in range(_PINNED_H)], axis=0)
    return np.where(pinned & (found == 0), _PINNED_H, found) * np.isfinite(most)


def _runs(
    run: Run, held: Floats, high: Floats, limit: Floats, ever: tuple[Floats, Floats]
) -> NDArray[np.bool_]:  # fmt: skip
    """`ever`: the least and the most until each hour."""
    piece = run.hours // run.steps
    low, peak = _least(held, piece), -_least(-high, piece)
    steps = np.stack([before(low, piece * back) - before(low, piece * (back + 1)) for back in range(run.steps)], axis=2)
    risen, lifted = steps.sum(axis=2), peak - before(peak, run.hours)
    former, record = (before(values, run.hours + piece - 1) for values in ever)
    half = run.steps // 2
    with np.errstate(invalid="ignore"):
        return np.asarray(
            (steps.min(axis=2) >= run.even * steps.max(axis=2))
            & (steps[:, :, :half].mean(axis=2) >= run.lasting * steps[:, :, -half:].mean(axis=2))
            & (risen >= _SHARE * limit)
            & (lifted >= _HIGHS[0] * risen)
            & (lifted <= _HIGHS[1] * risen)
            & (held - record >= run.above * (record - former))
            & (held >= run.full * limit)
            & (held + risen * run.ahead >= limit),
            np.bool_,
        )


def _least(values: Floats, hours: int) -> Floats:
    """Of the last so many hours, what is known; NaN if nothing is."""
    padded = np.pad(np.where(np.isnan(values), np.inf, values), ((0, 0), (hours - 1, 0)), constant_values=np.inf)
    least = sliding_window_view(padded, hours, axis=1).min(axis=2)
    return np.where(np.isinf(least), np.nan, least)


@dataclass(frozen=True, slots=True)
class Near:
    """Not a leak, but little room: `share` of the limit is held at the least of the last `hours` hours."""

    share: float
    hours: int


def near_limit(held: Floats, limit: float) -> Near | None:
    """Of one row, its newest hour last: whether it held `NEAR` of its limit or more in each of the last `NEAR_H` hours
    that are known, and since when; None too where there is no limit. What it holds for a moment does not count."""
    known = held[~np.isnan(held)]
    if not np.isfinite(limit) or limit <= 0 or len(known) < NEAR_H:
        return None
    below = np.flatnonzero(known < NEAR * limit)
    hours = len(known) - (int(below[-1]) + 1 if len(below) else 0)
    return Near(float(known[-hours:].min() / limit), hours) if hours >= NEAR_H else None
