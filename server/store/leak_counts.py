"""What a page of leaks says before it lists them: how many there are of which kind, and up to when that is known."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, func, select

from server.store.fleet import OPEN, silent_since
from server.store.leaks import LeakFilter, conditions_of, triage_at
from server.store.tables import host_state, leaks


@dataclass(frozen=True, slots=True)
class OpenLeaks:
    """Of open leaks: how many there are, `heard` without the muted ones, of how many programs on how many hosts, how
    many stand at their limit, and when the first that is heard reaches its limit; None = none can be told."""

    total: int
    heard: int
    programs: int
    hosts: int
    at_limit: int
    next_limit_us: int | None

    @property
    def muted(self) -> int:
        return self.total - self.heard


@dataclass(frozen=True, slots=True)
class Judged:
    """known_hosts: all there are. judged_to_us: up to when all reporting hosts are judged for leaks, None = none is.
    unjudged: reporting hosts that no whole hour is known of."""

    known_hosts: int
    judged_to_us: int | None
    unjudged: int


def open_leaks(connection: Connection, now_us: int) -> OpenLeaks:
    heard = triage_at(now_us) != "muted"
    ahead = and_(leaks.c.phase != "at_limit", heard)
    found = connection.execute(
        select(
            func.count(),
            func.count(case((heard, 1))),
            func.count(leaks.c.program_key.distinct()),
            func.count(case((leaks.c.phase == "at_limit", 1))),
            func.min(case((ahead, leaks.c.exhausted_us))),
        ).where(*OPEN)
    ).one()
    # asked as a sum over all, SQLite reads it from the index alone
    leaking = select(func.count(case((host_state.c.leaks > 0, 1)))).select_from(host_state)
    return OpenLeaks(
        total=found[0],
        heard=found[1],
        programs=found[2],
        hosts=connection.scalar(leaking) or 0,
        at_limit=found[3],
        next_limit_us=found[4],
    )


def judged(connection: Connection, now_us: int) -> Judged:
    reports = and_(host_state.c.shown_us.is_not(None), ~silent_since(now_us))
    found = connection.execute(
        select(
            func.count(),
            func.min(case((reports, host_state.c.digested_us))),
            func.count(case((and_(reports, host_state.c.digested_us.is_(None)), 1))),
        ).select_from(host_state)
    ).one()
    return Judged(*found)


Choices = Sequence[tuple[str | None, int]]


def choices(connection: Connection, status: str, now_us: int, limit: int = 100) -> tuple[Choices, Choices]:
    """Types that leaks of this status have, None: those that no one type explains; and to whom they are assigned, None:
    to nobody. The commonest first, with how many there are."""
    conditions = conditions_of(connection, LeakFilter(status=status), now_us)
    columns = leaks.c.type, leaks.c.assignee
    types: dict[str | None, int] = defaultdict(int)
    assignees: dict[str | None, int] = defaultdict(int)
    for kind, assignee, count in connection.execute(
        select(*columns, func.count()).where(*conditions).group_by(*columns)
    ):
        types[kind] += count
        assignees[assignee] += count
    return _commonest(types, limit), _commonest(assignees, limit)


def _commonest(counts: Mapping[str | None, int], limit: int) -> Choices:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0] or ""))[:limit]


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
