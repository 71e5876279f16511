"""Small charts as plain SVG path data: arithmetic only, no markup and no style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST_SPAN = 0.1
"""The height never shows less than this share of the highest value, so that noise does not look like a climb."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sparkline:
    """`line` is stroked, `area` filled, both in a box of width by height; low, high and last are of the values."""

    width: int
    height: int
    line: str
    area: str
    low: int
    high: int
    last: int | None


def sparkline(values: Sequence[int | None], *, width: int = 104, height: int = 24) -> Sparkline | None:
    """Paths for evenly spaced values, oldest first; a None is a gap. None when there is no value at all."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    span = max(high - low, high * LEAST_SPAN, 1)
    floor = low - (span - (high - low)) / 2
    step = (width - 4) / max(len(values) - 1, 1)
    runs: list[list[tuple[float, float]]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((2 + index * step, 2 + (height - 4) * (1 - (value - floor) / span)))
    runs = [run for run in runs if run]
    return Sparkline(
        width=width,
        height=height,
        line="".join(_line(run) for run in runs),
        area="".join(_area(run, height) for run in runs if len(run) > 1),
        low=low,
        high=high,
        last=values[-1],
    )


def _point(point: tuple[float, float]) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"


def _line(run: list[tuple[float, float]]) -> str:
    """A lone point is a line of no length, which round caps draw as a dot."""
    head, *rest = map(_point, run)
    return f"M{head}" + ("".join(f"L{point}" for point in rest) or "h0")


def _area(run: list[tuple[float, float]], height: int) -> str:
    return f"{_line(run)}L{run[-1][0]:.1f} {height}L{run[0][0]:.1f} {height}Z"
