"""Hosts that were given a token of their own lately, and whether their first reading is there. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from server.store.tables import host_state, hosts, tokens


@dataclass(frozen=True, slots=True)
class Enrolled:
    """`name` and `created_us` of the token; the host's name, None while it is not known here; its newest reading."""

    name: str
    created_us: int
    host: str | None
    shown_us: int | None = None
    handles: int | None = None
    processes: int | None = None


def enrolled_since(connection: Connection, since_us: int, limit: int) -> tuple[Sequence[Enrolled], int]:
    """The newest of them and how many there are in all."""
    wanted = (tokens.c.scope == "host", tokens.c.revoked_us.is_(None), tokens.c.created_us >= since_us)
    found = connection.execute(
        select(tokens.c.name, tokens.c.created_us, hosts.c.name.label("host"), hosts.c.host_id)
        .select_from(tokens)
        .outerjoin(hosts, hosts.c.name_key == tokens.c.host_key)
        .where(*wanted)
        .order_by(tokens.c.created_us.desc(), tokens.c.token_id.desc())
        .limit(limit)
    ).all()
    columns = host_state.c.host_id, host_state.c.shown_us, host_state.c.handles, host_state.c.processes
    known = [row.host_id for row in found if row.host_id is not None]
    read = connection.execute(select(*columns).where(host_state.c.host_id.in_(known))).all() if known else []
    newest = {row.host_id: row[1:] for row in read}
    total: int = connection.scalar(select(func.count()).select_from(tokens).where(*wanted)) or 0
    told = [Enrolled(row.name, row.created_us, row.host, *newest.get(row.host_id, ())) for row in found]
    return told, total
