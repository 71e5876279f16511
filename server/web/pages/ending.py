"""Why a leak counts as over, in a sentence."""

from typing import Any

from server.analysis.evidence import Evidence

_BACK = 0.15  # of what it took: as near to where it began counts as back


def resolved_why(row: Any, evidence: Evidence, *, running: bool, known: bool, went_on: bool) -> str | None:
    """None for a leak that is not over. `running`: whether the program ran when it was told as over; `known`: whether
    readings of then are; `went_on`: a later leak of the program began before."""
    if row.state != "resolved":
        return None
    if row.closed_by is not None:
        return f"{row.closed_by} resolved it."
    why = (row.track or {}).get("why")  # what judging saw
    if why == "gone" or (why is None and known and not running):
        return "It is over: the program is gone."
    if went_on:
        return "It is told on as a later leak of the program."
    if why == "back" or (why is None and _is_back(row, evidence)):
        return "It is over: what it took was given back."
    return "It is over: it grows no more."


def _is_back(row: Any, evidence: Evidence) -> bool:
    lows = [piece.low for piece in evidence.pieces]
    return bool(lows) and row.handles is not None and row.handles <= lows[0] + _BACK * max(max(lows) - lows[0], 0)
