"""The rows of "Needs attention" on the fleet page."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from server.analysis.catalogue import Signature
from server.analysis.instants import from_us
from server.store import attention, fleet, showing
from server.store.leaks import leak_id
from server.web import views
from server.web.api.signatures import literal
from server.web.pages import shell as shells

MOST = 12
LEAST_SILENT = 3
_MOST_NEAR = 4 * MOST  # hosts looked at


def rows(
    connection: Connection, catalogue: Mapping[str, Signature], now_us: int, *, heard: int
) -> tuple[tuple[views.Attention, ...], int]:
    """The worst first: what stands at its limit, known leaks, what else leaks by when it is full, what holds nearly all
    it may, who is silent; nothing that is muted. And how many more there are. `heard`: leaks that are not muted."""
    known = showing.worst_showing(connection, MOST)
    worst = attention.worst_leaks(connection, 2 * MOST, now_us)
    near = attention.near_limits(connection, _MOST_NEAR)
    by_program = attention.leaks_on(connection, {row.host_id for row in (*known, *near)}, now_us)
    explained = {(row.host_id, row.program) for row in known}
    silent = [_silent(row) for row in fleet.silent_hosts(connection, now_us, MOST)]
    named = [
        _known(row, leak, catalogue, now_us)
        for row in known
        for leak in [by_program.get((row.host_id, row.program))]
        if leak is None or leak.triage_now != "muted"
    ]
    others = [_leak(row, now_us) for row in worst if (row.host_id, row.program) not in explained]
    pressed = [
        _near(row, one) for row in near for one in row.near_limit if (row.host_id, one["program"]) not in by_program
    ]
    loud = sorted([*named, *others], key=lambda one: one.phase != "at_limit") + pressed
    unseen = max(0, heard - len(worst))
    more = max(0, len(loud) + unseen + len(silent) - MOST)
    # hosts that fell silent find room however much leaks: nothing is known of what goes on there
    loud = loud[: MOST - min(len(silent), LEAST_SILENT)]
    return (*loud, *silent[: MOST - len(loud)]), more


def _known(row: Any, leak: Any, catalogue: Mapping[str, Signature], now_us: int) -> views.Attention:
    signature = catalogue.get(row.signature_id)
    return views.Attention(
        kind="leaking",
        host=row.name,
        program=row.program,
        type=signature.said.match.type if signature else None,
        object=literal(signature.said.match.object) if signature else None,
        handles=row.handles,
        rate_per_hour=row.rate_per_hour,
        since=shells.moment(row.first_seen_us),
        signature=shells.badge(catalogue, row.signature_id, row.level),
        simulated=shells.is_simulated(row.labels),
        **({} if leak is None else _of_leak(leak, now_us)),
    )


def _leak(row: Any, now_us: int) -> views.Attention:
    return views.Attention(
        kind="growing",
        host=row.name,
        program=row.program,
        type=row.type,
        object=row.object,
        handles=row.handles,
        rate_per_hour=row.rate_per_hour,
        since=from_us(row.started_us),
        simulated=shells.is_simulated(row.labels),
        **_of_leak(row, now_us),
    )


def _of_leak(leak: Any, now_us: int) -> dict[str, Any]:
    full_us = None if leak.phase == "at_limit" else leak.exhausted_us
    return {
        "leak": leak_id(leak),
        "phase": leak.phase,
        "triage": leak.triage_now,
        "assignee": leak.assignee,
        "full_in_s": shells.seconds_to(full_us, now_us),
    }


def _near(row: Any, one: Mapping[str, Any]) -> views.Attention:
    return views.Attention(
        kind="near_limit",
        host=row.name,
        program=one["program"],
        handles=one["handles"],
        limit=one["limit"],
        simulated=shells.is_simulated(row.labels),
    )


def _silent(row: Any) -> views.Attention:
    return views.Attention(
        kind="silent", host=row.name, since=shells.moment(row.shown_us), simulated=shells.is_simulated(row.labels)
    )
