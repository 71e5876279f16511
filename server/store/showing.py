"""Which hosts show a signature, and how many at which level."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select

from server.store.cursors import after, pack_cursor, unpack_cursor
from server.store.tables import host_state, hosts, matches

LEVELS = ("leaking", "present", "exposed", "cleared")


@dataclass(frozen=True, slots=True)
class ShowingPage:
    """`rows`: matches joined with hosts and host_state."""

    rows: Sequence[Any]
    total: int
    next: str | None


def _weight() -> ColumnElement[Any]:
    return case(*[(matches.c.level == level, len(LEVELS) - at) for at, level in enumerate(LEVELS)], else_=0)


def _sorts() -> dict[str, tuple[Sequence[ColumnElement[Any]], Sequence[type]]]:
    handles = func.coalesce(matches.c.handles, -1)
    return {
        "level": ([_weight(), handles], [int, int]),
        "host": ([], []),
        "os": (
            [
                host_state.c.os_family,
                func.coalesce(host_state.c.os_name, ""),
                func.coalesce(host_state.c.os_version, ""),
                func.coalesce(host_state.c.service_pack, ""),
            ],
            [str, str, str, str],
        ),
        "program": ([func.coalesce(matches.c.program, "")], [str]),
        "handles": ([handles], [int]),
        "distinct": ([func.coalesce(matches.c.distinct_objects, -1)], [int]),
        "rate": ([func.coalesce(matches.c.rate_per_hour, -1.0)], [float]),
        "since": ([func.coalesce(matches.c.first_seen_us, -1)], [int]),
        "last_seen": ([func.coalesce(matches.c.last_seen_us, -1)], [int]),
        "version": ([func.coalesce(matches.c.software_version, "")], [str]),
    }


SHOWING_SORTS = tuple(_sorts())


def list_showing(
    connection: Connection, signature_id: str, *, level: str, sort: str, limit: int, cursor: str | None
) -> ShowingPage:
    """A page of the hosts that show a signature; `level` "" means any. Default order: `-level`, the worst first."""
    columns, kinds = _sorts()[sort.removeprefix("-")]
    keys = [*columns, hosts.c.name_key]
    down = [sort.startswith("-")] * len(columns) + [sort == "-host"]
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
        )
        .join(hosts, hosts.c.host_id == matches.c.host_id)
        .join(host_state, host_state.c.host_id == matches.c.host_id)
        .where(*conditions)
    )
    if cursor:
        query = query.where(after(keys, down, unpack_cursor(cursor, sort, [*kinds, str])))
    ordered = query.add_columns(*[key.label(f"key_{i}") for i, key in enumerate(keys)]).order_by(
        *[key.desc() if is_down else key for key, is_down in zip(keys, down, strict=True)]
    )
    rows = connection.execute(ordered.limit(limit + 1)).all()
    more = len(rows) > limit
    rows = rows[:limit]
    total = connection.scalar(select(func.count()).select_from(matches).where(*conditions))
    return ShowingPage(
        rows=rows,
        total=total or 0,
        next=pack_cursor(sort, [getattr(rows[-1], f"key_{i}") for i in range(len(keys))]) if more else None,
    )


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
