"""What happened on hosts: rows derived anew from a time on, and a list of them, newest first, to which the silences
that last are added as of now."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    cast,
    delete,
    func,
    literal,
    null,
    or_,
    select,
)

from server.analysis.events import Event
from server.analysis.instants import DAY
from server.store.cursors import Key, pack_cursor, read_page, unpack_cursor
from server.store.database import upsert
from server.store.fleet import silent_since
from server.store.tables import events, host_state, hosts

KEPT = 730 * DAY  # back from the host's newest event
MOST = 2_000  # of a host; the oldest go
MOST_A_DAY = 20  # of a kind, so that none fills the list; the first of a day stay
_BOUNDED = "software"  # where it is derived: what comes at once belongs together
_ORDER = "newest"


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What a list of events is narrowed to; None: not at all. `from_us` and `to_us` are of the time, inclusive."""

    host_id: int | None = None
    kinds: Sequence[str] = ()
    from_us: int | None = None
    to_us: int | None = None


def replace_events(connection: Connection, host_id: int, from_us: int, found: Sequence[Event]) -> None:
    """Put what was derived from `from_us` on in the place of what was known of snapshots since then."""
    derived = (events.c.host_id == host_id) & (events.c.kind != _BOUNDED) & (events.c.seen_us >= from_us)
    connection.execute(delete(events).where(derived))
    add_events(connection, host_id, found)


def add_events(connection: Connection, host_id: int, found: Sequence[Event]) -> None:
    """Add events, as far as there is room: so many of a kind and day, and so many of a host."""
    if not found:
        return
    rows = [
        {
            "host_id": host_id,
            "time_us": one.time_us,
            "kind": one.kind,
            "key": one.key,
            "seen_us": one.seen_us,
            "until_us": one.until_us,
            "detail": dict(one.detail),
        }
        for one in _capped(connection, host_id, found)
    ]
    for start in range(0, len(rows), 500):
        new = upsert(connection, events).values(rows[start : start + 500])
        connection.execute(new.on_conflict_do_nothing())
    _prune(connection, host_id)


def _capped(connection: Connection, host_id: int, found: Sequence[Event]) -> Sequence[Event]:
    """Without those beyond the first of their kind in a day, by the snapshots that tell of them."""
    capped = sorted((one for one in found if one.kind != _BOUNDED), key=lambda one: (one.seen_us, one.kind, one.key))
    if not capped:
        return found
    first_us, room = capped[0].seen_us, Counter[tuple[str, int]]()
    of_day = events.c.host_id == host_id, events.c.seen_us >= first_us // DAY * DAY, events.c.seen_us < first_us
    there = select(events.c.kind, func.count()).where(*of_day, events.c.kind != _BOUNDED).group_by(events.c.kind)
    for kind, count in connection.execute(there):
        room[kind, first_us // DAY] = count
    kept = [one for one in found if one.kind == _BOUNDED]
    for one in capped:
        room[one.kind, one.seen_us // DAY] += 1
        if room[one.kind, one.seen_us // DAY] <= MOST_A_DAY:
            kept.append(one)
    return kept


def _prune(connection: Connection, host_id: int) -> None:
    of_host = events.c.host_id == host_id
    newest = connection.scalar(select(func.max(events.c.time_us)).where(of_host)) or 0
    last = select(events.c.time_us).where(of_host).order_by(events.c.time_us.desc()).offset(MOST - 1).limit(1)
    oldest = max(newest - KEPT, connection.scalar(last) or newest - KEPT)
    connection.execute(delete(events).where(of_host, events.c.time_us < oldest))


def list_events(
    connection: Connection, wanted: EventFilter, *, limit: int, cursor: str | None, now_us: int
) -> tuple[Sequence[Any], str | None]:
    """A page of events, newest first, as rows with the host's name; and the next page's cursor. Problem 422 for a bad
    cursor."""
    after: tuple[int, int, str, str] | None = None
    if cursor:  # says the same as the cursor's own condition, but so that an index finds where to begin
        time_us, host_id, kind, key = unpack_cursor(cursor, _ORDER, [int, int, str, str])
        after = time_us, host_id, kind, key
        wanted = replace(wanted, to_us=time_us if wanted.to_us is None else min(time_us, wanted.to_us))
    keys = [Key(events.c.time_us, int, True), Key(events.c.host_id, int, False)]
    keys += [Key(events.c.kind, str, False), Key(events.c.key, str, False)]
    recorded, rest = read_page(connection, _recorded(wanted), keys, sort=_ORDER, limit=limit, cursor=cursor)
    lasting = _lasting(connection, wanted, now_us, limit=limit + 1, after=after)
    found = [((-row.time_us, row.host_id, row.kind, row.key), row) for row in (*recorded, *lasting)]
    more = rest is not None
    found.sort(key=lambda one: one[0])
    page = [row for _, row in found[:limit]]
    if not page or not (more or len(found) > limit):
        return page, None
    last = page[-1]
    return page, pack_cursor(_ORDER, [last.time_us, last.host_id, last.kind, last.key])


def _recorded(wanted: EventFilter) -> Select[Any]:
    query = select(events, hosts.c.name).join(hosts, hosts.c.host_id == events.c.host_id)
    if wanted.kinds:
        query = query.where(events.c.kind.in_(wanted.kinds))
    return _narrowed(query, wanted, events.c.time_us, events.c.host_id)


def _lasting(
    connection: Connection, wanted: EventFilter, now_us: int, *, limit: int, after: tuple[int, int, str, str] | None
) -> Sequence[Any]:
    """The hosts that are silent now, as events, in their order; each has one at most."""
    if wanted.kinds and "silence" not in wanted.kinds:
        return []
    time_us, host_id = host_state.c.shown_us, host_state.c.host_id
    query = (
        select(
            host_id,
            time_us.label("time_us"),
            literal("silence").label("kind"),
            literal("").label("key"),
            time_us.label("seen_us"),
            cast(null(), BigInteger).label("until_us"),
            cast(null(), JSON).label("detail"),
            hosts.c.name,
        )
        .join(hosts, hosts.c.host_id == host_id)
        .where(silent_since(now_us))
    )
    if after is not None:
        at_us, of_host, *told = after
        later = host_id >= of_host if told < ["silence", ""] else host_id > of_host
        query = query.where(or_(time_us < literal(at_us, BigInteger), and_(time_us == at_us, later)))
    ordered = _narrowed(query, wanted, time_us, host_id).order_by(time_us.desc(), host_id)
    return connection.execute(ordered.limit(literal(limit, BigInteger))).all()


def _narrowed(
    query: Select[Any], wanted: EventFilter, time_us: ColumnElement[Any], host_id: ColumnElement[Any]
) -> Select[Any]:
    if wanted.host_id is not None:
        query = query.where(host_id == wanted.host_id)
    if wanted.from_us is not None:
        query = query.where(time_us >= literal(wanted.from_us, BigInteger))
    if wanted.to_us is not None:
        query = query.where(time_us <= literal(wanted.to_us, BigInteger))
    return query
