"""Which rows climb by stairs on a calm base: several jumps at any times within a day or two, all of them kept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.analysis.floors import Floats
from server.analysis.spans import before, median_of_three, sum_of

_HANDLES = 8.0
_GIVEN_BACK = 0.08  # of what was taken
_THIRD, _NEWEST = 0.12, 0.2  # the least that each third of the time has of the climb, and the newest
_RECORD = 0.9  # of the climb, above all that was before
_USUAL = 3.0  # times what the row ever changed in as many hours before
_KNOWN_H = 96
_AGE_H = 24  # of the youngest process at the first stair


@dataclass(frozen=True, slots=True)
class Stairs:
    """Over so many hours at least as many stairs as `least`, where some are high and some low counted as so many even
    ones; at most this share of the hours has one."""

    hours: int
    least: float
    share: float


RULES = (Stairs(24, least=3.0, share=0.25),)


def stairs(series: Floats, young: Floats) -> NDArray[np.int64]:
    """By row and hour, over how many hours it is seen to climb by stairs, 0 for not at all. `series`: the least of each
    hour, what is not known filled in; `young`: hours since a process was born."""
    found = np.zeros(series.shape, np.int64)
    level = median_of_three(series)
    step = np.nan_to_num(level - before(level, 1))
    taken, given = np.maximum(step, 0.0), np.maximum(-step, 0.0)
    record = np.fmax.accumulate(series, axis=1)
    known = np.cumsum(~np.isnan(series), axis=1) >= _KNOWN_H
    for rule in reversed(RULES):
        total, third = sum_of(taken, rule.hours), rule.hours // 3
        thirds = [before(level, third * back) - before(level, third * (back + 1)) for back in range(3)]
        risen = level - before(level, rule.hours)
        with np.errstate(invalid="ignore", divide="ignore"):
            number = total * total / sum_of(taken * taken, rule.hours)
            said = (
                known
                & (young >= rule.hours + _AGE_H)
                & (risen >= _HANDLES)
                & (number >= rule.least)
                & (number <= rule.share * rule.hours)
                & (sum_of(given, rule.hours) <= _GIVEN_BACK * total)
                & (np.min(thirds, axis=0) >= _THIRD * risen)
                & (thirds[0] >= _NEWEST * risen)
                & (level - before(record, rule.hours) >= _RECORD * risen)
                & (risen >= _USUAL * before(np.fmax.accumulate(np.abs(risen), axis=1), rule.hours))
            )
        found[said] = rule.hours
    return found
