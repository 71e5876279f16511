"""What a reading of the collector costs, beside node_exporter, process-exporter and psutil over the same processes.

Run as `python -m bench.collector`. CPU is that of the whole process, of all its threads, by the kernel's account.
"""

import argparse
import contextlib
import gzip
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PATIENCE_S = 60
MOST_OF_PROCESS_EXPORTER = 0.1
MOST_MB = 34
BUDGET_MS = 50  # a twentieth of a second between readings
RHYTHM_S = 1.0  # all of them read once a second, so that none finds its caches warmer than the others
CROWD_PROCESSES, CROWD_HANDLES = 2_000, 1_000_000
MOST_CROWD_S = 1.0

HOLD = "import os, sys, time\nfor _ in range(int(sys.argv[1])): os.dup(0)\nprint('held', flush=True)\ntime.sleep(86400)"
PSUTIL = """
import sys, time
import psutil
for line in sys.stdin:
    for process in psutil.process_iter(["pid", "name", "create_time", "num_fds"]):
        process.info
    print("done", flush=True)
"""


class Sink(ThreadingHTTPServer):
    """Answers as a server that takes everything, and keeps what collectors say of their cost."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.costs: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def wait_for(self, pushes: int) -> None:
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.costs) >= pushes, PATIENCE_S + 2 * pushes):
                raise SystemExit(f"only {len(self.costs)} pushes came")


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = 403, b"{}"
        if self.path == "/api/v1/snapshots":
            push = json.loads(gzip.decompress(body))
            status, answer = 200, json.dumps({"accepted": len(push["snapshots"]), "duplicates": 0}).encode()
            with self.server.changed:
                self.server.costs.append(push["collector"]["cost"] | {"bytes": len(body)})
                self.server.changed.notify_all()
        self.wfile.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(answer), answer))

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the collector is killed at the end
            super().handle()


@dataclass
class Cost:
    """Of one program: CPU of a reading, and what it has resident at the end."""

    name: str
    cpu_ms: float
    rss_mb: float
    note: str = ""
    more: dict[str, float] = field(default_factory=dict)


def cpu_s(pid: int) -> float:
    """Used so far, threads that have ended included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20


