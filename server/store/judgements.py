"""What judging a host needs and leaves behind: its facts in, its matches and its standing out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, select, update

from server.analysis.facts import HostFacts, Item, OsFacts
from server.analysis.signatures import Match
from server.analysis.standing import Standing
from server.store.database import upsert
from server.store.tables import former_inventory, host_inventory, host_state, matches


@dataclass(frozen=True, slots=True)
class Waiting:
    """A host with something new. `handles`: what it holds now; judged_us, judged_handles: when it was judged last, by
    the server's clock, and what it held then, None where it never was."""

    host_id: int
    handles: int
    pushed_seq: int
    judged_us: int | None
    judged_handles: int | None


def unjudged_hosts(connection: Connection, now_us: int, limit: int) -> Sequence[Waiting]:
    """Hosts with snapshots that nobody has judged yet and nobody is judging."""
    rows = connection.execute(
        select(
            host_state.c.host_id,
            func.coalesce(host_state.c.handles, 0),
            host_state.c.pushed_seq,
            host_state.c.judged_us,
            host_state.c.judged_handles,
        )
        .where(host_state.c.pushed_seq > host_state.c.judged_seq, host_state.c.claimed_until_us <= now_us)
        .limit(limit)
    )
    return [Waiting(*row) for row in rows]


def count_unjudged(connection: Connection) -> int:
    waiting = host_state.c.pushed_seq > host_state.c.judged_seq
    return connection.scalar(select(func.count()).select_from(host_state).where(waiting)) or 0


def hosts_to_compact(connection: Connection, recent_before: int, now_us: int, limit: int) -> Sequence[int]:
    """Hosts whose oldest recent snapshot lies `recent_before` microseconds or more behind their newest."""
    due = host_state.c.recent_us <= host_state.c.shown_us - recent_before
    return connection.scalars(
        select(host_state.c.host_id).where(due, host_state.c.claimed_until_us <= now_us).limit(limit)
    ).all()


def claim(connection: Connection, host_id: int, now_us: int, until_us: int, *, unjudged: bool = False) -> bool:
    """Take a host for one job until a time, unless somebody else has it, or has judged it where that is the job. The
    time says whose claim it is: no two are of the same microsecond."""
    free = host_state.c.claimed_until_us <= now_us
    if unjudged:
        free &= host_state.c.pushed_seq > host_state.c.judged_seq
    taken = connection.execute(
        update(host_state).where(host_state.c.host_id == host_id, free).values(claimed_until_us=until_us)
    )
    return taken.rowcount == 1


def renew(connection: Connection, host_id: int, claimed_us: int, until_us: int) -> bool:
    """Hold a claim for longer. False if it is no longer one's own: it ran out, and somebody else took the host."""
    return _set_own(connection, host_id, claimed_us, {"claimed_until_us": until_us})


def release(
    connection: Connection, host_id: int, claimed_us: int, free_at_us: int = 0, judged: tuple[int, int] | None = None
) -> None:
    """Give up a claim, if it is still one's own. `judged`: when the host was, and what it held."""
    said = {} if judged is None else {"judged_us": judged[0], "judged_handles": judged[1]}
    _set_own(connection, host_id, claimed_us, {"claimed_until_us": free_at_us, **said})


def _set_own(connection: Connection, host_id: int, claimed_us: int, values: Mapping[str, int]) -> bool:
    own = host_state.c.host_id == host_id, host_state.c.claimed_until_us == claimed_us
    return connection.execute(update(host_state).where(*own).values(values)).rowcount == 1


def release_all(connection: Connection) -> None:
    """Free every host, for when nobody else can be at work."""
    connection.execute(update(host_state).where(host_state.c.claimed_until_us > 0).values(claimed_until_us=0))


def state_of(connection: Connection, host_id: int) -> Any:
    return connection.execute(select(host_state).where(host_state.c.host_id == host_id)).one_or_none()


