"""The demo as a person runs it: a real process with a real server, collector and database."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

HOSTS = 4
ADDRESS_WITH_PATH = re.compile(r"https?://[^/\s]+/\S+")


class Demo:
    """A running `handlewatch demo`, at the head of a process group of its own as under a terminal."""

    def __init__(self, data: Path, *, hosts: int) -> None:
        self.data = data
        self._errors = (data.parent / "errors").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server", "demo", "--port", "0", "--hosts", str(hosts)],
            env={**os.environ, "HANDLEWATCH_DATA_DIR": str(data), "HANDLEWATCH_DATABASE_URL": "postgresql://nowhere/x"},
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
        )

    def link(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self, how: Callable[[int], None]) -> tuple[int, str, str]:
        """Exit code, the rest of standard output, all of standard error."""
        how(self.process.pid)
        rest, _ = self.process.communicate(timeout=15)
        self._errors.seek(0)
        return self.process.returncode, rest, self._errors.read()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self._errors.close()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def start(data: Path) -> Iterator[Callable[[], Demo]]:
    started: list[Demo] = []

    def start() -> Demo:
        started.append(Demo(data, hosts=HOSTS))
        return started[-1]

    yield start
    for demo in started:
        demo.close()
    wait_for(lambda: not collectors_of(data))


@contextlib.contextmanager
def signed_in(link: str) -> Iterator[httpx.Client]:
    base = link.split("/login")[0]
    with httpx.Client(base_url=base, trust_env=False, timeout=20, follow_redirects=True) as client:
        page = client.get(link.strip())
        assert page.status_code == 200
        assert page.url.path == "/"
        yield client


def wait_for(found: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (last := found()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert last
    return last


def items(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    answer = client.get(path)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def collectors_of(data: Path) -> list[str]:
    """The processes that name this folder on their command line."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = file.read_bytes().split(b"\0")
            found += [file.parent.name for word in words if word.startswith(os.fsencode(data))]
    return found


def times_of(client: httpx.Client, host: str) -> list[datetime]:
    since = datetime.now(UTC) - timedelta(days=16)
    answer = client.get(f"/api/v1/hosts/{host}/series", params={"points": 100_000, "from": since.isoformat()})
    return [datetime.fromisoformat(time) for time in answer.json().get("times", [])]


def twice(pid: int) -> None:
    os.killpg(pid, signal.SIGINT)
    time.sleep(0.3)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGINT)


def test_the_demo_shows_fleet_and_machine_and_ctrl_c_leaves_nothing_behind(
    start: Callable[[], Demo], data: Path
) -> None:
    demo = start()
    link = demo.link()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/login\?key=\S+\n", link)
    with signed_in(link) as client:
        assert "NTBK01" in [item["host"] for item in items(client, "/api/v1/signatures/v3-pro/hosts")]
        host = wait_for(lambda: items(client, f"/api/v1/hosts?search={socket.gethostname()}"))[0]
        assert host["collector"]["interval_s"] == 10
        assert host["handles"] > 0
    code, rest, errors = demo.end(twice)
    assert (code, rest) == (0, "")
    assert ADDRESS_WITH_PATH.findall(errors) == []
    assert "Traceback" not in errors
    assert collectors_of(data) == []
    assert [path.name for path in data.iterdir()] == ["demo"]


def test_a_killed_demo_takes_its_collector_along_and_the_next_goes_on_without_doubling(
    start: Callable[[], Demo], data: Path
) -> None:
    killed = start()
    killed.link()
    assert collectors_of(data)
    assert killed.end(lambda pid: os.kill(pid, signal.SIGKILL))[0] == -signal.SIGKILL
    wait_for(lambda: not collectors_of(data))
    demo = start()
    with signed_in(demo.link()) as client:
        wait_for(lambda: len(times_of(client, "NTBK02")) > 4000)
        for host in ("NTBK01", "NTBK02"):
            times = times_of(client, host)
            steps = {later - earlier for earlier, later in pairwise(times)}
            assert min(steps) == timedelta(minutes=5)
            assert max(steps) <= timedelta(minutes=20)  # while it was started anew
        assert [host["name"] for host in items(client, "/api/v1/hosts?search=NTBK")].count("NTBK01") == 1
        assert client.get("/api/v1/status").json()["hosts"] <= HOSTS + 1
    assert demo.end(lambda pid: os.kill(pid, signal.SIGTERM))[0] == 0


def test_a_taken_port_is_said_before_anything_is_made(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "server", "demo", "--port", port],
            env={**os.environ, "HANDLEWATCH_DATA_DIR": str(data)},
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 can't be used" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not data.exists()
