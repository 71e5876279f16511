"""`python -m bench.reads`: what it costs to read a host's series and the programs of the fleet that grew fastest, over
HTTP, beside VictoriaMetrics with the same samples asked the same; and a host's page and series over 1, 14 and 90 d."""

import argparse
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np
from sqlalchemy import Connection, insert

from bench.fleet import START_US, HostHistory, Shape, frame_of, host
from bench.ingest import peers
from bench.ingest.processes import cpu_s, settle
from bench.ingest.sending import Request, send_all
from bench.pages.__main__ import serving
from server.access.principals import Scope
from server.access.tokens import create_token
from server.analysis.frames import rebucket
from server.analysis.instants import DAY, MINUTE, rfc3339
from server.analysis.slopes import steepest
from server.jobs.compaction import block_of
from server.store import history, schema
from server.store.database import Database
from server.store.growing import write_growing
from server.store.tables import host_state, hosts

FULL_DAYS = 14
Asked = dict[str, str | int | float | bool | None]
END_US = START_US + DAY


@dataclass(frozen=True, slots=True)
class Cost:
    cpu_ms: float
    p50_ms: float
    p99_ms: float
    kb: float

    def line(self, name: str, peer: "Cost | None" = None, most: float | None = None) -> str:
        figures = "".join(f" {one:9.1f}" for one in (self.cpu_ms, self.p50_ms, self.p99_ms, self.kb))
        if peer is None or most is None:
            return f"  {name:60}{figures}"
        ratio = self.cpu_ms / peer.cpu_ms
        return f"  {name:60}{figures} {ratio:7.3f}  <= {most:.2f} {'yes' if ratio <= most else 'NO'}"


def store(database: Database, histories: list[HostHistory], shape: Shape, days: int) -> None:
    """As pushes, packing and judging leave them; the first host has `days` of history."""
    schema.upgrade(database)
    with database.write() as connection:
        for number, one in enumerate(histories):
            host_id = number + 1
            _add_host(connection, host_id, one)
            for ago in range(days if number == 0 else 1):
                begin_us = START_US - ago * DAY
                frame = frame_of(one if not ago else host(replace(shape, start_us=begin_us, seed=ago + 2), 0))
                times = set(frame.times.tolist())
                frame = rebucket(frame, 600) if ago >= FULL_DAYS else frame
                history.replace_blocks(connection, host_id, [], [block_of(frame, (begin_us, begin_us + DAY), times)])
                if not ago:
                    write_growing(connection, host_id, begin_us, steepest(frame, fold=False))


def _add_host(connection: Connection, host_id: int, one: HostHistory) -> None:
    newest_us = int(one.times[-1])
    connection.execute(
        insert(hosts).values(host_id=host_id, name=one.name, name_key=one.name, created_us=START_US - 90 * DAY)
    )
    state = {
        "info_us": newest_us, "os_family": "linux", "os_name": "Debian GNU/Linux 12 (bookworm)", "os_version": "6.1.0",
        "labels": {}, "collector": {"version": "1.0.0", "source": "linux", "interval_s": 60}, "interval_s": 60,
        "newest_us": newest_us, "shown_us": newest_us, "handles": 9_000, "processes": 200, "denied": 0, "skew_s": 0,
        "near_limit": [], "leaks": 0, "sparkline": [], "advice": [], "pushed_seq": 1, "judged_seq": 1,
        "sealed_us": newest_us + 1, "claimed_until_us": 0,
    }  # fmt: skip
    connection.execute(insert(host_state).values(host_id=host_id, **state))


def measure(ask: Callable[[], bytes], spent: Callable[[], float], repeat: int) -> Cost:
    for _ in range(3):
        ask()
    walls = []
    before = spent()
    for _ in range(repeat):
        began = time.perf_counter()
        body = ask()
        walls.append(1000 * (time.perf_counter() - began))
    cpu_ms = 1000 * (spent() - before) / repeat
    return Cost(cpu_ms, statistics.median(walls), sorted(walls)[int(0.99 * (repeat - 1))], len(body) / 1000)


