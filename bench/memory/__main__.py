"""`python -m bench.memory`: what a server holds in memory while a large fleet reports every minute for an hour, with
judging, packing and a person who looks at pages, beside VictoriaMetrics with as many series in the same run. The hour
is a simulated one: minutes follow each other as fast as the server takes them in."""

import argparse
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.fleet import Shape
from bench.ingest import peers
from bench.ingest.processes import cpu_s, free_port, peak_mb, settle, started
from bench.memory.crowd import Crowd
from bench.memory.feeding import Sender
from bench.memory.watching import Moment, Watch, resident_mb
from server.access.principals import Scope
from server.access.tokens import create_token
from server.analysis.instants import MINUTE
from server.store import schema
from server.store.database import Database

MOST_MB = 400.0
LOOK_EVERY_S = 2.0
LINE_EVERY_S = 15.0
CATCH_UP_S = 900.0
PEOPLE = 40


def measure_ours(crowd: Crowd, folder: Path, least_s: float) -> float:
    """Prints the course of it; the most that was resident, in MB."""
    url = f"sqlite:///{folder / 'handlewatch.db'}"
    database = Database(url)
    schema.upgrade(database)
    now_us = time.time_ns() // 1000 - MINUTE
    with database.write() as connection:
        tokens = [
            create_token(connection, name=f"of-{name}", scope=Scope.HOST, host_name=name, now_us=now_us)
            for name in crowd.names()
        ]
        reader = create_token(connection, name=secrets.token_hex(4), scope=Scope.READ, now_us=now_us)
    one = f"/hosts/{crowd.name(crowd.shape.hosts // 2)}"
    pages = ["/", "/leaks", one, f"/api/v1{one}/series?by=program", "/api/v1/hosts?limit=500"]
    port = free_port()
    environment = {**os.environ, "HANDLEWATCH_DATABASE_URL": url, "HANDLEWATCH_DATA_DIR": str(folder)}
    command = [sys.executable, "-m", "server", "serve", "--port", str(port)]
    with started(command, folder / "serve.log", f"http://127.0.0.1:{port}/readyz", environment) as pid:
        print(f"  begun with {resident_mb(pid):.0f} MB", flush=True)
        watch = Watch(pid, port, database, reader, pages)
        sender = Sender(crowd, port, tokens, least_s)
        try:
            sent = follow(watch, sender)
            caught_up = catch_up(watch, sent[-1])
            took = watch.crowd(PEOPLE)
            print(
                f"  {PEOPLE} people at once looked at all pages in {took:.1f} s; then {resident_mb(pid):.0f} MB",
                flush=True,
            )
        finally:
            sender.close()
            watch.close()
        peak = peak_mb(pid)
    database.close()
    report(crowd, sent, caught_up, peak)
    print(f"  database: {sum(file.stat().st_size for file in folder.glob('handlewatch.db*')) / 2**20:.0f} MB")
    complain(folder / "serve.log")
    return peak


def follow(watch: Watch, sender: Sender) -> list[Moment]:
    print(f"  {'s':>6} {'minute':>6} {'MB':>6} {'CPU s':>7} {'unjudged':>9} {'unpacked':>9}  pages, ms", flush=True)
    moments: list[Moment] = []
    line_at = 0.0
    while not sender.is_done():
        full = not moments or moments[-1].at_s - line_at >= LINE_EVERY_S
        moments.append(watch.look(sender.minute, pages=full))
        if full:
            line_at = moments[-1].at_s
            print(line(moments[-1]), flush=True)
        time.sleep(LOOK_EVERY_S)
    moments.append(watch.look(sender.minute, pages=True))
    print(line(moments[-1]) + "  all sent", flush=True)
    return moments


def catch_up(watch: Watch, last: Moment) -> Moment:
    """Until nothing waits to be judged or packed."""
    while (last.unjudged or last.unpacked) and last.at_s < CATCH_UP_S + 3600:
        time.sleep(LOOK_EVERY_S)
        last = watch.look(last.minute, pages=False)
    print(line(last) + "  all judged and packed", flush=True)
    return last


