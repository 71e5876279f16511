"""What the address of `/leaks` narrows the list to."""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection

from server.analysis.catalogue import Signature
from server.store import fleet
from server.store.leak_signatures import types_of
from server.store.leaks import PHASES, STATUSES, TRIAGES, LeakFilter
from server.web import queries, views_leaks

NONE = "-"  # in the address: that a leak has no type, or is nobody's
NOBODY = -1  # no host has this id
SORT = "left"  # where the address names none


def leaks_query(parameters: Mapping[str, str]) -> views_leaks.LeaksQuery:
    """Raises Problem 422 for what no such page has."""
    said = {name: queries.plain(parameters.get(name), name) for name in views_leaks.LeaksQuery.__slots__}
    query = views_leaks.LeaksQuery(**said)
    if query.status == "open":
        query = replace(query, status="")
    if query.view == "leaks":
        query = replace(query, view="")
    for name, known in (
        ("view", ("groups",)),
        ("status", STATUSES),
        ("phase", PHASES),
        ("triage", TRIAGES),
    ):
        value = getattr(query, name)
        if value and value not in known:
            raise queries.bad(name, f"must be one of {', '.join(known)}")
    return query


def leak_filter(
    connection: Connection, query: views_leaks.LeaksQuery, catalogue: Mapping[str, Signature]
) -> LeakFilter:
    host = fleet.find_host(connection, query.host) if query.host else None
    return LeakFilter(
        status=query.status or "open",
        host_id=None if not query.host else NOBODY if host is None else host.host_id,
        search=query.search,
        program=query.program,
        type=_named(query.type),
        object=_named(query.object),
        signature=query.signature,
        triage=query.triage,
        assignee=_named(query.assignee),
        phase=query.phase,
        labels=[queries.label(query.label)] if query.label else [],
        types=types_of(catalogue),
    )


def _named(text: str) -> str | None:
    """What the store takes: None any, "" none."""
    return None if not text else "" if text == NONE else text
