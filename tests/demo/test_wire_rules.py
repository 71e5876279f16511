from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from server.demo.fleet import HISTORY, SimulatedHost, requests
from server.demo.programs import resting_types
from server.ingest.wire import decode_push
from tests.demo.conftest import ANCHOR

LINUX_TYPES = {
    "file", "deleted", "directory", "device", "socket", "pipe", "eventfd", "eventpoll", "inotify", "timerfd",
    "signalfd", "pidfd", "memfd", "io_uring", "other",
}  # fmt: skip
WINDOWS_TYPES = {
    "Event", "File", "Key", "Mutant", "Semaphore", "Section", "Thread", "Process", "Token", "ALPC Port", "Port",
    "EtwRegistration",
}  # fmt: skip


class Object(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    type: str
    name: str
    count: int
    distinct: int


class Process(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    pid: int
    started_at: datetime
    name: str
    handles: int | None
    limit: int | None = None
    types: dict[str, int] = {}
    objects: list[Object] = []
    instance: str = ""
    exe: str = ""
    user: str = ""
    version: str = ""


class Coverage(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    processes: int
    denied: int


class Snapshot(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    time: datetime
    coverage: Coverage
    processes: list[Process]


class Request(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    host: dict[str, Any]
    collector: dict[str, Any]
    snapshots: list[Snapshot]
    inventory: dict[str, Any] | None = None


def sent(hosts: list[SimulatedHost], *, days: float = 15) -> Iterator[tuple[SimulatedHost, Request]]:
    for host in hosts:
        for request in requests(host, since=ANCHOR - timedelta(days=days), until=ANCHOR):
            yield host, msgspec.json.decode(msgspec.json.encode(request), type=Request)


def test_snapshots_of_all_two_weeks_are_valid(hosts: list[SimulatedHost]) -> None:
    for number, (host, request) in enumerate(sent(hosts)):
        assert 1 <= len(request.snapshots) <= 288
        known = WINDOWS_TYPES if host.os["family"] == "windows" else LINUX_TYPES
        # Every twelfth, others in each request: all hours of the day and all days are seen.
        for snapshot in request.snapshots[number % 12 :: 12]:
            check_processes(host, snapshot, known)


def check_processes(host: SimulatedHost, snapshot: Snapshot, known: set[str]) -> None:
    listed = snapshot.processes
    identities = {(process.pid, process.started_at) for process in listed}
    assert len({pid for pid, _ in identities}) == len(listed), f"{host.name} {snapshot.time}: one pid, one process"
    assert 11 <= len(listed) <= 35, f"{host.name} {snapshot.time}"
    assert snapshot.coverage.processes == len(listed)
    assert snapshot.coverage.denied == sum(process.handles is None for process in listed)
    for process in listed:
        assert process.started_at <= snapshot.time
        assert process.types.keys() <= known
        counts = [process.handles or 0, *process.types.values(), *(row.count for row in process.objects)]
        assert min(counts) >= 0
        assert process.handles is None or process.handles <= (process.limit or 2**53 - 1), f"{host.name} {process}"
        assert not process.types or sum(process.types.values()) == process.handles, f"{host.name} {process}"
        for row in process.objects:
            assert 1 <= row.distinct <= row.count <= process.types[row.type]


def test_the_server_takes_a_day_of_every_host(hosts: list[SimulatedHost]) -> None:
    for host in hosts:
        for request in requests(host, since=ANCHOR - timedelta(days=1.5), until=ANCHOR - timedelta(days=0.5)):
            push = decode_push(msgspec.json.encode(request))
            assert push.host.name == host.name
            assert len(push.snapshots) == len(request["snapshots"]) > 50


def test_times_are_five_minutes_apart_and_end_before_until(by_name: dict[str, SimulatedHost]) -> None:
    times = [s.time for _, request in sent([by_name["DC01"]]) for s in request.snapshots]
    assert times[0] == ANCHOR - timedelta(days=14)
    assert times[-1] == ANCHOR - timedelta(minutes=5)
    assert len(times) == 4032
    assert {after - before for before, after in pairwise(times)} == {timedelta(minutes=5)}


def test_every_request_says_that_its_host_is_simulated(hosts: list[SimulatedHost]) -> None:
    for host, request in sent(hosts, days=1.2):
        assert request.host["labels"].keys() == {"simulated", "site", "role"}
        assert request.host["labels"]["simulated"] == "yes"
        assert request.host["os"] == host.os
        assert datetime.fromisoformat(request.host["booted_at"]) <= request.snapshots[-1].time
        assert request.collector == {"version": "demo", "source": "simulated", "interval_s": 300}


def test_the_inventory_goes_with_the_first_request_and_with_each_change(hosts: list[SimulatedHost]) -> None:
    for host in [*hosts[:8], *hosts[8::11]]:
        given: list[dict[str, Any] | None] = [
            request.get("inventory") for request in requests(host, since=ANCHOR - HISTORY, until=ANCHOR)
        ]
        held = [inventory for inventory in given if inventory is not None]
        assert given[0] is held[0]
        assert datetime.fromisoformat(held[0]["time"]) == ANCHOR - HISTORY
        assert [row["software"] for row in held] == [list(inventory.software) for inventory in host.inventories]


def test_an_inventory_never_speaks_for_snapshots_before_it(by_name: dict[str, SimulatedHost]) -> None:
    for _, request in sent([by_name["NTBK05"]]):
        if request.inventory is not None:
            assert datetime.fromisoformat(request.inventory["time"]) == request.snapshots[0].time


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_batches_hold_no_more_than_asked_for(by_name: dict[str, SimulatedHost], batch: int) -> None:
    sizes = [
        len(request["snapshots"])
        for request in requests(by_name["NTBK05"], since=ANCHOR - timedelta(days=8), until=ANCHOR, batch=batch)
    ]
    assert max(sizes) <= batch
    assert sum(sizes) == 8 * 288


def test_resting_types_add_up_to_the_total(hosts: list[SimulatedHost]) -> None:
    for host in hosts:
        for program in host.programs:
            assert program.kind == "macos" or sum(resting_types(program).values()) == program.total, program.name


def test_windows_types_are_read_mostly_and_linux_types_now_and_then(by_name: dict[str, SimulatedHost]) -> None:
    def share(name: str) -> float:
        rows = [
            process
            for _, request in sent([by_name[name]], days=2)
            for s in request.snapshots
            for process in s.processes
        ]
        return sum(bool(process.types) for process in rows) / len(rows)

    assert 0.85 < share("DC01") < 0.99
    assert 0.01 < share("web-07") < 0.3
    assert share("mac-build-01") == 0
