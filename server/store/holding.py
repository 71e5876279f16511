"""Holding one host against everybody else, whether anything is known of it yet or not."""

from sqlalchemy import Connection, select

from server.store.database import upsert
from server.store.tables import host_state

_NOTHING = {
    "os_family": "other",
    "labels": {},
    "collector": {},
    "skew_s": 0,
    "leaks": 0,
    "sparkline": [],
    "advice": [],
    "pushed_seq": 0,
    "judged_seq": 0,
    "sealed_us": 0,
    "claimed_until_us": 0,
}


def hold_host(connection: Connection, host_id: int) -> None:
    """Hold a host's state, made if there is none, until the transaction ends. Who also makes it meanwhile waits."""
    new = upsert(connection, host_state).values(host_id=host_id, **_NOTHING)
    connection.execute(new.on_conflict_do_nothing())
    connection.execute(select(host_state.c.host_id).where(host_state.c.host_id == host_id).with_for_update())
