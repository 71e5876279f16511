"""Taking in what a host sent: its name, its newest facts, its snapshots, each exactly once."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from server.analysis.instants import MINUTE, SECOND
from server.store.blocks import unpack_times
from server.store.database import upsert
from server.store.holding import hold_host
from server.store.tables import blocks, former_inventory, host_inventory, host_labels, host_state, hosts, snapshots

SMALLEST_SKEW_S = 30
_AHEAD = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """One snapshot ready to be stored: `body` as `store.history` reads it, and what lists show of it. `partial`: it
    tells of some processes alone, so that lists go on showing what the last whole one said."""

    time_us: int
    body: bytes
    handles: int | None
    processes: int
    denied: int
    machine: Mapping[str, Any] | None = None
    partial: bool = False


@dataclass(frozen=True, slots=True)
class NewItem:
    name: str
    vendor: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Modest:
    """Facts beside a dump file, as columns of host_state; none of them replaces what a collector on the host said.
    `told`: by the person who sent it; `otherwise`: of the file, where nothing at all was known of the host."""

    told: Mapping[str, Any]
    otherwise: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewPush:
    """One request, checked and packed. `facts` are columns of host_state; `inventory` has the lists that were given.
    `modest`: it is a dump file's, and has these instead of `facts`."""

    host: str
    facts: Mapping[str, Any]
    snapshots: Sequence[NewSnapshot]
    received_us: int
    sent_us: int | None = None
    inventory_us: int | None = None
    inventory: Mapping[str, Sequence[NewItem]] = field(default_factory=dict)
    modest: Modest | None = None

    @property
    def host_key(self) -> str:
        return self.host.casefold()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a push. `skew_s` is the clock's lead as measured, not as held. `info_us` and `held_skew_s`: of the
    host from now on, where its facts are now those of this push."""

    host_id: int
    accepted: int
    duplicates: int
    skew_s: float
    advice: Sequence[str]
    info_us: int | None = None
    held_skew_s: int = 0


def take(connection: Connection, push: NewPush, known_hosts: Mapping[str, int]) -> Taken:
    """Store a push. `known_hosts` may hold ids by name key; wrong or missing ones are found out.

    1. the host's row is found or made, and locked; 2. snapshots that are there already are told apart; 3. the others
    are inserted; 4. facts and inventory are replaced where they are newer.
    """
    host_id, state = _locked_host(connection, push, known_hosts)
    measured = measured_skew(push)
    held = held_skew(state.skew_s, push.sent_us, measured)
    skew = skew_of_rows(push, held)
    fresh = _fresh(connection, host_id, state, push.snapshots)
    if fresh:
        rows = [
            {
                "host_id": host_id,
                "time_us": one.time_us,
                "shown_us": one.time_us - skew * SECOND,
                "skew_s": skew,
                "body": one.body,
            }
            for one in fresh
        ]
        connection.execute(insert(snapshots), rows)
    changes = _changes(state, push, fresh, skew=skew)
    if held != state.skew_s:
        changes["skew_s"] = held
    if _replace_inventory(connection, host_id, push, state, skew=skew):
        changes["inventory_us"] = _inventory_us(push, skew)
        changes["pushed_seq"] = state.pushed_seq + 1
    if "labels" in changes and changes["labels"] != state.labels:
        _replace_labels(connection, host_id, changes["labels"])
    if changes:
        connection.execute(update(host_state).where(host_state.c.host_id == host_id).values(changes))
    return Taken(
        host_id=host_id,
        accepted=len(fresh),
        duplicates=len(push.snapshots) - len(fresh),
        skew_s=round(measured, 3),
        advice=state.advice,
        info_us=changes.get("info_us"),
        held_skew_s=held,
    )


def known_ids(connection: Connection, pushes: Sequence[NewPush]) -> dict[str, int]:
    """The ids of these pushes' hosts by name key; one that is new here is made. To be committed before its pushes are
    taken: names are the same on each node of a cluster, and who makes one there holds up all others that do."""
    names = {push.host_key: push for push in pushes}
    found = _ids(connection, names)
    missing = sorted(set(names) - set(found))
    for key in missing:
        _name_host(connection, names[key])
    return found | _ids(connection, missing) if missing else found


def _ids(connection: Connection, keys: Collection[str]) -> dict[str, int]:
    named = select(hosts.c.name_key, hosts.c.host_id).where(hosts.c.name_key.in_(keys))
    return {row.name_key: row.host_id for row in connection.execute(named)}


def _name_host(connection: Connection, push: NewPush) -> None:
    new = upsert(connection, hosts).values(name=push.host, name_key=push.host_key, created_us=push.received_us)
    connection.execute(new.on_conflict_do_nothing(index_elements=["name_key"]))


def _locked_host(connection: Connection, push: NewPush, known: Mapping[str, int]) -> tuple[int, Any]:
    """The host's id and its state, held. That it is still called so is asked again once it is held, as whoever forgets
    a host holds it too."""
    host_id = known.get(push.host_key)
    state = None if host_id is None else _locked_state(connection, host_id)
    if host_id is not None and state is not None:
        return host_id, state
    key = select(hosts.c.host_id).where(hosts.c.name_key == push.host_key)
    host_id = connection.scalar(key)
    if host_id is None:
        _name_host(connection, push)
        host_id = connection.execute(key).scalar_one()
    hold_host(connection, host_id)
    state = _locked_state(connection, host_id)
    if state is None or connection.scalar(key) != host_id:
        raise LookupError(f"host {host_id} was forgotten while it was pushing")
    return host_id, state


def _locked_state(connection: Connection, host_id: int) -> Any:
    wanted = select(
        host_state.c.info_us,
        host_state.c.collector,
        host_state.c.labels,
        host_state.c.inventory_us,
        host_state.c.shown_us,
        host_state.c.skew_s,
        host_state.c.pushed_seq,
        host_state.c.dirty_us,
        host_state.c.recent_us,
        host_state.c.sealed_us,
        host_state.c.advice,
    ).where(host_state.c.host_id == host_id)
    return connection.execute(wanted.with_for_update()).one_or_none()


def measured_skew(push: NewPush) -> float:
    """By how many seconds the host's clock is ahead of ours; 0 where it does not tell."""
    return 0.0 if push.sent_us is None else (push.sent_us - push.received_us) / SECOND


