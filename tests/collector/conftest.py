"""A server that plays what a test asks of it, a fake machine under a root of its own, and collectors as processes."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

MACHINE = Path(__file__).resolve().parents[1] / "procfs" / "machine"


@dataclass
class Play:
    """One answer: what the server does with a request. `hold_s`: it is silent so long first, or until the end."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hold_s: float = 0
    drip: bool = False


@dataclass
class Request:
    path: str
    token: str
    body: dict[str, Any]
    size: int
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def times(self) -> list[str]:
        return [snapshot["time"] for snapshot in self.body.get("snapshots", [])]


class PlayServer(ThreadingHTTPServer):
    """Answers pushes with the plays given, in order, and then as a healthy server: each (host, time) is taken once.

    `decide`, if set, is asked before the plays are; `enrol` answers calls to enrol.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.plays: list[Play] = []
        self.enrol = Play(403)
        self.decide: Callable[[Request], Play | None] = lambda request: None
        self.requests: list[Request] = []
        self.accepted: dict[tuple[str, str], dict[str, Any]] = {}
        self.duplicates = 0
        self.advice: dict[str, Any] | None = None
        self.ended = threading.Event()
        self.changed = threading.Condition()

    def scene(
        self,
        status: int = 200,
        body: bytes | None = None,
        *,
        headers: dict[str, str] | None = None,
        hold_s: float = 0,
        drip: bool = False,
    ) -> Play:
        return Play(status, body, headers or {}, hold_s, drip)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def pushes(self) -> list[Request]:
        return [request for request in self.requests if request.path == "/api/v1/snapshots"]

    def answer(self, request: Request) -> Play:
        if request.path == "/api/v1/enroll":
            return self.enrol
        decided = self.decide(request)
        if decided is not None:
            return decided
        if self.plays:
            return self.plays.pop(0)
        return Play(200, self.take(request))

    def take(self, request: Request) -> bytes:
        host, new = request.body["host"]["name"].lower(), 0
        for snapshot in request.body["snapshots"]:
            key = (host, snapshot["time"])
            if key in self.accepted:
                self.duplicates += 1
            else:
                self.accepted[key] = snapshot
                new += 1
        answer = {"accepted": new, "duplicates": len(request.body["snapshots"]) - new, "skew_s": 0.0}
        return json.dumps(answer | ({"advice": self.advice} if self.advice else {})).encode()

    def wait_for(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, seconds), [request.times for request in self.requests]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: PlayServer

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        unpacked = gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content
        token = self.headers["Authorization"].removeprefix("Bearer ")
        request = Request(self.path, token, json.loads(unpacked), len(content), dict(self.headers))
        with self.server.changed:
            play = self.server.answer(request)
            self.server.requests.append(request)
            self.server.changed.notify_all()
        if play.hold_s:
            self.server.ended.wait(play.hold_s)
        body = play.body or b""
        head = f"HTTP/1.1 {play.status} X\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in play.headers.items())
        if play.drip:
            for letter in (head + "X-Slow: ").encode() + b"x" * 10_000:
                self.wfile.write(bytes([letter]))
                if self.server.ended.wait(0.05):
                    break
        self.wfile.write(head.encode() + b"\r\n" + body)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # the collector has hung up, as some tests want


@pytest.fixture
def serve() -> Iterator[Callable[..., PlayServer]]:
    """Starts servers; a port may be given to come back at the same address."""
    servers: list[tuple[PlayServer, threading.Thread]] = []

    def start(port: int = 0) -> PlayServer:
        server = PlayServer(port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server(serve: Callable[..., PlayServer]) -> PlayServer:
    return serve()


class FakeMachine:
    """The fake machine of tests/procfs, its links made, under a root that a test may change as it likes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.proc = root / "proc"

    def process(self, pid: int) -> Path:
        return self.proc / str(pid)

    def set_links(self, pid: int, targets: list[str]) -> None:
        """Puts these links in place of what /proc/PID/fd held, in the same directory."""
        folder = self.process(pid) / "fd"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for number, target in enumerate(targets):
            (folder / str(number)).symlink_to(target)

    def set_limit(self, pid: int, soft: int) -> None:
        (self.process(pid) / "limits").write_text(f"Max open files            {soft:<20} {524288:<20} files     \n")

    def set_comm(self, pid: int, comm: str) -> None:
        path = self.process(pid) / "stat"
        head, _, rest = path.read_text().partition("(")
        path.write_text(f"{head}({comm}){rest.rpartition(')')[2]}")


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    root = tmp_path / "machine"
    shutil.copytree(MACHINE, root)
    fake = FakeMachine(root)
    for listed in sorted(fake.proc.glob("*/links")):
        targets = [line.split(" ", 1)[1] for line in listed.read_text().splitlines()]
        fake.set_links(int(listed.parent.name), targets)
    for listed in fake.proc.glob("*/exe.link"):
        (listed.parent / "exe").symlink_to(listed.read_text().strip())
    return fake


class Collectors:
    """Collectors as real processes; whatever is still there at the end is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self._started: list[subprocess.Popen[str]] = []

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "collector", *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "HANDLEWATCH" not in name and "PROXY" not in name}
        return kept | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])} | more

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.command(*arguments),
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def spooled(self) -> int:
        return len(list(self.state.glob("spool/*.snap")))

    def wait_until_spooled(self, snapshots: int, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while self.spooled() < snapshots:
            assert time.monotonic() < end, f"only {self.spooled()} snapshots in the spool"
            time.sleep(0.02)

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def collectors(tmp_path: Path) -> Iterator[Collectors]:
    found = Collectors(tmp_path)
    yield found
    found.end()


@pytest.fixture
def free_port() -> int:
    """A port nobody listens on just now."""
    server = PlayServer()
    port = int(server.server_address[1])
    server.server_close()
    return port
