"""From a decoded push to what the store takes: times as microseconds, bodies packed, what lists show counted."""

from typing import Annotated, Any

import msgspec

from server.analysis.instants import MINUTE, to_us
from server.analysis.readings import MOST_SUM, Machine, Reading, Text
from server.ingest.wire import Inventory, Push, Snapshot, refuse
from server.store.history import pack_reading
from server.store.pushes import NewItem, NewPush, NewSnapshot

_AHEAD = 5 * MINUTE
_LONGEST_INTERVAL_S = 366 * 86_400  # a database has to multiply it without overflow

Cost = Annotated[dict[Text, int | float | str | bool | None], msgspec.Meta(max_length=32)]

_cost_decoder = msgspec.json.Decoder(Cost)
_machine_decoder = msgspec.json.Decoder(Machine)


def prepare(push: Push, received_us: int) -> NewPush:
    """Raises Problem 422 for a time ahead of the server where nothing tells whether the host's clock is wrong."""
    if push.sent_at is None:
        for i, snapshot in enumerate(push.snapshots):
            if to_us(snapshot.time) > received_us + _AHEAD:
                raise refuse(
                    f"snapshots[{i}].time", "lies more than 5 minutes ahead of the server, and sent_at is left out"
                )
    inventory = push.inventory
    if push.sent_at is None and inventory and inventory.time and to_us(inventory.time) > received_us + _AHEAD:
        raise refuse("inventory.time", "lies more than 5 minutes ahead of the server, and sent_at is left out")
    return NewPush(
        host=push.host.name,
        facts=_facts(push),
        snapshots=[_pack(snapshot) for snapshot in push.snapshots],
        received_us=received_us,
        sent_us=None if push.sent_at is None else to_us(push.sent_at),
        inventory_us=None if inventory is None or inventory.time is None else to_us(inventory.time),
        inventory={} if inventory is None else _lists(inventory),
    )


def _facts(push: Push) -> dict[str, Any]:
    os, collector = push.host.os, push.collector
    return {
        "os_family": os.family,
        "os_name": os.name,
        "os_version": os.version,
        "service_pack": os.service_pack or None,
        "booted_us": None if push.host.booted_at is None else to_us(push.host.booted_at),
        "labels": push.host.labels,
        "interval_s": min(collector.interval_s, _LONGEST_INTERVAL_S) if collector.interval_s else None,
        "collector": {
            "version": collector.version,
            "source": collector.source,
            "cost": _cost(collector.cost),
        },
    }


def _cost(raw: msgspec.Raw) -> dict[str, Any] | None:
    """What a collector says of its own cost; None for anything else that the field may hold one day."""
    try:
        cost = _cost_decoder.decode(raw)
        msgspec.json.encode(cost)
    except (msgspec.MsgspecError, RecursionError, OverflowError, UnicodeDecodeError):
        return None
    return cost


def _machine(raw: msgspec.Raw) -> dict[str, Any] | None:
    """What the processes share; None for anything else that the field may hold one day."""
    try:
        machine = _machine_decoder.decode(raw)
        return None if machine == Machine() else dict(msgspec.to_builtins(machine))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def _pack(snapshot: Snapshot) -> NewSnapshot:
    known = [process.handles for process in snapshot.processes if process.handles is not None]
    coverage = snapshot.coverage
    counted = len(snapshot.processes)
    seen = coverage.processes if coverage and coverage.processes is not None else counted
    denied = coverage.denied if coverage and coverage.denied is not None else counted - len(known)
    return NewSnapshot(
        time_us=to_us(snapshot.time),
        body=pack_reading(Reading(snapshot.processes, snapshot.coverage)),
        handles=min(sum(known), MOST_SUM) if known else None,
        processes=min(seen, 2**31 - 1),
        denied=min(denied, 2**31 - 1),
        machine=_machine(snapshot.machine),
    )


def _lists(inventory: Inventory) -> dict[str, list[NewItem]]:
    given = {"software": inventory.software, "services": inventory.services, "drivers": inventory.drivers}
    return {
        kind: [NewItem(item.name, item.vendor, item.version) for item in items]
        for kind, items in given.items()
        if items is not None
    }
