"""What is known of a host whose programs' behaviour is known: its history and the truth about each program."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from server.analysis.frames import Frame


@dataclass(frozen=True, slots=True)
class Label:
    """What is true of one program. `rate_per_hour` is the net average from `onset_us` until it was cured, reached its
    limit or the history ended, of the series that `type` names (None: the host tells no types of it; the total)."""

    program: str
    behaviour: str
    leaks: bool
    onset_us: int | None = None
    rate_per_hour: float | None = None
    type: str | None = None
    cured_us: int | None = None
    at_limit_us: int | None = None


@dataclass(slots=True)
class LabelledHost:
    """`order` lists the frame's columns as the collector sent them, which a clock set back makes another order than
    that of the times."""

    name: str
    os_family: str
    zone_h: float
    frame: Frame
    labels: list[Label]
    order: NDArray[np.intp] = field(default_factory=lambda: np.arange(0))

    @property
    def first_us(self) -> int:
        return int(self.frame.times[0])

    @property
    def last_us(self) -> int:
        return int(self.frame.times[-1])
