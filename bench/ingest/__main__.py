"""`python -m bench.ingest`: what it costs to take in what a fleet sends, beside VictoriaMetrics and Prometheus fed with
the same samples in the same run: CPU time of the server (and of its database) from the socket to the sealed block."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.fleet import HostHistory, Shape, host
from bench.ingest import ours, peers
from bench.ingest.processes import cpu_s, peak_mb, settle
from bench.ingest.sending import Request, send_all
from bench.pages.__main__ import postgresql
from server.analysis.instants import MINUTE
from server.jobs.compaction import PACK_EVERY

TEXT = ("Content-Type: text/plain",)
PROTO = (
    "Content-Type: application/x-protobuf", "Content-Encoding: snappy", "X-Prometheus-Remote-Write-Version: 0.1.0",
)  # fmt: skip
A_PACK = PACK_EVERY // MINUTE
PEERS = {
    "vm": "VictoriaMetrics, text, a host a request",
    "vm-write": "VictoriaMetrics, remote write, a host a request",
    "vm-lines": "VictoriaMetrics, JSON lines, backfill",
    "prometheus": "Prometheus, remote write, a host a request",
}
OURS = {
    "packed": "packed columns, one snapshot a request",
    "json": "gzipped JSON, one snapshot a request",
    "packed-many": "packed columns, backfill",
    "json-many": "gzipped JSON, backfill",
}
# what is asked of us: (way, typed, database) -> (at most, times which peer)
BOUNDS = {
    ("packed", False, "sqlite"): (0.5, "vm"),
    ("json", False, "sqlite"): (0.9, "vm"),
    ("packed", True, "sqlite"): (0.3, "vm"),
    ("packed", False, "postgresql"): (1.0, "vm"),
    ("packed-many", False, "sqlite"): (1.0, "vm-lines"),
    ("json-many", False, "sqlite"): (1.0, "vm-lines"),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of the server and of its database, for so many snapshots and samples."""

    server_s: float
    database_s: float
    snapshots: int
    samples: int
    peak_mb: float

    @property
    def us(self) -> float:
        """Microseconds a sample."""
        return 1e6 * (self.server_s + self.database_s) / self.samples


@dataclass(frozen=True, slots=True)
class Sent:
    """What is sent in this run, and what a server must then hold: so many samples, with this sum; `zeros` of them are
    counts of 0 by type, which peers are sent and our server is not."""

    histories: Sequence[HostHistory]
    snapshots: int
    samples: int
    total: int
    zeros: int

    @classmethod
    def of(cls, shape: Shape) -> "Sent":
        histories = [host(shape, number) for number in range(shape.hosts)]
        total = 0
        for one in histories:
            total += sum(int(matrix[matrix >= 0].sum()) for matrix in (one.handles, one.types))
        count, samples = sum(len(one.times) for one in histories), sum(one.samples for one in histories)
        return cls(histories, count, samples, total, sum(int((one.types == 0).sum()) for one in histories))

    def check(self, way: str, found: tuple[int, int]) -> None:
        wanted = self.samples - (0 if way in PEERS else self.zeros), self.total
        if found != wanted:
            raise SystemExit(f"{way}: {found} samples and sum are there, {wanted} were sent")


def measure_peer(sent: Sent, way: str) -> Cost:
    told = [peers.Series(one) for one in sent.histories]

    def encode(number: int, columns: Sequence[int]) -> Request:
        if way == "vm":
            return Request(number, "/api/v1/import/prometheus", told[number].text(columns), TEXT)
        return Request(number, "/api/v1/write", told[number].remote_write(columns), PROTO)

    def lines() -> Iterator[list[Request]]:
        for number, one in enumerate(told):
            yield [Request(number, "/api/v1/import", one.json_lines())]

    start = peers.prometheus if way == "prometheus" else peers.victoria_metrics
    with tempfile.TemporaryDirectory() as name, start(Path(name)) as peer:
        settle(lambda: cpu_s(peer.pid))
        before = cpu_s(peer.pid)
        send_all(peer.port, lines() if way == "vm-lines" else ours.live(sent.histories, encode))
        settle(lambda: cpu_s(peer.pid))
        spent = cpu_s(peer.pid) - before
        sent.check(way, peers.stored(peer, max(int(one.times[-1]) for one in sent.histories)))
        return Cost(spent, 0.0, sent.snapshots, sent.samples, peak_mb(peer.pid))


