"""`python -m bench.storage`: what a day of a fleet takes on disk when it is packed and judged, with its indexes and all
that is derived from it, beside VictoriaMetrics and Prometheus with the same samples. Everything is read back first."""

import argparse
import os
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy import Connection, func, select, text

from bench.fleet import Shape
from bench.ingest import ours, peers
from bench.ingest.__main__ import PROTO, Sent, database
from bench.ingest.processes import cpu_s, settle
from bench.ingest.sending import Request, send_all
from server.analysis.instants import DAY, HOUR
from server.store import schema
from server.store.database import Database
from server.store.tables import blocks, digests

BOUNDS = {
    (False, 0): (("vm", 0.7),),
    (False, 30): (("vm", 0.3), ("prometheus", 0.25)),
    (True, 30): (("vm", 0.3), ("prometheus", 0.25)),
    (True, 0): (("vm", 0.7),),
}
PEERS = {"vm": "VictoriaMetrics, merged", "prometheus": "Prometheus, blocks"}


@dataclass(frozen=True, slots=True)
class Taken:
    """Bytes: of what is in use, of that what an empty one takes, and of the files with room left by what was packed.
    `parts`: of the columns that hold most."""

    used: int
    empty: int
    files: int
    parts: dict[str, int]


def victoria_metrics(sent: Sent) -> int:
    """Without caches, after a merge of everything and an orderly end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with peers.victoria_metrics(folder) as peer:
            lines = (peers.Series(one).json_lines() for one in sent.histories)
            send_all(peer.port, ([Request(at, "/api/v1/import", body)] for at, body in enumerate(lines)))
            sent.check("vm", peers.stored(peer, _newest_us(sent)))
            httpx.get(f"http://127.0.0.1:{peer.port}/internal/force_merge", timeout=120).raise_for_status()
            settle(lambda: cpu_s(peer.pid), most_s=60)
        return size_of(folder / "vm" / "data") + size_of(folder / "vm" / "indexdb")


def prometheus(sent: Sent) -> int:
    """All of it as blocks, which is how it writes a snapshot of itself."""
    told = [peers.Series(one) for one in sent.histories]

    def encode(number: int, columns: Sequence[int]) -> Request:
        return Request(number, "/api/v1/write", told[number].remote_write(columns), PROTO)

    with tempfile.TemporaryDirectory() as name, peers.prometheus(Path(name)) as peer:
        send_all(peer.port, ours.live(sent.histories, encode))
        settle(lambda: cpu_s(peer.pid), most_s=60)
        sent.check("prometheus", peers.stored(peer, _newest_us(sent)))
        address = f"http://127.0.0.1:{peer.port}/api/v1/admin/tsdb/snapshot"
        made = httpx.post(address, timeout=120).raise_for_status().json()["data"]["name"]
        return size_of(peer.folder / "snapshots" / made)


def handlewatch(sent: Sent, on: str) -> Taken:
    """Sent as a backfill, packed in step, judged, and closed by empty snapshots, so that days are joined."""
    names = [one.name for one in sent.histories]
    with tempfile.TemporaryDirectory() as name, database(on, Path(name)) as (url, _):
        folder = Path(name)
        stored = Database(url)
        schema.upgrade(stored)
        empty, _ = bytes_of(stored, folder)
        with ours.serving(url, folder, names, judging=True) as server:

            def request(number: int, columns: Sequence[int]) -> Request:
                return ours.as_packed(sent.histories[number], columns, server.tokens[number], number)

            for requests in ours.backfill(sent.histories, request):
                send_all(server.port, [requests])
                server.wait_packed()
            server.wait_judged()
            _close(sent, server, stored)
            check(sent, on, ours.stored(server, sent.histories))
        used, files = bytes_of(stored, folder)
        with stored.read() as connection:
            parts = {
                "blocks": _held(connection, blocks.c.body) + _held(connection, blocks.c.times),
                "what judging keeps of days": _held(connection, digests.c.body),
            }
        stored.close()
        return Taken(used, empty, files, parts)


def check(sent: Sent, on: str, found: tuple[int, int]) -> None:
    """The same sum, and every count above nothing; a type of which a process holds none may have no value at all."""
    least = sum(int((matrix > 0).sum()) for one in sent.histories for matrix in (one.handles, one.types))
    if found[1] != sent.total or not least <= found[0] <= sent.samples:
        raise SystemExit(f"{on}: {found} samples and sum are there, {(sent.samples, sent.total)} were sent")


def closing(sent: Sent, tokens: Sequence[str], later_us: int) -> list[Request]:
    """An empty snapshot of each host, so much later."""
    return [
        ours.as_json(ours.last_of(one, later_us), [0], tokens[number], number)
        for number, one in enumerate(sent.histories)
    ]


def bytes_of(stored: Database, folder: Path) -> tuple[int, int]:
    """What is in use, and what the files take: the difference is room that is used again."""
    if stored.dialect == "sqlite":
        path, copy = str(stored.url.database), folder / "copy.db"
        stored.close()
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute("VACUUM INTO ?", (str(copy),))
        connection.close()
        used = copy.stat().st_size
        copy.unlink()
        return used, Path(path).stat().st_size
    with stored.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as asked:
        files = _relations(asked)
        asked.exec_driver_sql("VACUUM FULL")
        return _relations(asked), files


def _relations(connection: Connection) -> int:
    of_tables = (
        "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    )
    where = " WHERE c.relkind = 'r' AND n.nspname = 'public'"
    return int(connection.scalar(text(of_tables + where)) or 0)


def _held(connection: Connection, column: object) -> int:
    return int(connection.scalar(select(func.sum(func.length(column)))) or 0)


def _close(sent: Sent, server: ours.Ours, stored: Database) -> None:
    """Empty snapshots, every two hours, until no block of an hour is left of the days that are over."""
    over_us = -(-max(int(one.times[-1]) for one in sent.histories) // DAY) * DAY
    hours = blocks.c.end_us - blocks.c.start_us < DAY
    short = select(func.count()).select_from(blocks).where(hours, blocks.c.end_us <= over_us)
    for later in range(1, 25):
        send_all(server.port, [closing(sent, server.tokens, later * 2 * HOUR)])
        server.wait_judged()
        server.wait_packed()
        with stored.read() as connection:
            if not connection.scalar(short):
                return
    raise SystemExit("the hours of a day that is over are not joined")


def _newest_us(sent: Sent) -> int:
    return max(int(one.times[-1]) for one in sent.histories) + HOUR // 60


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def compare(shape: Shape, kinds: Sequence[str], which: Sequence[str]) -> bool:
    """Prints a table; whether all are within bounds."""
    sent = Sent.of(shape)
    series = sum(len(one.processes) + 6 * len(one.typed_rows) for one in sent.histories)
    how = f"{'all processes with types' if shape.typed else 'counts alone'}, times off by up to {shape.jitter_ms} ms"
    print(f"\n{how}: {shape.hosts} hosts, {series:,} series, {sent.samples:,} samples; load {os.getloadavg()[0]:.1f}")
    print(f"  {'bytes a sample':40}{'in use':>9}{'files':>9}  ratios")
    each: dict[str, float] = {}
    for peer in which:
        each[peer] = {"vm": victoria_metrics, "prometheus": prometheus}[peer](sent) / sent.samples
        print(f"  {PEERS[peer]:40}{each[peer]:9.3f}", flush=True)
    within = True
    for on in kinds:
        taken = handlewatch(sent, on)
        ours_each = (taken.used - taken.empty) / sent.samples
        files = (taken.files - taken.empty) / sent.samples
        said = []
        bounds = dict(BOUNDS[bool(shape.typed), shape.jitter_ms]) if on == "sqlite" else {}
        for peer, bytes_each in each.items():
            ratio, most = ours_each / bytes_each, bounds.get(peer)
            within &= most is None or ratio <= most
            verdict = "" if most is None else f" (<= {most:.2f} {'yes' if ratio <= most else 'NO'})"
            said.append(f"{ratio:.2f} x {peer}{verdict}")
        print(f"  {on:40}{ours_each:9.3f}{files:9.3f}  {', '.join(said)}", flush=True)
        for part, held in taken.parts.items():
            print(f"    {part:38}{held / sent.samples:9.3f}")
    return within


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.storage", description=__doc__)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--typed-hosts", type=int, default=5, help="hosts of the rows with types")
    parser.add_argument("--minutes", type=int, default=1440)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--typed", choices=("no", "yes", "both"), default="both")
    parser.add_argument("--jitter-ms", type=int, choices=(0, 30), action="append")
    parser.add_argument("--on", choices=("sqlite", "postgresql"), action="append", help="of these alone")
    parser.add_argument("--peer", choices=tuple(PEERS), action="append", help="of these alone")
    given = parser.parse_args()
    within = True
    for typed in {"no": (False,), "yes": (True,), "both": (False, True)}[given.typed]:
        for jitter_ms in given.jitter_ms or (30, 0):
            hosts = given.typed_hosts if typed else given.hosts
            shape = Shape(hosts=hosts, minutes=given.minutes, seed=given.seed, typed=float(typed), jitter_ms=jitter_ms)
            within &= compare(shape, given.on or ("sqlite", "postgresql"), given.peer or tuple(PEERS))
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
