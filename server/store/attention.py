"""What the fleet page calls attention to: leaks that nobody muted, and programs that hold nearly all they may."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, case, func, literal, select

from server.store.fleet import OPEN
from server.store.leaks import FAR, rows_of, triage_at
from server.store.tables import NEAR_LIMIT, host_state, hosts, leaks


def worst_leaks(connection: Connection, limit: int, now_us: int) -> Sequence[Any]:
    """Open leaks that are not muted, what stands at its limit first, then what reaches it first, then the fastest; with
    their hosts' names and labels and `triage_now`."""
    soon = func.coalesce(leaks.c.exhausted_us, literal(FAR, BigInteger))
    which = (
        select(leaks.c.host_id, leaks.c.leak_no)
        .where(*OPEN, triage_at(now_us) != "muted")
        .order_by(case((leaks.c.phase == "at_limit", 0), else_=1), soon, leaks.c.rate_per_hour.desc())
        .order_by(leaks.c.host_id, leaks.c.leak_no)
        .limit(limit)
    )
    return rows_of(connection, [(row.host_id, row.leak_no) for row in connection.execute(which)], now_us)


def leaks_on(connection: Connection, host_ids: Collection[int], now_us: int) -> Mapping[tuple[int, str], Any]:
    """The open leaks of these hosts by host and program, of several the fastest; with `triage_now`."""
    if not host_ids:
        return {}
    slowest_first = (
        select(leaks, triage_at(now_us).label("triage_now"))
        .where(leaks.c.host_id.in_(host_ids), *OPEN)
        .order_by(leaks.c.rate_per_hour)
    )
    return {(row.host_id, row.program): row for row in connection.execute(slowest_first)}


def near_limits(connection: Connection, limit: int) -> Sequence[Any]:
    """Hosts where a program holds nearly all it may, with `name`, `labels` and `near_limit`."""
    near = select(host_state.c.host_id).where(NEAR_LIMIT)  # by its index
    return connection.execute(
        select(hosts.c.host_id, hosts.c.name, host_state.c.labels, host_state.c.near_limit)
        .join(host_state, host_state.c.host_id == hosts.c.host_id)
        .where(host_state.c.host_id.in_(near))
        .order_by(hosts.c.name_key)
        .limit(limit)
    ).all()
