"""Which hosts show a signature, and how many at which level."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select

from server.analysis.signatures import LEVELS
from server.store.cursors import Key, read_page
from server.store.fleet import OS_ORDER
from server.store.tables import host_state, hosts, matches


@dataclass(frozen=True, slots=True)
class ShowingPage:
    """`rows`: matches joined with hosts and host_state."""

    rows: Sequence[Any]
    total: int
    next: str | None


def _weight() -> ColumnElement[Any]:
    return case(*[(matches.c.level == level, len(LEVELS) - at) for at, level in enumerate(LEVELS)], else_=0)


def _sorts() -> Mapping[str, Sequence[tuple[ColumnElement[Any], type]]]:
    handles = func.coalesce(matches.c.handles, -1)
    return {
        "level": ((_weight(), int), (handles, int)),
        "host": (),
        "os": OS_ORDER,
        "program": ((func.coalesce(matches.c.program, ""), str),),
        "handles": ((handles, int),),
        "distinct": ((func.coalesce(matches.c.distinct_objects, -1), int),),
        "rate": ((func.coalesce(matches.c.rate_per_hour, -1.0), float),),
        "since": ((func.coalesce(matches.c.first_seen_us, -1), int),),
        "last_seen": ((func.coalesce(matches.c.last_seen_us, -1), int),),
        "version": ((func.coalesce(matches.c.software_version, ""), str),),
    }


SHOWING_SORTS = tuple(_sorts())


def list_showing(
    connection: Connection, signature_id: str, *, level: str, sort: str, limit: int, cursor: str | None
) -> ShowingPage:
    """A page of the hosts that show a signature; `level` "" means any. Default order: `-level`, the worst first."""
    descends = sort.startswith("-")
    keys = [Key(column, kind, descends) for column, kind in _sorts()[sort.removeprefix("-")]]
    keys.append(Key(hosts.c.name_key, str, sort == "-host"))
    conditions = [matches.c.signature_id == signature_id]
    if level:
        conditions.append(matches.c.level == level)
    query = (
        select(
            matches,
            hosts.c.name,
            host_state.c.os_family,
            host_state.c.os_name,
            host_state.c.os_version,
            host_state.c.service_pack,
            host_state.c.labels,
            host_state.c.shown_us,
            host_state.c.interval_s,
            host_state.c.cadence_s,
        )
        .join(hosts, hosts.c.host_id == matches.c.host_id)
        .join(host_state, host_state.c.host_id == matches.c.host_id)
        .where(*conditions)
    )
    rows, next_cursor = read_page(connection, query, keys, sort=sort, limit=limit, cursor=cursor)
    total = connection.scalar(select(func.count()).select_from(matches).where(*conditions))
    return ShowingPage(rows=rows, total=total or 0, next=next_cursor)


def level_counts(connection: Connection) -> Mapping[str, Mapping[str, int]]:
    """Hosts by signature and level."""
    rows = connection.execute(
        select(matches.c.signature_id, matches.c.level, func.count()).group_by(matches.c.signature_id, matches.c.level)
    )
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        counts[row[0]][row[1]] = row[2]
    return counts


def worst_showing(connection: Connection, limit: int) -> Sequence[Any]:
    """Hosts with a signature at level leaking, most handles first."""
    return connection.execute(
        select(matches, hosts.c.name, host_state.c.labels)
        .join(hosts, hosts.c.host_id == matches.c.host_id)
        .join(host_state, host_state.c.host_id == matches.c.host_id)
        .where(matches.c.level == "leaking")
        .order_by(func.coalesce(matches.c.handles, 0).desc(), hosts.c.name_key)
        .limit(limit)
    ).all()