def handles_of(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@contextlib.contextmanager
def running(*command: str, **options: Any) -> Iterator["subprocess.Popen[str]"]:
    process: subprocess.Popen[str] = subprocess.Popen(
        command, text=True, stderr=subprocess.DEVNULL, stdout=options.pop("stdout", subprocess.DEVNULL), **options
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


@contextlib.contextmanager
def crowd(processes: int, holders: list[int]) -> Iterator[None]:
    """So many that sleep, and one for each of `holders` that holds so many descriptors."""
    with contextlib.ExitStack() as stack:
        for _ in range(processes - len(holders)):
            stack.enter_context(running("sleep", "86400"))
        for count in holders:
            holder = stack.enter_context(
                running(sys.executable, "-ISc", HOLD, str(count - 3), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            )
            assert holder.stdout is not None
            holder.stdout.readline()
        yield


def collector(name: str, readings: int, *arguments: str) -> Cost:
    """As it runs on a machine, pushing included, but each second."""
    sink = Sink()
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "collector", "run", "--server", sink.url, "--token", "t", "--interval", "1"]
        with running(*command, "--state", state, *arguments) as process:
            sink.wait_for(3)
            first, before = len(sink.costs), cpu_s(process.pid)
            sink.wait_for(first + readings)
            done = len(sink.costs) - first
            cost = Cost(name, (cpu_s(process.pid) - before) * 1000 / done, rss_mb(process.pid))
    reads = [told["read_ms"] for told in sink.costs[first:]]
    cost.more = {
        "types_ms": statistics.fmean(told["types_ms"] for told in sink.costs[first:]),
        "most_types_ms": max(told["types_ms"] for told in sink.costs),
    }
    cost.note = f"counts alone {statistics.median(reads):.1f} ms; {sink.costs[-1]['bytes']:,} bytes a push"
    sink.shutdown()
    sink.server_close()
    return cost


def exporter(name: str, program: str, scrapes: int, arguments: list[str]) -> Cost:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/metrics"
    with running(program, f"--web.listen-address=127.0.0.1:{port}", *arguments) as process:
        size = _scrape(url)
        for _ in range(2):
            _scrape(url)
        before = cpu_s(process.pid)
        for _ in range(scrapes):
            time.sleep(RHYTHM_S)
            size = _scrape(url)
        spent = cpu_s(process.pid) - before
        return Cost(name, spent * 1000 / scrapes, rss_mb(process.pid), note=f"{size:,} bytes a scrape")


def _scrape(url: str) -> int:
    for _ in range(200):
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
                return len(answer.read())
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise SystemExit(f"nobody answers at {url}")


def psutil_loop(rounds: int) -> Cost | None:
    with running(sys.executable, "-c", PSUTIL, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def once() -> bool:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline() == "done\n"

        with contextlib.suppress(BrokenPipeError):
            if once() and once():
                before = cpu_s(process.pid)
                for _ in range(rounds):
                    time.sleep(RHYTHM_S)
                    once()
                return Cost("psutil loop", (cpu_s(process.pid) - before) * 1000 / rounds, rss_mb(process.pid))
    return None


def compare(options: argparse.Namespace) -> list[Cost]:
    found = [
        collector("collector, counts", options.readings, "--names", "off", *_no_types()),
        collector("collector, counts and types", options.readings),
    ]
    place = str(options.exporters) if options.exporters else None
    lean = ["-threads=false", "-gather-smaps=false"]
    for name, program, arguments in (
        ("process-exporter", "prometheus-process-exporter", []),
        ("process-exporter, lean", "prometheus-process-exporter", lean),
        ("node_exporter", "prometheus-node-exporter", ["--collector.processes"]),
    ):
        binary = shutil.which(program, path=place)
        if binary is None:
            print(f"{program} is not installed: left out")
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as settings:
            settings.write('process_names:\n  - name: "{{.Comm}}"\n    cmdline: [".+"]\n')
            settings.flush()
            config = ["-config.path", settings.name] if name.startswith("process") else []
            found.append(exporter(name, binary, options.scrapes, [*arguments, *config]))
    loop = psutil_loop(options.scrapes)
    if loop is None:
        print("psutil is not installed: left out")
    return [*found, *([loop] if loop else [])]


def _no_types() -> list[str]:
    return ["--types-budget-ms", "0"]


def show(costs: list[Cost]) -> bool:
    """The table, the ratios and what of it was to be reached; whether it was."""
    counts = costs[0]
    print(f"\n{'':<30}{'CPU ms':>10}{'of ours':>10}{'RSS MB':>9}")
    for cost in costs:
        print(
            f"{cost.name:<30}{cost.cpu_ms:>10.1f}{cost.cpu_ms / counts.cpu_ms:>9.1f}x{cost.rss_mb:>9.1f}  {cost.note}"
        )
    types = costs[1].more
    most = types["most_types_ms"]
    print(f"\ntypes and names: {types['types_ms']:.1f} ms a reading, {most:.1f} ms at most, of {BUDGET_MS} allowed")
    goals = [
        (f"at most {MOST_MB} MB resident", max(cost.rss_mb for cost in costs[:2]) <= MOST_MB),
        ("types and names within their budget", most <= 1.2 * BUDGET_MS),
    ]
    goals += [
        (
            f"at most {MOST_OF_PROCESS_EXPORTER:.0%} of the CPU of {cost.name}",
            counts.cpu_ms <= MOST_OF_PROCESS_EXPORTER * cost.cpu_ms,
        )
        for cost in costs
        if cost.name == "process-exporter"
    ]
    return _reached(goals)


def _reached(goals: list[tuple[str, bool]]) -> bool:
    for goal, met in goals:
        print(f"{'reached' if met else 'MISSED'}: {goal}")
    return all(met for _, met in goals)


def measure_long(readings: int) -> bool:
    """An hour is a minute here: time is told to the loop, so that it does in each reading what it does on a machine."""
    sink = Sink()
    command = [sys.executable, "-m", "bench.collector_loop", sink.url, str(readings)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    sink.shutdown()
    sink.server_close()
    if done.returncode:
        raise SystemExit(done.stderr)
    told = json.loads(done.stdout)
    print(
        f"\n{readings:,} readings, a minute apart by the clock that they are told, all pushed: {told['cpu_ms']:.1f} ms "
        f"of CPU each, {told['types_ms']:.2f} of them types; own handles {told['handles_first']} after 100 readings, "
        f"{told['handles_last']} at the end; {told['rss_first']:.1f} MB, then {told['rss_last']:.1f} MB"
    )
    goals = [
        ("its own handles do not grow", told["handles_last"] <= told["handles_first"]),
        (f"at most {MOST_MB} MB resident", told["rss_last"] <= MOST_MB),
    ]
    return _reached(goals)


def measure_crowd() -> bool:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    each = min(most, 20_000) - 10
    holders = [each] * -(-CROWD_HANDLES // each)
    with crowd(CROWD_PROCESSES, holders):
        done = subprocess.run(
            [sys.executable, "-m", "bench.collector_loop", "", "4"], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    told = json.loads(done.stdout)
    cpu = told["each_cpu_s"]
    print(
        f"\n{told['processes']:,} processes with {told['handles']:,} handles: {cpu[0]:.2f} s of CPU for the first "
        f"reading, {cpu[1]:.2f}, {cpu[2]:.2f} and {cpu[3]:.2f} s for the next ones, types included"
    )
    goal = f"{CROWD_PROCESSES:,} processes and {CROWD_HANDLES:,} handles within {MOST_CROWD_S:g} s of CPU"
    return _reached([(goal, max(cpu) <= MOST_CROWD_S and told["handles"] >= CROWD_HANDLES)])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.collector", description=__doc__)
    parser.add_argument("--processes", type=int, default=200, help="how many more there are to be")
    parser.add_argument("--readings", type=int, default=40, help="of ours, one a second")
    parser.add_argument("--scrapes", type=int, default=10, help="of the exporters and rounds of psutil")
    parser.add_argument("--exporters", type=Path, help="directory with the exporters' programs")
    parser.add_argument("--long", action="store_true", help="10,000 readings with time told")
    parser.add_argument("--crowd", action="store_true", help="2,000 processes with 1,000,000 handles")
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    print(f"Linux {os.uname().release}, {os.cpu_count()} CPUs, Python {sys.version.split()[0]}")
    with crowd(options.processes, [limit // 2]):
        total = len([name for name in os.listdir("/proc") if name.isdigit()])
        print(f"{total} processes, one of them with {limit // 2:,} descriptors of {limit:,}")
        reached = [show(compare(options))]
        if options.long:
            reached.append(measure_long(10_000))
    if options.crowd:
        reached.append(measure_crowd())
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
