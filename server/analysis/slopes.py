"""How fast programs grew over a day, by the line that fits their counts best. No verdict, unlike a leak."""

from dataclasses import dataclass

import numpy as np

from server.analysis.frames import Frame, sum_valid
from server.analysis.instants import HOUR
from server.analysis.names import program_key

MOST = 20  # programs of a host
_LEAST_SEEN = 0.5  # of the columns; what ran for less has no slope over all of them


@dataclass(frozen=True, slots=True)
class Slope:
    """`rate_per_hour`: of the program's handles in total, by least squares; `handles`: the last that were read."""

    program: str
    rate_per_hour: float
    handles: int


def steepest(frame: Frame, *, fold: bool, most: int = MOST) -> list[Slope]:
    """The programs that grew fastest, fastest first; none that did not grow. `fold`: names without case."""
    groups: dict[str, list[int]] = {}
    for row, process in enumerate(frame.processes):
        groups.setdefault(program_key(process.program, fold=fold), []).append(row)
    if len(frame.times) < 2:
        return []
    hours = (frame.shown - frame.shown[0]) / HOUR
    found = []
    for rows in groups.values():
        counts = sum_valid(frame.handles, np.array(rows, np.intp)).last[0]
        known = np.flatnonzero(counts >= 0)
        if len(known) < max(2, _LEAST_SEEN * len(counts)):
            continue
        apart = hours[known] - hours[known].mean()
        spread = float(apart @ apart)
        rate = round(float(apart @ counts[known]) / spread, 3) if spread else 0.0
        if rate > 0:
            found.append(Slope(frame.processes[rows[0]].program, rate, int(counts[known[-1]])))
    return sorted(found, key=lambda one: (-one.rate_per_hour, one.program))[:most]
