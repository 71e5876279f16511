"""Reads series back out of simulated requests."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from server.demo.fleet import SimulatedHost, requests

Wire = dict[str, Any]


def snapshots(host: SimulatedHost, since: datetime, until: datetime, *, batch: int = 288) -> Iterator[Wire]:
    for request in requests(host, since=since, until=until, batch=batch):
        yield from request["snapshots"]


def totals(host: SimulatedHost, since: datetime, until: datetime) -> dict[str, dict[datetime, int]]:
    """Handles of each program at each time it was read; 0 where the host was read and no process of it ran."""
    counts: list[tuple[datetime, Counter[str]]] = []
    for snapshot in snapshots(host, since, until):
        held: Counter[str] = Counter()
        for process in snapshot["processes"]:
            held[program_of(process)] += process["handles"] or 0
        counts.append((datetime.fromisoformat(snapshot["time"]), held))
    programs = {name for _, held in counts for name in held}
    return {name: {time: held[name] for time, held in counts} for name in programs}


def program_of(process: Wire) -> str:
    return f"{process['name']}[{process['instance']}]" if "instance" in process else str(process["name"])


def processes(
    host: SimulatedHost, since: datetime, until: datetime, wanted: Callable[[Wire], bool]
) -> list[tuple[datetime, Wire]]:
    return [
        (datetime.fromisoformat(snapshot["time"]), process)
        for snapshot in snapshots(host, since, until)
        for process in snapshot["processes"]
        if wanted(process)
    ]
