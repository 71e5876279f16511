"""Hosts that were given a token of their own lately, and whether their first reading is there. Reads only."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from server.store.tables import host_state, hosts, tokens


def enrolled_since(connection: Connection, since_us: int, limit: int) -> tuple[Sequence[Any], int]:
    """The newest of them and how many there are in all. A row has `name` and `created_us` of the token, `host` (the
    host's name, None while it is not known here), and of its newest reading `shown_us`, `handles` and `processes`."""
    wanted = (tokens.c.scope == "host", tokens.c.revoked_us.is_(None), tokens.c.created_us >= since_us)
    found = (
        select(
            tokens.c.name,
            tokens.c.created_us,
            hosts.c.name.label("host"),
            host_state.c.shown_us,
            host_state.c.handles,
            host_state.c.processes,
        )
        .select_from(tokens)
        .outerjoin(hosts, hosts.c.name_key == tokens.c.host_key)
        .outerjoin(host_state, host_state.c.host_id == hosts.c.host_id)
        .where(*wanted)
        .order_by(tokens.c.created_us.desc(), tokens.c.token_id.desc())
        .limit(limit)
    )
    total: int = connection.scalar(select(func.count()).select_from(tokens).where(*wanted)) or 0
    return connection.execute(found).all(), total
