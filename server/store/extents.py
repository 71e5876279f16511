"""Which hosts there are, and over which times the history of one reaches, without the history itself."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from server.analysis.instants import DAY
from server.store.tables import blocks, host_labels, hosts, snapshots


class NamedHost(NamedTuple):
    host_id: int
    name: str
    name_key: str


class Extent(NamedTuple):
    """So many snapshots between two shown times (both inclusive), kept at this step."""

    from_us: int
    to_us: int
    snapshots: int
    step_s: int


def named_hosts(connection: Connection, name_keys: Sequence[str]) -> list[NamedHost]:
    """Those with these names, casefolded; all if none is given. By name."""
    query = select(hosts.c.host_id, hosts.c.name, hosts.c.name_key).order_by(hosts.c.name_key)
    if name_keys:
        query = query.where(hosts.c.name_key.in_(name_keys))
    return [NamedHost(*row) for row in connection.execute(query)]


def has_labels(connection: Connection, host_id: int, labels: Sequence[tuple[str, str]]) -> bool:
    found = select(host_labels.c.key, host_labels.c.value).where(host_labels.c.host_id == host_id)
    return set(labels) <= {(key, value) for key, value in connection.execute(found)}


def extents(connection: Connection, host_id: int, from_us: int, to_us: int) -> list[Extent]:
    """Of the blocks that reach into a range, and of the recent snapshots in it, those of a UTC day together. Recent
    ones are counted first: what is packed meanwhile counts twice rather than not at all."""
    day = snapshots.c.shown_us // DAY
    recent = connection.execute(
        select(func.min(snapshots.c.shown_us), func.max(snapshots.c.shown_us), func.count())
        .where(snapshots.c.host_id == host_id, snapshots.c.shown_us >= from_us, snapshots.c.shown_us <= to_us)
        .group_by(day)
    ).all()
    packed = connection.execute(
        select(blocks.c.shown_from_us, blocks.c.shown_to_us, blocks.c.snapshots, blocks.c.step_s).where(
            blocks.c.host_id == host_id, blocks.c.shown_from_us <= to_us, blocks.c.shown_to_us >= from_us
        )
    )
    return [*(Extent(*row) for row in packed), *(Extent(first, last, count, 0) for first, last, count in recent)]