def still_to_judge(connection: Connection, host_id: int, judged_seq: int) -> bool:
    """Whether the host is still known, and nobody has judged it since that was what is judged; holds it until the
    transaction ends. So what two have judged at once is recorded once."""
    held = select(host_state.c.judged_seq).where(host_state.c.host_id == host_id).with_for_update()
    return connection.scalar(held) == judged_seq


def inventory_of(connection: Connection, host_id: int) -> Mapping[str, tuple[Item, ...]]:
    """The host's lists by kind: software, services, drivers."""
    rows = connection.execute(
        select(host_inventory).where(host_inventory.c.host_id == host_id).order_by(host_inventory.c.position)
    )
    lists: dict[str, list[Item]] = {"software": [], "services": [], "drivers": []}
    for row in rows:
        lists[row.kind].append(Item(row.name, row.vendor, row.version))
    return {kind: tuple(items) for kind, items in lists.items()}


def former_inventories(connection: Connection, host_id: int) -> Sequence[tuple[int, Mapping[str, tuple[Item, ...]]]]:
    """What was replaced since the host was last judged, oldest first: until when it held, and the lists."""
    rows = connection.execute(
        select(former_inventory).where(former_inventory.c.host_id == host_id).order_by(former_inventory.c.until_us)
    )
    nothing: dict[str, tuple[Item, ...]] = {"software": (), "services": (), "drivers": ()}
    return [
        (row.until_us, nothing | {kind: tuple(Item(*item) for item in items) for kind, items in row.lists.items()})
        for row in rows
    ]


def facts_of(state: Any, inventory: Mapping[str, tuple[Item, ...]], images: frozenset[str]) -> HostFacts:
    os = OsFacts(state.os_family, state.os_name, state.os_version, state.service_pack)
    return HostFacts(os, inventory["software"], inventory["services"], inventory["drivers"], images)


def matches_of(connection: Connection, host_id: int) -> Mapping[str, Match]:
    """The host's matches by signature."""
    rows = connection.execute(
        select(matches.c.signature_id, matches.c.detail)
        .where(matches.c.host_id == host_id)
        .order_by(matches.c.signature_id)
    )
    return {row.signature_id: msgspec.convert(row.detail, Match) for row in rows}


def record_match(connection: Connection, host_id: int, signature_id: str, match: Match | None) -> None:
    if match is None:
        connection.execute(delete(matches).where(matches.c.host_id == host_id, matches.c.signature_id == signature_id))
        return
    columns = {
        "level": match.level,
        "applies_to": match.applies_to,
        "program": match.program,
        "pid": match.pid,
        "handles": match.handles,
        "distinct_objects": match.distinct,
        "estimated": match.estimated,
        "rate_per_hour": match.rate_per_hour,
        "first_seen_us": match.first_seen_us,
        "last_seen_us": match.last_seen_us,
        "software_version": match.software.version if match.software else None,
        "detail": msgspec.to_builtins(match),
    }
    new = upsert(connection, matches).values(host_id=host_id, signature_id=signature_id, **columns)
    connection.execute(new.on_conflict_do_update(index_elements=["host_id", "signature_id"], set_=columns))


def record_standing(
    connection: Connection,
    host_id: int,
    standing: Standing,
    *,
    judged_seq: int,
    advice: Sequence[str],
    cadence_s: int | None,
    leaks: int,
    digested_us: int | None,
) -> None:
    """Note a host as judged up to `judged_seq`. What was pushed meanwhile stays to be judged."""
    connection.execute(
        update(host_state)
        .where(host_state.c.host_id == host_id)
        .values(
            worst_program=standing.worst_program,
            worst_handles=standing.worst_handles,
            sparkline=standing.sparkline,
            leaks=leaks,
            digested_us=digested_us,
            advice=list(advice),
            cadence_s=cadence_s,
            judged_seq=judged_seq,
        )
    )
    judged = former_inventory.c.pushed_seq <= judged_seq
    connection.execute(delete(former_inventory).where(former_inventory.c.host_id == host_id, judged))
    connection.execute(
        update(host_state)
        .where(host_state.c.host_id == host_id, host_state.c.pushed_seq == judged_seq)
        .values(dirty_us=None)
    )
