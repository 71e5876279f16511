"""What a chart shows beside its series: leaks with their evidence, their forecast and what happened meanwhile. Times
are whole seconds since 1970, since they go to the chart's script as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """The low of a stretch of time, drawn as a flat mark."""

    from_s: int
    to_s: int
    low: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Trend:
    """A straight line through what was measured, from when a leak began to its newest reading."""

    label: str
    from_s: int
    from_value: float
    to_s: int
    to_value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """From what is held now to the limit: when it is reached at the earliest, most likely and at the latest."""

    from_s: int
    from_value: int
    limit: int
    earliest_s: int
    likely_s: int
    latest_s: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A moment, drawn as an upright line with its label; restarts as a small sign at the foot."""

    at_s: int
    label: str
    kind: Literal["began", "detected", "at_limit", "resolved", "restart"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlay:
    """began: from when to when a leak may have begun, drawn as a shade."""

    steps: tuple[Step, ...] = ()
    trends: tuple[Trend, ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    marks: tuple[Mark, ...] = ()
    began: tuple[tuple[int, int], ...] = ()

    @property
    def has(self) -> bool:
        return bool(self.steps or self.trends or self.forecasts or self.marks)

    @property
    def restarts(self) -> bool:
        return any(mark.kind == "restart" for mark in self.marks)