def of_peer(histories: list[HostHistory], repeat: int) -> tuple[Cost, Cost, int]:
    """A range query of one host, the fleet's top 20, and how many values the first gave."""
    with tempfile.TemporaryDirectory() as name, peers.victoria_metrics(Path(name)) as peer:
        lines = (peers.Series(one).json_lines() for one in histories)
        send_all(peer.port, ([Request(at, "/api/v1/import", body)] for at, body in enumerate(lines)))
        peers.stored(peer, END_US)
        settle(lambda: cpu_s(peer.pid))
        with httpx.Client(base_url=f"http://127.0.0.1:{peer.port}/api/v1", timeout=120) as client:

            def one_host() -> bytes:
                query = f'handles{{host="{histories[0].name}"}}'
                asked: Asked = {
                    "query": query,
                    "start": START_US / 1e6,
                    "end": END_US / 1e6 - 60,
                    "step": 60,
                    "nocache": 1,
                }
                return client.get("/query_range", params=asked).raise_for_status().content

            def top() -> bytes:
                asked: Asked = {"query": "topk(20, deriv(handles[1d]))", "time": END_US / 1e6, "nocache": 1}
                return client.get("/query", params=asked).raise_for_status().content

            def spent() -> float:
                return cpu_s(peer.pid)

            first, second = measure(one_host, spent, repeat), measure(top, spent, repeat)
            found = httpx.Response(200, content=one_host()).json()["data"]["result"]
            if len(httpx.Response(200, content=top()).json()["data"]["result"]) != 20:
                raise SystemExit("VictoriaMetrics does not name 20 series")
            return first, second, sum(len(one["values"]) for one in found)


def check(client: httpx.Client, one: HostHistory) -> None:
    """Every value of every process, as it was sent."""
    answer = client.get(_series(one.name, END_US, 1)).raise_for_status().json()
    found = {}
    for line in answer["series"]:
        found[line["key"]["pid"]] = [-1 if count is None else count for count in line["last"]]
        if line["last"] != line["min"] or line["last"] != line["max"]:
            raise SystemExit("what is exact has other extremes")
    for row, key in enumerate(one.processes):
        if found[key.pid] != np.maximum(one.handles[row], -1).tolist():
            raise SystemExit(f"process {key.pid} reads as something else than was sent")


def _series(name: str, to_us: int, days: int, *, by: str = "process") -> str:
    span = f"from={rfc3339(to_us - days * DAY)}&to={rfc3339(to_us - 1)}"
    return f"/api/v1/hosts/{name}/series?{span}&by={by}&top=1000&points={'2000' if days == 1 else '1000'}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.reads", description=__doc__)
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--days", type=int, default=90, help="of history of the one host")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=15)
    given = parser.parse_args()
    shape = Shape(hosts=given.hosts, minutes=1440, seed=given.seed)
    histories = [host(shape, number) for number in range(given.hosts)]
    series = sum(len(one.processes) for one in histories)
    print(f"{given.hosts} hosts, {series:,} series over 24 h; load {os.getloadavg()[0]:.1f}")
    print(f"  {'ms of CPU, ms as asked, and kB':60} {'CPU':>9} {'p50':>9} {'p99':>9} {'kB':>9} {'ratio':>7}")
    vm_host, vm_top, values = of_peer(histories, given.repeat)
    print(vm_host.line(f"VictoriaMetrics, one host, 24 h, {values:,} values"))
    print(vm_top.line("VictoriaMetrics, topk(20, deriv()) of all"), flush=True)
    within = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'fleet.db'}"
        database = Database(url)
        store(database, histories, shape, given.days)
        with database.write() as connection:
            now_us = time.time_ns() // 1000 - MINUTE
            token = create_token(connection, name=secrets.token_hex(4), scope=Scope.READ, now_us=now_us)
        database.close()
        head = {"Authorization": f"Bearer {token}"}
        with serving(url, folder) as (address, pid), httpx.Client(base_url=address, headers=head, timeout=60) as client:
            check(client, histories[0])
            settle(lambda: cpu_s(pid), most_s=5)

            def cost(path: str) -> Cost:
                return measure(lambda: client.get(path).raise_for_status().content, lambda: cpu_s(pid), given.repeat)

            one = histories[0].name
            whole, top = cost(_series(one, END_US, 1)), cost("/api/v1/programs/growing")
            programs = cost(_series(one, END_US, 1, by="program"))
            print(programs.line("one host, 24 h, each program, every snapshot", vm_host, 0.3))
            print(whole.line("one host, 24 h, each process, every snapshot", vm_host, 0.3))
            print(top.line("the 20 programs of all that grew fastest", vm_top, 0.1), flush=True)
            within = whole.cpu_ms <= 0.3 * vm_host.cpu_ms and top.cpu_ms <= 0.1 * vm_top.cpu_ms
            if len(client.get("/api/v1/programs/growing").json()["items"]) != 20:
                raise SystemExit("there are not 20 programs")
            for days in (days for days in (1, 14, 90) if days <= given.days):
                print(
                    cost(_series(one, END_US, days, by="program")).line(f"one host, {days} d, each program"), flush=True
                )
                span = f"from={rfc3339(END_US - days * DAY)}&to={rfc3339(END_US - 1)}"
                print(cost(f"/hosts/{one}?{span}").line(f"host page, {days} d"), flush=True)
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
