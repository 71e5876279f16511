"""What a page of leaks says before it lists them: how many there are of which kind, and up to when that is known."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from server.store.fleet import OPEN, silent_since
from server.store.leaks import LeakFilter, conditions_of, triage_at
from server.store.tables import host_state, leaks


@dataclass(frozen=True, slots=True)
class LeakCounts:
    """Of open leaks: how many programs leak on how many hosts, how many leaks stand at their limit, how many are muted,
    and when the first that is not muted reaches its limit.

    known_hosts: all there are. judged_to_us: up to when all reporting hosts are judged for leaks, None = none is.
    unjudged: reporting hosts that no whole hour is known of.
    """

    programs: int
    hosts: int
    at_limit: int
    muted: int
    next_limit_us: int | None
    known_hosts: int
    judged_to_us: int | None
    unjudged: int


def leak_counts(connection: Connection, now_us: int) -> LeakCounts:
    found = connection.execute(
        select(
            func.count(leaks.c.program_key.distinct()),
            func.count(leaks.c.host_id.distinct()),
            func.count(case((leaks.c.phase == "at_limit", 1))),
            func.count(case((triage_at(now_us) == "muted", 1))),
        ).where(*OPEN)
    ).one()
    reports = and_(host_state.c.shown_us.is_not(None), ~silent_since(now_us))
    judged = connection.execute(
        select(
            func.count(),
            func.min(case((reports, host_state.c.digested_us))),
            func.count(case((and_(reports, host_state.c.digested_us.is_(None)), 1))),
        ).select_from(host_state)
    ).one()
    return LeakCounts(
        programs=found[0],
        hosts=found[1],
        at_limit=found[2],
        muted=found[3],
        next_limit_us=next_limit_us(connection, now_us),
        known_hosts=judged[0],
        judged_to_us=judged[1],
        unjudged=judged[2],
    )


def next_limit_us(connection: Connection, now_us: int) -> int | None:
    """When the first leak that is not muted reaches its limit; None = none can be told."""
    ahead = leaks.c.phase != "at_limit", triage_at(now_us) != "muted"
    found: int | None = connection.scalar(select(func.min(leaks.c.exhausted_us)).where(*OPEN, *ahead))
    return found


def type_choices(
    connection: Connection, status: str, now_us: int, limit: int = 100
) -> Sequence[tuple[str | None, int]]:
    """Types that leaks of this status have, the commonest first; None: those that no one type explains."""
    return _choices(connection, leaks.c.type, status, now_us, limit)


def assignee_choices(
    connection: Connection, status: str, now_us: int, limit: int = 100
) -> Sequence[tuple[str | None, int]]:
    """To whom leaks of this status are assigned, and how many; None: to nobody."""
    return _choices(connection, leaks.c.assignee, status, now_us, limit)


def _choices(
    connection: Connection, column: ColumnElement[str | None], status: str, now_us: int, limit: int
) -> Sequence[tuple[str | None, int]]:
    conditions = conditions_of(connection, LeakFilter(status=status), now_us)
    counted = select(column, func.count())
    rows = connection.execute(
        counted.where(*conditions).group_by(column).order_by(func.count().desc(), column).limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def leaking_names(connection: Connection, limit: int = 200) -> Sequence[str]:
    """Programs that leak or leaked, the commonest first, for what forms suggest."""
    rows = connection.execute(
        select(leaks.c.program, func.count())
        .where(leaks.c.standing)
        .group_by(leaks.c.program)
        .order_by(func.count().desc(), leaks.c.program)
        .limit(limit)
    )
    return [row[0] for row in rows]