def line(moment: Moment) -> str:
    pages = " ".join(f"{ms:.0f}" for ms in moment.pages_ms.values())
    figures = f"{moment.at_s:6.0f} {moment.minute:6} {moment.resident_mb:6.0f} {moment.cpu_s:7.1f}"
    return f"  {figures} {moment.unjudged:9,} {moment.unpacked:9,}  {pages}"


def report(crowd: Crowd, sent: Sequence[Moment], caught_up: Moment, peak: float) -> None:
    last = sent[-1]
    minutes = crowd.shape.minutes
    print(f"  at a faster clock: {minutes} minutes in {last.at_s:.0f} s, {minutes * 60 / last.at_s:.1f} times as fast")
    print(
        f"  CPU while they came: {last.cpu_s:.0f} s, {100 * last.cpu_s / (60 * minutes):.0f} % of a core in real time"
    )
    print(f"  judged and packed {caught_up.at_s - last.at_s:.0f} s later, CPU in all {caught_up.cpu_s:.0f} s")
    of_core = 100 * caught_up.cpu_s / (60 * minutes)
    print(f"  which is {of_core:.0f} % of a core in real time")
    for page in [name for moment in sent for name in moment.pages_ms][:5]:
        times = sorted(moment.pages_ms[page] for moment in sent if page in moment.pages_ms)
        print(f"  {page}: median {times[len(times) // 2]:.0f} ms, longest {times[-1]:.0f} ms, while pushes came")
    print(f"  resident: {peak:.0f} MB at most  <= {MOST_MB:.0f} {'yes' if peak <= MOST_MB else 'NO'}")


def complain(log: Path) -> None:
    wrong = [one for one in log.read_text().splitlines() if " ERROR " in one or " WARNING " in one]
    if wrong:
        print(f"  the server's log has {len(wrong)} lines to be looked at, the first: {wrong[0]}")


def measure_vm(crowd: Crowd, folder: Path) -> None:
    with peers.victoria_metrics(folder) as peer:
        before, began = cpu_s(peer.pid), time.monotonic()
        sender = Sender(crowd, peer.port, (), 0.0)
        most = 0.0
        try:
            while not sender.is_done():
                most = max(most, resident_mb(peer.pid))
                time.sleep(LOOK_EVERY_S)
        finally:
            sender.close()
        took = time.monotonic() - began
        settle(lambda: cpu_s(peer.pid))
        spent, peak = cpu_s(peer.pid) - before, peak_mb(peer.pid)
    print(f"  taken in in {took:.0f} s; CPU {spent:.0f} s; resident: {peak:.0f} MB at most")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--minutes", type=int, default=70, help="an hour, and until its snapshots are packed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--different", type=int, default=50, help="hosts that are simulated; the others do the same")
    parser.add_argument("--typed", type=float, default=0.0, help="share of processes that tell six types")
    parser.add_argument("--minute-s", type=float, default=0.0, help="seconds that a simulated minute lasts at least")
    parser.add_argument("--only", choices=("ours", "vm"), help="of these alone")
    given = parser.parse_args()
    start_us = time.time_ns() // 1000 // MINUTE * MINUTE - given.minutes * MINUTE
    shape = Shape(hosts=given.hosts, minutes=given.minutes, seed=given.seed, typed=given.typed, start_us=start_us)
    crowd = Crowd(shape, given.different)
    series = given.hosts * shape.processes * (1 + round(6 * given.typed))
    print(f"{given.hosts:,} hosts, {series:,} live series, {given.minutes} minutes; load {os.getloadavg()[0]:.1f}")
    peak = 0.0
    if given.only != "vm":
        print("Handlewatch on SQLite")
        with tempfile.TemporaryDirectory() as name:
            peak = measure_ours(crowd, Path(name), given.minute_s)
    if given.only != "ours":
        print("VictoriaMetrics")
        with tempfile.TemporaryDirectory() as name:
            measure_vm(crowd, Path(name))
    return 0 if peak <= MOST_MB else 1


if __name__ == "__main__":
    sys.exit(main())
