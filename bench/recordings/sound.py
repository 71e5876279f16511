"""Programs that behave, though some look for a while as if they leaked."""

import asyncio
import contextlib
import gc
import http.server
import math
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from bench.recordings.leaky import Play
from bench.recordings.stage import DAY_S, Stage


def idle(stage: Stage) -> None:
    stage.fill(20)
    while True:
        stage.pause(60)


def pool_fills(stage: Stage) -> None:
    """Connections are made as they are needed, up to forty, and kept."""
    server = socket.create_server(("127.0.0.1", 0))
    while True:
        if len(stage.held) < 80 and stage.rng.random() < 0.3:
            stage.held += [socket.create_connection(server.getsockname()), server.accept()[0]]
        stage.pause(4.0)


def cache_fills(stage: Stage) -> None:
    """The least used of 300 files is closed for the next; it fills ever more slowly."""
    cache: OrderedDict[int, int] = OrderedDict()
    while True:
        wanted = int(stage.rng.expovariate(1 / 60))
        if wanted in cache:
            cache.move_to_end(wanted)
        else:
            cache[wanted] = stage.file()
        if len(cache) > 300:
            os.close(cache.popitem(last=False)[1])
        stage.pause(1.5)


def cache_dropped(stage: Stage) -> None:
    while True:
        files: list[int] = []
        ends = time.time() + DAY_S * stage.rng.uniform(0.5, 1.5)
        while time.time() < ends:
            if len(files) < 160:
                files.append(stage.file())
            stage.pause(1.5)
        for one in files:
            os.close(one)


class _Knot:
    """A file in a cycle: closed by the collector of cycles alone."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.own = file, self


def collected(stage: Stage) -> None:
    """Files in cycles, which a full collection closes when there are enough of them."""
    gc.disable()
    stage.fill(15)
    while True:
        for _ in range(stage.rng.randrange(90, 130)):
            _Knot(os.fdopen(stage.file(), "rb"))
            stage.pause(2.0)
        gc.collect()


def _batch_job(stage: Stage) -> None:
    for _ in range(stage.rng.randrange(50, 90)):
        stage.held.append(stage.file())
        stage.pause(0.5)


def batch(stage: Stage) -> None:
    """Every day of its days a process starts, climbs, and exits."""
    while True:
        os.waitpid(stage.child(_batch_job, "batch-job"), 0)
        time.sleep(max(DAY_S * math.ceil(stage.day) + 60 - (time.time() - stage.begun), 1))


def nightly_clean(stage: Stage) -> None:
    """A job a day in a process that lives on, which gives back all of it."""
    stage.fill(35)
    while True:
        files = []
        for _ in range(60):
            files.append(stage.file())
            stage.pause(0.6)
        for one in files:
            os.close(one)
        time.sleep(max(DAY_S * math.ceil(stage.day) + 90 - (time.time() - stage.begun), 1))


class _Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"x" * 200
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are no news."""


def _load(stage: Stage, port: int) -> None:
    """More requests by day; some clients keep their connection for a while."""

    def visit() -> None:
        with contextlib.suppress(OSError, urllib.error.URLError), socket.create_connection(("127.0.0.1", port)) as one:
            for _ in range(stage.rng.randrange(1, 6)):
                one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                one.recv(1024)
                stage.pause(1.5)

    with ThreadPoolExecutor(24) as pool:
        while True:
            load = 0.5 - 0.4 * math.cos(2 * math.pi * stage.day)
            for _ in range(stage.rng.randrange(1 + int(8 * load))):
                pool.submit(visit)
            stage.pause(1.5)


def web_server(stage: Stage) -> None:
    with _Server(("127.0.0.1", 0), _Quiet) as server:
        port = server.server_address[1]
        stage.child(lambda own: _load(own, port), "web-clients")
        server.serve_forever()


def databases(stage: Stage) -> None:
    """A handful of connections, opened and closed by request, with a transaction each."""
    path = stage.folder / "own.db"
    with contextlib.closing(sqlite3.connect(path)) as first:
        first.execute("create table if not exists hits (at real)")
    while True:
        with contextlib.ExitStack() as busy:
            for _ in range(stage.rng.randrange(1, 9)):
                one = busy.enter_context(contextlib.closing(sqlite3.connect(path)))
                one.execute("select count(*) from hits").fetchone()
            stage.pause(1.0)


