"""Taking back what a person just said of leaks, as the log of their changes tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import aliased

from server.analysis.instants import to_us
from server.store.leak_bulk import change_each, rows_by_id
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
    every = aliased(leak_actions)
    same = (every.c.host_id == leak_actions.c.host_id) & (every.c.leak_no == leak_actions.c.leak_no)
    rows = connection.execute(
        select(leak_actions, every.c.action_no.label("each_no"), every.c.changes.label("each"))
        .join(every, same)
        .where(leak_actions.c.at_us == at_us, leak_actions.c.by == by)
        .order_by(leak_actions.c.host_id, leak_actions.c.leak_no, leak_actions.c.action_no, every.c.action_no)
    )
    found: dict[tuple[int, int, int], Step] = {}
    for row in rows:
        key = row.host_id, row.leak_no, row.action_no
        step = found.setdefault(key, Step(row.host_id, row.leak_no, row.changes, dict(_AT_FIRST)))
        if row.each_no < row.action_no:
            found[key] = replace(step, before={**step.before, **row.each})
        elif row.each_no > row.action_no:
            found[key] = replace(step, overtaken=True)
    return list(found.values())


def take_back(connection: Connection, steps: Sequence[Step], *, by: str, now_us: int) -> int:
    """Give leaks their former values back; how many stay as they are, since somebody changed them since, or they are
    gone. A muting that would have ended by now has."""
    wanted = {(step.host_id, step.leak_no): _before(step, now_us) for step in steps if not step.overtaken}
    rows = rows_by_id(connection, list(wanted), now_us)
    return len(steps) - len(wanted) + change_each(connection, rows, wanted, by=by, now_us=now_us)


def _before(step: Step, now_us: int) -> dict[str, Any]:
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
    return values
