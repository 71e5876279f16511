"""`python -m bench.idle`: the CPU time that a server takes while nobody asks it for anything and nothing is sent, with
what a fleet sent before stored in it; beside VictoriaMetrics with the same samples, over the same minute."""

import argparse
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.fleet import HostHistory, Shape, host
from bench.ingest import ours, peers
from bench.ingest.processes import cpu_s, free_port, started
from bench.ingest.sending import Request, send_all
from bench.pages.__main__ import postgresql
from server.access.principals import Scope
from server.access.tokens import create_token
from server.analysis.instants import MINUTE
from server.store import schema
from server.store.database import Database

AT_MOST = 1.0  # times VictoriaMetrics, of the server's processes
SETTLE_S = 30.0  # for what goes on after the last push


@dataclass(frozen=True, slots=True)
class Idle:
    """A server at rest: its process, and its database's where that is another."""

    name: str
    pid: int
    database_pid: int | None = None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.idle", description=__doc__)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=120.0, help="how long to watch")
    asked = parser.parse_args()
    shape = Shape(hosts=asked.hosts, minutes=asked.minutes, seed=asked.seed)
    histories = [host(shape, number) for number in range(shape.hosts)]
    with tempfile.TemporaryDirectory(prefix="handlewatch-idle-") as place, ExitStack() as stack:
        resting = list(_all(stack, Path(place), histories))
        time.sleep(SETTLE_S)
        spent = _watch(resting, asked.seconds)
    sys.exit(_print(resting, spent, asked.seconds))


def _all(stack: ExitStack, place: Path, histories: Sequence[HostHistory]) -> Iterator[Idle]:
    peer = stack.enter_context(peers.victoria_metrics(place))
    lines = [Request(0, "/api/v1/import", peers.Series(one).json_lines()) for one in histories]
    send_all(peer.port, [lines])
    yield Idle("VictoriaMetrics", peer.pid)
    empty = place / "vm-empty"
    empty.mkdir()
    yield Idle("VictoriaMetrics, empty", stack.enter_context(peers.victoria_metrics(empty)).pid)
    folder = place / "sqlite"
    folder.mkdir()
    url = f"sqlite:///{folder / 'handlewatch.db'}"
    yield Idle("ours, SQLite", stack.enter_context(_serving(url, folder, histories)))
    url, pid = stack.enter_context(postgresql(place))
    for name, options in (("ours, PostgreSQL", ()), ("ours, PostgreSQL, --workers 2", ("--workers", "2"))):
        folder = place / f"postgresql-{len(options)}"
        folder.mkdir()
        server = stack.enter_context(_serving(url, folder, histories if not options else (), *options))
        yield Idle(name, server, None if options else pid)


@contextmanager
def _serving(url: str, folder: Path, histories: Sequence[HostHistory], *options: str) -> Iterator[int]:
    """`handlewatch serve`, to which a fleet's histories are sent."""
    database = Database(url)
    schema.upgrade(database)
    with database.write() as connection:
        token = create_token(
            connection, name=secrets.token_hex(4), scope=Scope.RELAY, now_us=time.time_ns() // 1000 - MINUTE
        )
    database.close()
    port = free_port()
    environment = {**os.environ, "HANDLEWATCH_DATABASE_URL": url, "HANDLEWATCH_DATA_DIR": str(folder)}
    command = [sys.executable, "-m", "server", "serve", "--port", str(port), *options]
    with started(command, folder / "serve.log", f"http://127.0.0.1:{port}/readyz", environment) as pid:
        send_all(port, ours.backfill(histories, _encoder(histories, token)) if histories else [])
        yield pid


def _encoder(histories: Sequence[HostHistory], token: str) -> ours.Encode:
    return lambda number, columns: ours.as_json(histories[number], columns, token, number)


def _watch(resting: Sequence[Idle], seconds: float) -> list[tuple[float, float]]:
    """CPU seconds of each server and of its database, all over the same time."""

    def now() -> list[tuple[float, float]]:
        return [(cpu_s(one.pid), 0.0 if one.database_pid is None else cpu_s(one.database_pid)) for one in resting]

    before = now()
    time.sleep(seconds)
    return [(after[0] - old[0], after[1] - old[1]) for old, after in zip(before, now(), strict=True)]


def _print(resting: Sequence[Idle], spent: Sequence[tuple[float, float]], seconds: float) -> int:
    """1 where a server of ours takes more than is asked."""
    load = os.getloadavg()[0]
    print(f"CPU time at rest, in ms a minute, over {seconds:.0f} s; load {load:.1f}\n")
    print(f"{'':32}{'server':>10}{'database':>10}{'x VictoriaMetrics':>20}")
    reference = spent[0][0]
    missed = 0
    for one, (server_s, database_s) in zip(resting, spent, strict=True):
        per_minute = 60_000 / seconds
        ratio = server_s / reference
        shown = f"{database_s * per_minute:>10.0f}" if one.database_pid is not None else f"{'':>10}"
        print(f"{one.name:32}{server_s * per_minute:>10.0f}{shown}{ratio:>20.2f}")
        missed += one.name.startswith("ours") and "workers" not in one.name and ratio > AT_MOST
    print(f"\nasked: at most {AT_MOST:g} x VictoriaMetrics with one worker{'; missed' if missed else ''}")
    return int(missed > 0)


if __name__ == "__main__":
    main()
