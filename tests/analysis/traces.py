"""Hand-made lives of minutes and hours, read at any step, laid out as frames."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from server.analysis.frames import Frame, from_readings
from server.analysis.instants import DAY, SECOND, from_us
from server.analysis.readings import Process, Reading

Floats = NDArray[np.float64]

START = 20_200 * DAY


def seconds(minutes: float, every_s: float = 10) -> Floats:
    """When a trace is read, in seconds since its start."""
    return np.arange(0, minutes * 60 + 1, every_s)


def trace(
    at: Floats,
    programs: Mapping[str, Floats],
    *,
    limit: int | None = None,
    age_s: float = 30,
    types: Callable[[str, int], dict[str, int]] | None = None,
) -> Frame:
    """Counts at these seconds per program, NaN where it is not there; each is one process, so old at the start. `types`
    by program and count."""
    readings = []
    for column, second in enumerate(at.tolist()):
        processes = [
            Process(
                pid=number,
                started_at=from_us(START - int(age_s * SECOND)),
                name=name,
                handles=int(counts[column]),
                limit=limit,
                types=types(name, int(counts[column])) if types else {},
            )
            for number, (name, counts) in enumerate(programs.items(), start=1)
            if not np.isnan(counts[column])
        ]
        readings.append((START + int(second * SECOND), 0, Reading(processes, None)))
    return from_readings(readings)