def held_skew(held: int, sent_us: int | None, measured: float) -> int:
    """The skew to hold from now on: none under 30 s, renewed only when it moves by 30 s."""
    if sent_us is None:
        return held
    target = round(measured) if abs(measured) >= SMALLEST_SKEW_S else 0
    return target if abs(target - held) >= SMALLEST_SKEW_S else held


def skew_of_rows(push: NewPush, held: int) -> int:
    """What is taken off the times of this push's snapshots. Where the clock was set back after a snapshot was taken,
    the newest would still lie ahead of the server: then so much more is taken off that it lies at the server's now."""
    if push.sent_us is None:
        return 0
    newest = max((one.time_us for one in push.snapshots), default=push.received_us)
    if newest - held * SECOND > push.received_us + _AHEAD:
        return math.ceil((newest - push.received_us) / SECOND)
    return held


def _fresh(connection: Connection, host_id: int, state: Any, sent: Sequence[NewSnapshot]) -> Sequence[NewSnapshot]:
    """Those not stored yet, one of each time."""
    once = list({one.time_us: one for one in reversed(sent)}.values())[::-1]
    there = set(_recent_times(connection, host_id, [one.time_us for one in once]))
    sealed = [one.time_us for one in once if one.time_us < state.sealed_us]
    if sealed:
        there.update(_sealed_times(connection, host_id, min(sealed), max(sealed)))
    return [one for one in once if one.time_us not in there]


def _recent_times(connection: Connection, host_id: int, times: Sequence[int]) -> Iterator[int]:
    if times:
        of_host = select(snapshots.c.time_us).where(snapshots.c.host_id == host_id)
        yield from connection.scalars(of_host.where(snapshots.c.time_us.in_(times)))


def _sealed_times(connection: Connection, host_id: int, first: int, last: int) -> Iterator[int]:
    covering = select(blocks.c.times).where(
        blocks.c.host_id == host_id, blocks.c.start_us <= last, blocks.c.end_us > first
    )
    for times in connection.scalars(covering):
        yield from unpack_times(times)