def threads(stage: Stage) -> None:
    """A pool of threads that read files."""

    def read() -> None:
        one = stage.file()
        stage.pause(0.8)
        os.close(one)

    with ThreadPoolExecutor(12) as pool:
        while True:
            for _ in range(stage.rng.randrange(10)):
                pool.submit(read)
            stage.pause(1.0)


async def _connections(stage: Stage) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    writers: deque[asyncio.StreamWriter] = deque()
    while True:
        target = 25 + 18 * math.sin(stage.day * 2.3) + 6 * math.sin(stage.day * 7.9)
        if len(writers) < target:
            writers.append((await asyncio.open_connection("127.0.0.1", port))[1])
        elif writers:
            writers.popleft().close()
        await asyncio.sleep(stage.rng.uniform(1, 3))


def wandering(stage: Stage) -> None:
    """Connections that come and go in slow waves."""
    asyncio.run(_connections(stage))


def commands(stage: Stage) -> None:
    """Runs a short command now and then, with pipes to it."""
    while True:
        subprocess.run([sys.executable, "-S", "-c", "pass"], check=False, capture_output=True)
        stage.pause(9.0)


def one_step(stage: Stage) -> None:
    stage.fill(25)
    time.sleep(stage.length * 0.4)
    stage.fill(60)
    while True:
        stage.pause(60)


def spikes(stage: Stage) -> None:
    stage.fill(12)
    while True:
        stage.pause(0.7 * DAY_S)
        files = [stage.file() for _ in range(400)]
        stage.pause(4.0)
        for one in files:
            os.close(one)


def working_day(stage: Stage) -> None:
    """Documents are opened from morning to evening, and all closed then."""
    stage.fill(16)
    files: list[int] = []
    while True:
        if 0.35 < stage.day % 1 < 0.75:
            files.append(stage.file())
        elif files:
            for one in files:
                os.close(one)
            files.clear()
        stage.pause(3.0)


def plateau(stage: Stage) -> None:
    """Traffic that grows for a day and a half and stays."""
    busy: deque[int] = deque()
    while True:
        target = 20 + 120 * min(stage.day / 1.5, 1) + stage.rng.gauss(0, 4)
        while len(busy) < target:
            busy.append(stage.file())
        while len(busy) > max(target, 0):
            os.close(busy.popleft())
        stage.pause(2.0)


def near_its_limit(stage: Stage) -> None:
    stage.limit(200)
    while len(os.listdir("/proc/self/fd")) < 185:
        stage.held.append(stage.file())
    while True:
        stage.pause(60)


def _worker(stage: Stage) -> None:
    ends = time.time() + stage.rng.uniform(60, 400)
    while time.time() < ends:
        if len(stage.held) < 30 and stage.rng.random() < 0.3:
            stage.held.append(stage.file())
        stage.pause(3.0)


def recycled(stage: Stage) -> None:
    """Workers that age a little and are replaced."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for _ in range(4):
        stage.child(_worker)
    while True:
        os.wait()
        stage.child(_worker)


def rotated_logs(stage: Stage) -> None:
    """Follows a log and lets the old one go."""
    while True:
        one = os.open(stage.folder / "app.log", os.O_RDWR | os.O_CREAT, 0o600)
        stage.pause(20)
        os.rename(stage.folder / "app.log", stage.folder / "app.log.1")
        stage.pause(6)
        os.close(one)


def timers(stage: Stage) -> None:
    """Threads that come for a while, each with a pipe to wake it."""

    def wait() -> None:
        reader, writer = os.pipe()
        stage.pause(20)
        os.close(reader)
        os.close(writer)

    while True:
        threading.Thread(target=wait, daemon=True).start()
        stage.pause(3.0)


SOUND: dict[str, Play] = {
    "idle": idle,
    "pool-fills": pool_fills,
    "cache-fills": cache_fills,
    "cache-dropped": cache_dropped,
    "collected": collected,
    "batch": batch,
    "nightly-clean": nightly_clean,
    "web-server": web_server,
    "databases": databases,
    "threads": threads,
    "wandering": wandering,
    "commands": commands,
    "one-step": one_step,
    "spikes": spikes,
    "working-day": working_day,
    "plateau": plateau,
    "near-its-limit": near_its_limit,
    "recycled": recycled,
    "rotated-logs": rotated_logs,
    "timers": timers,
}
COMPANIONS = {"batch-job": "batch", "web-clients": "web-server"}  # programs of their own, and who starts them
