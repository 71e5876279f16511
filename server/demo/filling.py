"""Pushes what the simulated hosts would have sent through the server's own ingest code: decoded, checked, written."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from server.analysis.instants import from_us
from server.demo.fleet import HISTORY, SimulatedHost, requests
from server.demo.snapshots import Wire
from server.ingest.prepare import prepare
from server.ingest.wire import decode_push
from server.ingest.writer import Writer
from server.store import fleet, judgements
from server.store.database import Database

STEP = timedelta(minutes=5)
BATCH = 288  # a day
SECOND = timedelta(seconds=1)


@dataclass(slots=True)
class Filling:
    """How far it is, for whoever shows it."""

    hosts: int
    snapshots: int
    hosts_done: int = 0
    snapshots_done: int = 0

    @property
    def is_over(self) -> bool:
        return self.hosts_done >= self.hosts

    def notices(self) -> tuple[str, ...]:
        """What pages say about it at their top."""
        if self.is_over:
            return ()
        return (f"The simulated fleet is being filled: {self.hosts_done} of {self.hosts} hosts.",)


class Feed:
    """Goes on, host by host, from the newest snapshot that the database has; so what is cut short is never doubled."""

    def __init__(self, hosts: Sequence[SimulatedHost], database: Database, writer: Writer, *, now: datetime) -> None:
        self._database = database
        self._writer = writer
        self._hosts = {host.name: host for host in hosts}
        earliest = now - HISTORY - timedelta(days=1)  # after a long pause the story goes on, but not all of it is told
        with database.read() as connection:
            rows = {name: fleet.find_host(connection, name) for name in self._hosts}
        newest = {name: row.newest_us for name, row in rows.items() if row is not None and row.newest_us is not None}
        self._since = {
            name: max(earliest, from_us(newest[name]) + SECOND) if name in newest else earliest for name in self._hosts
        }

    def missing(self, until: datetime) -> Filling:
        """What is to be pushed for all times up to and including `until`."""
        counts = [len(host.steps(self._since[name], until + SECOND)) for name, host in self._hosts.items()]
        return Filling(hosts=sum(count > 0 for count in counts), snapshots=sum(counts))

    def requests(self, host: SimulatedHost, until: datetime) -> Iterator[Wire]:
        """What is missing of a host, in order of time, for all times up to and including `until`."""
        return requests(host, since=self._since[host.name], until=until + SECOND, batch=BATCH)

    def push(self, request: Wire) -> int:
        """How many snapshots are durable. Raises Problem where the server can't write; then it may be called again."""
        body = msgspec.json.encode(request)
        self._writer.submit(prepare(decode_push(body), time.time_ns() // 1_000)).result()
        snapshots = request["snapshots"]
        newest = datetime.strptime(snapshots[-1]["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        self._since[request["host"]["name"]] = newest + SECOND
        return len(snapshots)

    def unjudged(self) -> int:
        """How many hosts the server has yet to judge."""
        with self._database.read() as connection:
            return judgements.count_unjudged(connection)
