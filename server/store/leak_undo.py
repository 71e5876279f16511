"""Taking back what a person just said of leaks, as the log of their changes tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from server.analysis.instants import to_us
from server.store.leaks import change_leak
from server.store.tables import leak_actions

_AT_FIRST: Mapping[str, Any] = {
    "triage": "new",
    "muted_until": None,
    "muted_above_rate_per_hour": None,
    "assignee": None,
    "note": None,
    "state": "leaking",
}
_MUTING = ("triage", "muted_until", "muted_above_rate_per_hour")


@dataclass(frozen=True, slots=True)
class Step:
    """One leak's share in what a person did at a time: `before` holds the former values of what `changes` changed.
    overtaken: somebody changed that leak since."""

    host_id: int
    leak_no: int
    changes: Mapping[str, Any]
    before: Mapping[str, Any] = field(default_factory=dict)
    overtaken: bool = False


def steps_of(connection: Connection, at_us: int, by: str) -> Sequence[Step]:
    """What `by` did at that very time, leak by leak."""
    at_that_time = leak_actions.c.at_us == at_us, leak_actions.c.by == by
    order = leak_actions.c.host_id, leak_actions.c.leak_no
    return [
        _step(connection, row) for row in connection.execute(select(leak_actions).where(*at_that_time).order_by(*order))
    ]


def _step(connection: Connection, row: Any) -> Step:
    of_leak = leak_actions.c.host_id == row.host_id, leak_actions.c.leak_no == row.leak_no
    newest = connection.scalar(select(func.max(leak_actions.c.action_no)).where(*of_leak))
    earlier = (
        select(leak_actions.c.changes)
        .where(*of_leak, leak_actions.c.action_no < row.action_no)
        .order_by(leak_actions.c.action_no)
    )
    before = dict(_AT_FIRST)
    for (changes,) in connection.execute(earlier):
        before |= changes
    return Step(row.host_id, row.leak_no, row.changes, before, newest != row.action_no)


def take_back(connection: Connection, step: Step, *, by: str, now_us: int) -> bool:
    """Give a leak its former values back; False where somebody changed it since, or it is gone. A muting that would
    have ended by now has."""
    if step.overtaken:
        return False
    before = step.before
    values: dict[str, Any] = {name: before[name] for name in ("assignee", "note", "state") if name in step.changes}
    if any(name in step.changes for name in _MUTING):
        until = before["muted_until"]
        until_us = None if until is None else to_us(datetime.fromisoformat(until))
        if before["triage"] != "muted" or (until_us is not None and until_us <= now_us):
            values["triage"] = "new" if before["triage"] == "muted" else before["triage"]
        else:
            values |= {
                "triage": "muted",
                "muted_until_us": until_us,
                "muted_rate": before["muted_above_rate_per_hour"],
            }
    return change_leak(connection, step.host_id, step.leak_no, values, by=by, now_us=now_us) is not None