def measure_ours(sent: Sent, way: str, *, on: str, judging: bool = False) -> Cost:
    encode = ours.as_packed if way.startswith("packed") else ours.as_json
    names = [one.name for one in sent.histories]
    with (
        tempfile.TemporaryDirectory() as name,
        database(on, Path(name)) as (url, database_pids),
        ours.serving(url, Path(name), names, judging=judging) as server,
    ):

        def request(number: int, columns: Sequence[int]) -> Request:
            return encode(sent.histories[number], columns, server.tokens[number], number)

        many = way.endswith("-many")
        rounds = (ours.backfill if many else ours.live)(sent.histories, request)
        settle(lambda: cpu_s(server.pid, *database_pids), most_s=5)
        before, database_before = cpu_s(server.pid), cpu_s(*database_pids)
        send_all(server.port, paced(rounds, server, every=1 if many else A_PACK))
        send_all(server.port, [ours.closing(sent.histories, server.tokens)])
        server.wait_packed()
        if judging:
            server.wait_judged()
        settle(lambda: cpu_s(server.pid, *database_pids), most_s=5)
        spent, database_spent = cpu_s(server.pid) - before, cpu_s(*database_pids) - database_before
        sent.check(way, ours.stored(server, sent.histories))
        if ours.unpacked(server) > len(names):
            raise SystemExit(f"{way}: {ours.unpacked(server)} snapshots are in no block")
        return Cost(spent, database_spent, sent.snapshots, sent.samples, peak_mb(server.pid))


def paced(rounds: Iterable[list[Request]], server: ours.Ours, *, every: int) -> Iterator[list[Request]]:
    """As time would pace them: what is due by then is packed before the next come."""
    for at, requests in enumerate(rounds):
        yield requests
        if at % every == every - 1:
            server.wait_packed()


@contextmanager
def database(kind: str, folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The URL of an empty one, and its processes."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'handlewatch.db'}", ()
    else:
        with postgresql(folder) as (url, pid):
            yield url, (pid,)


def line(name: str, cost: Cost, peer: Cost | None, most: float | None) -> str:
    per_snapshot = 1e6 / cost.snapshots
    figures = (
        f"{cost.server_s * per_snapshot:9.0f} {cost.database_s * per_snapshot:9.0f} {cost.us:10.3f} {cost.peak_mb:8.0f}"
    )
    ratio = "" if peer is None else f"{cost.us / peer.us:8.2f}"
    verdict = "" if peer is None or most is None else f"  <= {most:.2f} {'yes' if cost.us <= most * peer.us else 'NO'}"
    return f"  {name:56}{figures}{ratio}{verdict}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--typed-hosts", type=int, default=10, help="hosts of the rows with types")
    parser.add_argument("--minutes", type=int, default=180)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--typed", choices=("no", "yes", "both"), default="both")
    parser.add_argument("--on", choices=("sqlite", "postgresql"), action="append", help="of these alone")
    parser.add_argument("--way", choices=(*PEERS, *OURS), action="append", help="of these alone")
    parser.add_argument("--judging", action="store_true", help="a row with judging for leaks as well")
    given = parser.parse_args()
    ways = given.way or [*PEERS, *OURS]
    within = True
    for typed in {"no": (False,), "yes": (True,), "both": (False, True)}[given.typed]:
        hosts = given.typed_hosts if typed else given.hosts
        sent = Sent.of(Shape(hosts=hosts, minutes=given.minutes, seed=given.seed, typed=float(typed)))
        what = f"{hosts} hosts, {sent.snapshots:,} snapshots, {sent.samples:,} samples; load {os.getloadavg()[0]:.1f}"
        print(f"\n{'all processes with types' if typed else 'counts alone'}: {what}")
        print(f"  {'us of CPU':56}{'server':>9} {'database':>9} {'a sample':>10} {'peak MB':>8}{'ratio':>8}")
        costs: dict[str, Cost] = {}
        for way in (way for way in PEERS if way in ways):
            costs[way] = measure_peer(sent, way)
            print(line(PEERS[way], costs[way], None, None), flush=True)
        for on in given.on or ("sqlite", "postgresql"):
            for way in (way for way in OURS if way in ways):
                cost = measure_ours(sent, way, on=on)
                most, against = BOUNDS.get((way, typed, on), (None, "vm-lines" if way.endswith("many") else "vm"))
                peer = costs.get(against)
                print(line(f"{on}, {OURS[way]}", cost, peer, most), flush=True)
                within &= peer is None or most is None or cost.us <= most * peer.us
                if given.judging and not way.endswith("many"):
                    judged = measure_ours(sent, way, on=on, judging=True)
                    print(line("  the same, and judging for leaks", judged, peer, None), flush=True)
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
