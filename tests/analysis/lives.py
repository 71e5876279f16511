"""Hand-made lives of programs, one reading an hour, laid out as frames."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from server.analysis.frames import Frame, from_readings
from server.analysis.instants import DAY, HOUR, from_us
from server.analysis.readings import Process, Reading

Counts = NDArray[np.float64]

START = 20_100 * DAY
DAYS = 14
HOURS = np.arange(DAYS * 24)


def noisy(level: float, spread: float = 3.0, seed: int = 1) -> Counts:
    return np.asarray(level + np.random.default_rng(seed).normal(0, spread, len(HOURS)).round(), np.float64)


def frame_of(
    programs: Mapping[str, Counts | Sequence[Counts]],
    *,
    restarts: Sequence[int] = (),
    types: Mapping[str, Mapping[str, Counts]] | None = None,
    limit: int | None = None,
) -> Frame:
    """Counts by hour per program, of one process or of several; NaN where it is not there, and another one afterwards.
    At each hour of `restarts` all processes are replaced."""
    readings = []
    for hour in HOURS.tolist():
        replaced = max([cut for cut in restarts if cut <= hour], default=-100)
        processes = []
        for number, (name, lives) in enumerate(programs.items()):
            several = [lives] if isinstance(lives, np.ndarray) else lives
            told = {kind: int(counts[hour]) for kind, counts in (types or {}).get(name, {}).items()}
            for place, counts in enumerate(several):
                if not np.isnan(counts[hour]):
                    born = max(replaced, _came(counts, hour))
                    pid = number * 100 + place + 1 + 10_000 * (born + 100)
                    started = from_us(START + born * HOUR)
                    processes.append(
                        Process(
                            pid=pid, started_at=started, name=name, handles=int(counts[hour]), limit=limit, types=told
                        )
                    )
        readings.append((START + hour * HOUR, 0, Reading(processes, None)))
    return from_readings(readings)


def _came(counts: Counts | Sequence[Counts], hour: int) -> int:
    absent = np.flatnonzero(np.isnan(np.asarray(counts)[: hour + 1]))
    return int(absent[-1]) + 1 if len(absent) else -100
