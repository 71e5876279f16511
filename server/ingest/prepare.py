"""From a decoded push to what the store takes: times as microseconds, bodies packed, what lists show counted."""

from typing import Annotated, Any

import msgspec

from server.analysis.instants import MINUTE, to_us
from server.analysis.readings import MOST_SUM, Beyond, Count, Coverage, Machine, Text, Unread
from server.ingest.packed import PackedPush, PackedSnapshot
from server.ingest.wire import CoverageSent, Inventory, Push, Snapshot, refuse
from server.store.columns import columns_of, pack_columns
from server.store.pushes import NewItem, NewPush, NewSnapshot

_AHEAD = 5 * MINUTE
_LONGEST_INTERVAL_S = 366 * 86_400  # a database has to multiply it without overflow

Cost = Annotated[dict[Text, int | float | str | bool | None], msgspec.Meta(max_length=32)]

_cost_decoder = msgspec.json.Decoder(Cost)
_machine_decoder = msgspec.json.Decoder(Machine)
_count_decoder = msgspec.json.Decoder(Count)


def prepare(push: Push | PackedPush, received_us: int, *, partial: bool = False) -> NewPush:
    """Raises Problem 422 for a time ahead of the server where nothing tells whether the host's clock is wrong.
    `partial`: its snapshots tell of some processes alone."""
    if push.sent_at is None:
        for i, time in enumerate([one.time for one in push.snapshots]):
            if to_us(time) > received_us + _AHEAD:
                raise refuse(
                    f"snapshots[{i}].time", "lies more than 5 minutes ahead of the server, and sent_at is left out"
                )
    inventory = push.inventory
    if push.sent_at is None and inventory and inventory.time and to_us(inventory.time) > received_us + _AHEAD:
        raise refuse("inventory.time", "lies more than 5 minutes ahead of the server, and sent_at is left out")
    return NewPush(
        host=push.host.name,
        facts=_facts(push),
        snapshots=[_pack(snapshot, push, partial=partial) for snapshot in push.snapshots],
        received_us=received_us,
        sent_us=None if push.sent_at is None else to_us(push.sent_at),
        inventory_us=None if inventory is None or inventory.time is None else to_us(inventory.time),
        inventory={} if inventory is None else _lists(inventory),
    )


def _facts(push: Push | PackedPush) -> dict[str, Any]:
    os, collector = push.host.os, push.collector
    return {
        "os_family": os.family,
        "os_name": os.name,
        "os_version": os.version,
        "service_pack": os.service_pack or None,
        "booted_us": _booted_us(push),
        "labels": push.host.labels,
        "interval_s": _interval_s(push),
        "collector": {
            "version": collector.version,
            "source": collector.source,
            "cost": _cost(collector.cost),
        },
    }


def _booted_us(push: Push | PackedPush) -> int | None:
    return None if push.host.booted_at is None else to_us(push.host.booted_at)


def _interval_s(push: Push | PackedPush) -> int | None:
    interval_s = push.collector.interval_s
    return min(interval_s, _LONGEST_INTERVAL_S) if interval_s else None


def _cost(raw: msgspec.Raw) -> dict[str, Any] | None:
    """What a collector says of its own cost; None for anything else that the field may hold one day."""
    try:
        cost = _cost_decoder.decode(raw)
        msgspec.json.encode(cost)
    except (msgspec.MsgspecError, RecursionError, OverflowError, UnicodeDecodeError):
        return None
    return cost


def _beyond(snapshot: Snapshot | PackedSnapshot) -> dict[str, Any] | None:
    """What it says beyond its counts; None for nothing."""
    machine = _machine(snapshot.machine)
    beyond = Beyond(machine.open_files, machine.inotify, _unread(snapshot.coverage))
    return None if beyond == Beyond() else dict(msgspec.to_builtins(beyond))


def _machine(raw: msgspec.Raw) -> Machine:
    """What the processes share; empty for anything else that the field may hold one day."""
    try:
        return _machine_decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return Machine()


def _unread(said: CoverageSent | None) -> Unread | None:
    if said is None:
        return None
    unread = Unread(_count(said.types_denied), _count(said.unnamed), _count(said.broken))
    return None if unread == Unread() else unread


def _count(raw: msgspec.Raw) -> int | None:
    """None for anything but a count."""
    try:
        return _count_decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def _pack(snapshot: Snapshot | PackedSnapshot, push: Push | PackedPush, *, partial: bool) -> NewSnapshot:
    """A snapshot from before the boot that its request names was taken in a boot that nobody tells of."""
    time_us, booted_us = to_us(snapshot.time), _booted_us(push)
    if booted_us is not None and booted_us > time_us:
        booted_us = None
    coverage = snapshot.coverage
    kept = None if coverage is None else Coverage(coverage.processes, coverage.denied)
    if isinstance(snapshot, PackedSnapshot):
        columns, counted, known, total = snapshot.columns, snapshot.counted, snapshot.known, snapshot.total
    else:
        handles = [process.handles for process in snapshot.processes if process.handles is not None]
        columns, counted, known, total = (
            columns_of(snapshot.processes),
            len(snapshot.processes),
            len(handles),
            sum(handles),
        )
    columns.tell(kept, interval_s=_interval_s(push), booted_us=booted_us, partial=partial)
    seen = coverage.processes if coverage and coverage.processes is not None else counted
    denied = coverage.denied if coverage and coverage.denied is not None else counted - known
    return NewSnapshot(
        time_us=time_us,
        body=pack_columns(columns),
        handles=min(total, MOST_SUM) if known else None,
        processes=min(seen, 2**31 - 1),
        denied=min(denied, 2**31 - 1),
        machine=_beyond(snapshot),
        partial=partial,
    )


def _lists(inventory: Inventory) -> dict[str, list[NewItem]]:
    given = {"software": inventory.software, "services": inventory.services, "drivers": inventory.drivers}
    return {
        kind: [NewItem(item.name, item.vendor, item.version) for item in items]
        for kind, items in given.items()
        if items is not None
    }