def _changes(state: Any, push: NewPush, fresh: Sequence[NewSnapshot], *, skew: int) -> dict[str, Any]:
    """The columns of host_state that this push changes."""
    changes: dict[str, Any] = {}
    info_us = max((one.time_us - skew * SECOND for one in push.snapshots), default=_stated_us(push, skew))
    if push.modest is not None:
        changes.update(_modest_changes(state, push.modest))
    elif state.info_us is None or info_us > state.info_us:
        changes.update(push.facts, info_us=info_us)
    if fresh:
        shown = [one.time_us - skew * SECOND for one in fresh]
        newest = max(fresh, key=lambda one: one.time_us)
        if state.shown_us is None or max(shown) > state.shown_us:
            changes.update(newest_us=newest.time_us, shown_us=max(shown))
            if not newest.partial:
                changes.update(
                    handles=newest.handles,
                    processes=newest.processes,
                    denied=newest.denied,
                    machine=newest.machine,
                )
        changes["dirty_us"] = min(shown) if state.dirty_us is None else min(*shown, state.dirty_us)
        changes["recent_us"] = min(shown) if state.recent_us is None else min(*shown, state.recent_us)
    if changes:
        changes["pushed_seq"] = state.pushed_seq + 1
    return changes


def _modest_changes(state: Any, modest: Modest) -> dict[str, Any]:
    """They leave `info_us` alone: whatever a collector says one day, it wins."""
    if state.info_us is not None:
        return {}
    return {**({} if state.collector else modest.otherwise), **modest.told}


def _stated_us(push: NewPush, skew: int) -> int:
    """As of when a push without snapshots speaks."""
    if push.inventory_us is not None:
        return push.inventory_us - skew * SECOND
    return push.received_us if push.sent_us is None else push.sent_us - skew * SECOND


def _inventory_us(push: NewPush, skew: int) -> int:
    if push.inventory_us is not None:
        # one from the future would keep out all that come after it
        return min(push.inventory_us - skew * SECOND, push.received_us + _AHEAD)
    return max((one.time_us - skew * SECOND for one in push.snapshots), default=_stated_us(push, skew))


def _replace_labels(connection: Connection, host_id: int, labels: Mapping[str, str]) -> None:
    connection.execute(delete(host_labels).where(host_labels.c.host_id == host_id))
    rows = [
        {"host_id": host_id, "position": position, "key": key, "value": value}
        for position, (key, value) in enumerate(labels.items())
    ]
    if rows:
        connection.execute(insert(host_labels), rows)


def _replace_inventory(connection: Connection, host_id: int, push: NewPush, state: Any, *, skew: int) -> bool:
    """Whether the push's lists are newer than those there are. What they replace is kept until it is judged."""
    time_us = _inventory_us(push, skew)
    if not push.inventory or (state.inventory_us is not None and time_us <= state.inventory_us):
        return False
    former = _inventory(connection, host_id)
    changed = {kind: items for kind, items in push.inventory.items() if list(items) != former.get(kind, [])}
    if changed and state.inventory_us is not None:
        lists = {kind: [astuple(item) for item in items] for kind, items in former.items()}
        row = {"until_us": time_us, "pushed_seq": state.pushed_seq + 1, "lists": lists}
        connection.execute(upsert(connection, former_inventory).values(host_id=host_id, **row).on_conflict_do_nothing())
    for kind, items in changed.items():
        of_kind = (host_inventory.c.host_id == host_id) & (host_inventory.c.kind == kind)
        connection.execute(delete(host_inventory).where(of_kind))
        rows = [
            {"host_id": host_id, "kind": kind, "position": position, **asdict(item)}
            for position, item in enumerate(items)
        ]
        if rows:
            connection.execute(insert(host_inventory), rows)
    return True


def _inventory(connection: Connection, host_id: int) -> dict[str, list[NewItem]]:
    found: dict[str, list[NewItem]] = {}
    rows = select(host_inventory).where(host_inventory.c.host_id == host_id).order_by(host_inventory.c.position)
    for row in connection.execute(rows):
        found.setdefault(row.kind, []).append(NewItem(row.name, row.vendor, row.version))
    return found
