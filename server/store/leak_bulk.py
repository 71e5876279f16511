"""Changing many leaks in a few statements, each as is said of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from server.store.cursors import read_page
from server.store.leaks import Id, LeakFilter, change_leaks, conditions_of, order_of, rows_of
from server.store.tables import hosts, leaks

AT_ONCE = 400  # leaks in a statement


def matching_leaks(connection: Connection, wanted: LeakFilter, *, sort: str, limit: int, now_us: int) -> list[Id]:
    """The first leaks of a list."""
    which = select(leaks.c.host_id, leaks.c.leak_no).where(*conditions_of(connection, wanted, now_us))
    which = which.join(hosts, hosts.c.host_id == leaks.c.host_id)
    rows, _ = read_page(connection, which, order_of(sort), sort=sort, limit=limit, cursor=None)
    return [(row.host_id, row.leak_no) for row in rows]


def rows_by_id(connection: Connection, ids: Sequence[Id], now_us: int) -> dict[Id, Any]:
    """Those that are there, as rows of a list."""
    found = {}
    for at in range(0, len(ids), AT_ONCE):
        for row in rows_of(connection, ids[at : at + AT_ONCE], now_us):
            found[row.host_id, row.leak_no] = row
    return found


def change_each(
    connection: Connection, rows: Mapping[Id, Any], wanted: Mapping[Id, Mapping[str, Any]], *, by: str, now_us: int
) -> int:
    """Change leaks, of `rows`, each in its way, as `change_leaks` does; how many can't be: they are gone, or ended by
    themselves and so can't be opened again."""
    alike: dict[tuple[tuple[str, Any], ...], list[Id]] = {}
    kept = 0
    for one, changes in wanted.items():
        row = rows.get(one)
        opens = changes.get("state") == "leaking"
        if row is None or (opens and row.state == "resolved" and row.closed_by is None):
            kept += 1
        else:
            alike.setdefault(tuple(sorted(changes.items())), []).append(one)
    for said, ids in alike.items():
        for at in range(0, len(ids), AT_ONCE):
            change_leaks(connection, ids[at : at + AT_ONCE], dict(said), by=by, now_us=now_us)
    return kept
