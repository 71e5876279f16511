"""The programs of each host that grew fastest over its last whole day, in a row a host, so that those of the whole
fleet are told by a few rows of an index."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, func, select

from server.analysis.instants import DAY
from server.analysis.slopes import MOST, Slope
from server.store.database import upsert
from server.store.tables import growing, hosts

FRESH = 2 * DAY  # behind the newest day of any host: what is older stands for a host that is gone


@dataclass(frozen=True, slots=True)
class Growing:
    """A program of a host. `day_us`: when the day began."""

    host: str
    day_us: int
    slope: Slope


def write_growing(connection: Connection, host_id: int, day_us: int, slopes: Sequence[Slope]) -> None:
    """Note what grew on a day, unless a later day is noted."""
    packed = msgspec.msgpack.encode([(one.program, one.rate_per_hour, one.handles) for one in slopes])
    said = {"day_us": day_us, "fastest": slopes[0].rate_per_hour if slopes else 0.0, "programs": packed}
    statement = upsert(connection, growing).values(host_id=host_id, **said)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["host_id"], set_=said, where=growing.c.day_us <= day_us)
    )


def fastest_programs(connection: Connection, limit: int = MOST) -> list[Growing]:
    """Of the fleet, fastest first; `limit` is at most MOST. A program is among them only if its host's fastest is among
    as many hosts' fastest."""
    newest_us = select(func.max(growing.c.day_us)).scalar_subquery()
    rows = connection.execute(
        select(growing)
        .where(growing.c.fastest > 0, growing.c.day_us >= newest_us - FRESH)
        .order_by(growing.c.fastest.desc(), growing.c.host_id)
        .limit(limit)
    ).all()
    ids = [row.host_id for row in rows]
    named = select(hosts.c.host_id, hosts.c.name).where(hosts.c.host_id.in_(ids))
    names = {row.host_id: row.name for row in connection.execute(named)} if ids else {}
    found = [
        Growing(names[row.host_id], row.day_us, Slope(*told))
        for row in rows
        if row.host_id in names
        for told in msgspec.msgpack.decode(row.programs)
    ]
    return sorted(found, key=lambda one: (-one.slope.rate_per_hour, one.host, one.slope.program))[:limit]
