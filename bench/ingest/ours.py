"""Our server, fed as our collectors feed it, and what it stored."""

import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import func, select

from bench.fleet import HostHistory, envelope, live_order, snapshot
from bench.ingest.processes import free_port, started
from bench.ingest.sending import Request
from collector.packed import MEDIA_TYPE, packed_body
from collector.wire import compact, gzip_body
from server.access.principals import Scope
from server.access.tokens import create_token
from server.analysis.frames import ABSENT
from server.analysis.instants import HOUR, MINUTE
from server.jobs.compaction import PACK_EVERY
from server.store import history, schema
from server.store.database import Database
from server.store.tables import host_state, hosts, snapshots

PATH = "/api/v1/snapshots"
A_REQUEST = 100  # snapshots in one of a backfill, as many as our collector sends at most

Encode = Callable[[int, Sequence[int]], Request]  # of a host by number


@dataclass(slots=True)
class Ours:
    """A running server of ours and its database. `tokens`: of each host."""

    port: int
    pid: int
    url: str
    tokens: Sequence[str]
    database: Database = field(repr=False)

    def wait_packed(self) -> None:
        """Until all that is due to be packed is."""
        due = host_state.c.recent_us <= host_state.c.shown_us - PACK_EVERY
        self._wait(lambda connection: connection.scalar(select(func.count()).select_from(host_state).where(due)))

    def wait_judged(self) -> None:
        waiting = host_state.c.pushed_seq > host_state.c.judged_seq
        self._wait(lambda connection: connection.scalar(select(func.count()).select_from(host_state).where(waiting)))

    def _wait(self, left: Callable[..., int]) -> None:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with self.database.read() as connection:
                if not left(connection):
                    return
            time.sleep(0.03)
        raise SystemExit("the server does not get done with what was sent")


@contextmanager
def serving(url: str, folder: Path, names: Sequence[str], *, judging: bool) -> Iterator[Ours]:
    database = Database(url)
    schema.upgrade(database)
    now_us = time.time_ns() // 1000 - MINUTE
    with database.write() as connection:
        tokens = [
            create_token(connection, name=secrets.token_hex(4), scope=Scope.HOST, host_name=name, now_us=now_us)
            for name in names
        ]
    port = free_port()
    environment = {**os.environ, "HANDLEWATCH_DATABASE_URL": url, "HANDLEWATCH_DATA_DIR": str(folder)}
    command = [sys.executable, "-m", "bench.ingest.serving", str(port), "judging" if judging else "packing"]
    try:
        with started(command, folder / "serve.log", f"http://127.0.0.1:{port}/readyz", environment) as pid:
            yield Ours(port, pid, url, tokens, database)
    finally:
        database.close()


def as_json(one: HostHistory, columns: Sequence[int], token: str, number: int) -> Request:
    """As our collector's gzipped JSON."""
    said = {**envelope(one), "snapshots": [snapshot(one, column) for column in columns]}
    body = gzip_body([json.dumps(said, separators=(",", ":")).encode()])
    head = ("Content-Type: application/json", "Content-Encoding: gzip", f"Authorization: Bearer {token}")
    return Request(number, PATH, body, head)


def as_packed(one: HostHistory, columns: Sequence[int], token: str, number: int) -> Request:
    """As our collector's packed columns."""
    body = packed_body(envelope(one), [compact(snapshot(one, column)) for column in columns])
    return Request(number, PATH, body, (f"Content-Type: {MEDIA_TYPE}", f"Authorization: Bearer {token}"))


def live(histories: Sequence[HostHistory], encode: Encode) -> Iterator[list[Request]]:
    """A round for each minute: one snapshot a request."""
    minute = 0
    requests: list[Request] = []
    for at, number, columns in live_order(histories):
        if at != minute:
            yield requests
            minute, requests = at, []
        requests += [encode(number, [column]) for column in columns]
    yield requests


def backfill(
    histories: Sequence[HostHistory], encode: Callable[[int, Sequence[int]], Request]
) -> Iterator[list[Request]]:
    """A round for each stretch of time of every host, which comes in one request."""
    longest = max(len(one.times) for one in histories)
    for begin in range(0, longest, A_REQUEST):
        requests: list[Request] = []
        for number, one in enumerate(histories):
            columns = range(begin, min(begin + A_REQUEST, len(one.times)))
            if columns:
                requests.append(encode(number, columns))
        yield requests


def closing(histories: Sequence[HostHistory], tokens: Sequence[str]) -> list[Request]:
    """An empty snapshot of each host two hours later, so that all that was before is packed."""
    last = [last_of(one, 2 * HOUR) for one in histories]
    return [as_json(one, [0], tokens[number], number) for number, one in enumerate(last)]


def last_of(one: HostHistory, later_us: int) -> HostHistory:
    """A snapshot in which nothing runs, so much after the last of a history."""
    return HostHistory(
        one.name, one.times[-1:] + later_us, one.arrival[-1:], one.processes, one.handles[:, -1:] * 0 + ABSENT,
        one.limits, one.typed_rows[:0], one.types[:0, :, -1:], frozenset(),
    )  # fmt: skip


def stored(ours: Ours, histories: Sequence[HostHistory]) -> tuple[int, int]:
    """How many samples there are, and their sum; those not in a block yet count too, but no type of which a process
    has none: collectors leave these out, and who was never told of one has no row for it."""
    count = total = 0
    with ours.database.read() as connection:
        ids = dict(connection.execute(select(hosts.c.name, hosts.c.host_id)).tuples().all())
        for one in histories:
            for frame in history.read_frames(connection, ids[one.name], 0, int(one.times[-1]) + HOUR):
                for values, least in ((frame.handles.last, 0), (frame.types.last, 1)):
                    count += int((values >= least).sum())
                    total += int(values[values >= least].sum())
    return count, total


def unpacked(ours: Ours) -> int:
    """Snapshots that lie in no block."""
    with ours.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(snapshots)) or 0


def wait_idle(port: int, token: str) -> None:
    """Until nothing is left to be judged."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}) as client:
        for _ in range(1_200):
            if client.get("/api/v1/status").json()["pending_hosts"] == 0:
                return
            time.sleep(0.1)
