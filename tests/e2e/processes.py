"""Real programs of ours as processes: a server, a collector, and a program that leaks."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx

from server.access.principals import Scope
from server.store.database import Database
from tests.access.people import token

T = TypeVar("T")

LEAKER = """
import os, sys
print(os.getpid(), flush=True)
for line in sys.stdin:
    held = [os.eventfd(0) for _ in range(int(line))]
    keep = globals().setdefault("keep", [])
    keep.extend(held)
    print(len(keep), flush=True)
"""


def wait_for(what: Callable[[], T], *, seconds: float = 30.0) -> T:
    """The first answer that is true; the last one if none is in time."""
    end = time.monotonic() + seconds
    while not (answer := what()) and time.monotonic() < end:
        time.sleep(0.05)
    return answer


@dataclass
class Server:
    """`handlewatch serve` on a free port; it can be killed and started again on the same data."""

    database_url: str
    data_dir: Path
    options: tuple[str, ...] = ()
    port: int = field(default_factory=lambda: _free_port())
    process: "subprocess.Popen[bytes] | None" = None
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "HANDLEWATCH_DATABASE_URL": self.database_url, "HANDLEWATCH_DATA_DIR": str(self.data_dir)}

    def command(self, *arguments: str, given: str = "") -> str:
        """The standard output of a `handlewatch` command."""
        done = subprocess.run(
            [sys.executable, "-m", "server", *arguments],
            env=self.environment(),
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def token(self, scope: Scope) -> str:
        """A new token, made beside the server as `token create` does."""
        database = Database(self.database_url)
        try:
            return token(database, scope)
        finally:
            database.close()

    def start(self) -> None:
        log = (self.data_dir / "serve.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server", "serve", "--port", str(self.port), *self.options],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        assert wait_for(self._answers, seconds=90), (self.data_dir / "serve.log").read_text()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def get(self, path: str, secret: str) -> httpx.Response:
        return self._client.get(f"{self.url}{path}", headers={"Authorization": f"Bearer {secret}"})

    def close(self) -> None:
        self._client.close()
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.data_dir / "serve.log").read_text()
        try:
            return self._client.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def running_server(database_url: str, data_dir: Path, *options: str) -> Iterator[Server]:
    server = Server(database_url, data_dir, options)
    try:
        server.start()
        yield server
    finally:
        server.close()


@contextmanager
def running_collector(server: Server, token: str, state: Path, *, host: str) -> "Iterator[subprocess.Popen[bytes]]":
    """This machine's collector, reading once a second."""
    process = subprocess.Popen(
        [sys.executable, "-m", "collector", "run", "--interval", "1", "--state", str(state), "--host-name", host],
        env={**os.environ, "HANDLEWATCH_SERVER": server.url, "HANDLEWATCH_TOKEN": token},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0


@dataclass
class Leaker:
    """A process that opens eventfds when told to and never closes them."""

    process: "subprocess.Popen[str]"
    pid: int

    def leak(self, count: int) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        assert re.fullmatch(r"\d+\n", self.process.stdout.readline())


@contextmanager
def running_leaker() -> Iterator[Leaker]:
    process = subprocess.Popen([sys.executable, "-c", LEAKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield Leaker(process, int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
