"""What a chart shows of leaks, from their rows and evidence."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import Any

import msgspec

from server.analysis.evidence import Evidence
from server.analysis.instants import HOUR, SECOND
from server.web.render import rate, visible
from server.web.views_chart import Forecast, Mark, Overlay, Step, Trend

MOST_RESTARTS = 200
_LONGEST_NAME = 32


def evidence_of(row: Any) -> Evidence:
    return msgspec.convert(row.evidence, Evidence)


def of_leak(row: Any, evidence: Evidence, *, room: int | None = None) -> Overlay:
    """All of one leak, for the series that its type names; `room`: how many it may hold of the type, where the limit is
    of all types."""
    restarts = [Mark(at_s=one // SECOND, label="restart", kind="restart") for one in evidence.restarts[-MOST_RESTARTS:]]
    return Overlay(
        steps=tuple(
            Step(from_s=piece.from_us // SECOND, to_s=piece.to_us // SECOND, low=piece.low) for piece in evidence.pieces
        ),
        trends=(_trend(row, evidence),) if row.rate_per_hour > 0 else (),
        forecasts=tuple(one if room is None else replace(one, limit=room) for one in _forecasts(row)),
        marks=(*marks_of(row), *restarts),
        began=_began(row),
    )


def of_host(rows: Sequence[Any], *, program: str | None, held: int | None = None) -> Overlay:
    """The leaks of a host over its chart: of all programs when each began; narrowed to one, its forecasts too, from
    what its one process holds now (`held`); None where there are more."""
    if program is None:
        return Overlay(
            marks=tuple(
                Mark(
                    at_s=row.started_us // SECOND, label=f"{visible(row.program)[:_LONGEST_NAME]} begins", kind="began"
                )
                for row in rows
                if row.state == "leaking"
            )
        )
    return Overlay(
        forecasts=tuple(
            forecast if held is None else replace(forecast, from_value=held)
            for row in rows
            for forecast in _forecasts(row)
            if _alone(row, held)
        ),
        marks=tuple(mark for row in rows for mark in marks_of(row)),
        began=tuple(span for row in rows if row.state == "leaking" for span in _began(row)),
    )


def ahead_s(overlay: Overlay, *, span_s: int, to_s: int) -> int:
    """How far beyond its end a chart of this span reaches for a forecast: to its latest end, within reason."""
    ends = [forecast.latest_s for forecast in overlay.forecasts]
    return max(0, min(max(ends, default=to_s) - to_s + span_s // 25, span_s // 2)) if ends else 0


def marks_of(row: Any) -> list[Mark]:
    found = [
        Mark(at_s=row.started_us // SECOND, label="began", kind="began"),
        Mark(
            at_s=row.detected_us // SECOND,
            label="told again" if row.phase == "returned" else "detected",
            kind="detected",
        ),
    ]
    if row.at_limit_us is not None:
        found.append(Mark(at_s=row.at_limit_us // SECOND, label="at its limit", kind="at_limit"))
    if row.state == "resolved" and row.resolved_us is not None:
        found.append(Mark(at_s=row.resolved_us // SECOND, label="resolved", kind="resolved"))
    return found


def _began(row: Any) -> tuple[tuple[int, int], ...]:
    """From when to when it may have begun, where that is told."""
    if row.started_from_us >= row.started_to_us:
        return ()
    return ((row.started_from_us // SECOND, row.started_to_us // SECOND),)


def _trend(row: Any, evidence: Evidence) -> Trend:
    """The line of the rate told, from when it began: through the lows of its pieces, or to what is held."""
    end_us = row.last_seen_us
    if row.state == "resolved" and row.resolved_us is not None:  # it is told as over some time after it stopped
        rose = [after.to_us for before, after in pairwise(evidence.pieces) if after.low > before.low]
        end_us = min(row.resolved_us, rose[-1] if rose else row.resolved_us)
    per_us = row.rate_per_hour / HOUR
    pieces = [piece for piece in evidence.pieces if piece.from_us >= row.started_us] or evidence.pieces
    if pieces:  # what rises is lowest where a piece begins
        at_start = median([piece.low - per_us * (piece.from_us - row.started_us) for piece in pieces])
    else:
        at_start = (row.handles or 0) - per_us * (row.last_seen_us - row.started_us)
    return Trend(
        label=f"the growth told, {rate(row.rate_per_hour)}",
        from_s=row.started_us // SECOND,
        from_value=round(max(at_start, 0.0), 1),
        to_s=end_us // SECOND,
        to_value=round(max(at_start + per_us * (end_us - row.started_us), 0.0), 1),
    )


def _forecasts(row: Any) -> tuple[Forecast, ...]:
    if row.state != "leaking" or row.phase == "at_limit" or None in (row.exhausted_us, row.limit, row.handles):
        return ()
    earliest_us = row.exhausted_us if row.exhausted_from_us is None else row.exhausted_from_us
    latest_us = row.exhausted_us if row.exhausted_to_us is None else row.exhausted_to_us
    return (
        Forecast(
            from_s=row.last_seen_us // SECOND,
            from_value=row.handles,
            limit=row.limit,
            earliest_s=earliest_us // SECOND,
            likely_s=row.exhausted_us // SECOND,
            latest_s=latest_us // SECOND,
        ),
    )


def _alone(row: Any, held: int | None) -> bool:
    """Whether it is the leak that fills the limit, as a chart of all of its program's handles shows it."""
    return row.type is None or (held is not None and row.handles is not None and row.handles >= 0.5 * held)
