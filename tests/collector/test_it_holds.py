"""Whatever happens to the server, the disk, the clock or the machine: nothing that fits the spool's bound is lost, and
nothing is taken twice. One collector after the other on one state directory, by a clock that tests set."""

import errno
import random
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.config import Settings
from collector.sender import Http, Sender
from collector.service import Service
from collector.sources import Machine, Reading
from collector.spool import Spool
from collector.state import StateDirectory
from collector.wire import Coverage, Inventory, JsonObject, Process, rfc3339

if TYPE_CHECKING:
    from tests.collector.conftest import Play, PlayServer, Request

NOON = 1795348800.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
numbers = count(1)


class Source:
    """Counts its readings, so that no two are alike."""

    name = "linux"

    def __init__(self) -> None:
        self.readings = 0

    def machine(self) -> Machine:
        return Machine(os={"family": "linux"}, booted_at=None)

    def inventory(self) -> Inventory | None:
        return None

    def memory_mb(self) -> float | None:
        return None

    def read(self, *, now: float, inspect: frozenset[str] = frozenset()) -> Reading:
        self.readings += 1
        return Reading([Process(1, None, "init", self.readings)], Coverage(processes=1))


class Life:
    """Collectors on one state directory. `taken` is what they read: the handles of the only process, by time."""

    def __init__(self, folder: Path, url: str, *, total_s: float = 30) -> None:
        self.folder, self.url, self.total_s = folder, url, total_s
        self.host = f"host-{next(numbers)}"
        self.now, self.steady = NOON, 0.0
        self.disk_full = False
        self.source = Source()
        self.taken: dict[str, int] = {}
        self.counts = {"dropped": 0, "damaged": 0, "rejected": 0}
        self._open()

    def _open(self) -> None:
        self.state = StateDirectory(self.folder)
        self.spool = Spool(self.folder, most_bytes=64 << 20, write=self._write)
        self.http = Http(self.url, total_s=self.total_s)
        options = Settings(
            state=self.folder, host_name=self.host, labels={}, root=Path("/"), server=self.url, token="t"
        )
        self.service = Service(
            options,
            source=self.source,
            spool=self.spool,
            state=self.state,
            connect=self._connect,
            clock=lambda: self.now,
            steady=lambda: self.steady,
        )
        self.push_at: float | None = self.steady

    def _connect(self, envelope: Callable[[], JsonObject]) -> Sender:
        self.sender = Sender(
            self.http,
            self.spool,
            self.state,
            server=self.url,
            token="t",
            host=self.host,
            envelope=envelope,
            jitter=random.Random(7),
            clock=lambda: self.now,
        )
        return self.sender

    def _write(self, path: Path, content: bytes) -> None:
        if self.disk_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        path.write_bytes(content)

    def close(self) -> None:
        for name in self.counts:
            self.counts[name] += getattr(self.spool.counts, name)
        self.http.close()
        self.state.close()

    def restart(self) -> None:
        self.close()
        self._open()

    def sleep(self, seconds: float) -> None:
        """The machine's: its clock goes on, and the one that nobody sets stands still."""
        self.now += seconds

    def live(self, seconds: float) -> None:
        """What the loop and the pushing thread do in so long."""
        end = self.steady + seconds
        for _ in range(400 + int(8 * seconds / MINUTE)):
            read_at = self.steady + self.service.until_next()
            due = read_at if self.push_at is None else min(read_at, self.push_at)
            if due > end:
                self._go_to(end)
                return
            self._go_to(due)
            if read_at <= due:
                self._read()
            if self.push_at is not None and self.push_at <= self.steady:
                wait = self.sender.step().wait_s
                self.push_at = None if wait is None else self.steady + wait
        raise AssertionError("it never comes to rest")

    def _go_to(self, moment: float) -> None:
        self.now += moment - self.steady
        self.steady = moment

    def _read(self) -> None:
        if self.service.read():
            self.taken[rfc3339(self.service._schedule.last)] = self.source.readings
            if self.push_at is None:
                self.push_at = self.steady


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Life]]:
    lives: list[Life] = []

    def make(url: str, **options: float) -> Life:
        lives.append(Life(tmp_path / "state", url, **options))
        return lives[-1]

    yield make
    for life in lives:
        life.close()


def stored(server: "PlayServer", life: Life) -> dict[str, int]:
    """What the server took of this host, by time."""
    own = {time: snapshot for (host, time), snapshot in server.accepted.items() if host == life.host}
    return {time: snapshot["processes"][0]["handles"] for time, snapshot in own.items()}


def require_all(server: "PlayServer", life: Life) -> None:
    """Each reading is with the server, as it was taken, and none waits or was given up."""
    assert stored(server, life) == life.taken
    assert len(life.taken) == life.source.readings, "a time was used twice"
    assert len(life.spool) == 0
    assert life.spool.counts.dropped == life.counts["dropped"] == 0


def test_a_server_that_is_down_for_a_day_gets_the_whole_day(
    start: Callable[..., Life], serve: Callable[..., "PlayServer"], free_port: int
) -> None:
    life = start(f"http://127.0.0.1:{free_port}")
    life.live(DAY)
    assert len(life.spool) >= DAY / MINUTE
    server = serve(free_port)
    life.live(10 * MINUTE)
    require_all(server, life)
    assert server.duplicates == 0
    assert len(server.pushes) < 40


@pytest.mark.parametrize(
    "answer",
    [
        (429, b""),
        (500, b"oops"),
        (502, b"<html>"),
        (200, b"welcome"),
        (200, b'{"accepted": null}'),
        (401, b""),
        (404, b""),
    ],
    ids=str,
)
def test_an_hour_of_answers_that_acknowledge_nothing_loses_nothing(
    start: Callable[..., Life], server: "PlayServer", answer: tuple[int, bytes]
) -> None:
    life = start(server.url)
    server.decide = lambda request: server.scene(*answer) if life.steady < HOUR else None
    life.live(HOUR)
    assert server.accepted == {}
    assert len(server.pushes) < 60, "it backs off"
    life.live(15 * MINUTE)
    require_all(server, life)
    assert server.duplicates == 0


def test_a_server_that_takes_and_answers_too_late_has_nothing_twice(
    start: Callable[..., Life], server: "PlayServer"
) -> None:
    life = start(server.url, total_s=0.3)
    late = 3

    def decide(request: "Request") -> "Play | None":
        nonlocal late
        late -= 1
        return server.scene(200, server.take(request), hold_s=5) if late >= 0 else None

    server.decide = decide
    life.live(5 * MINUTE)
    require_all(server, life)
    assert server.duplicates >= 3


@pytest.mark.parametrize("status", [400, 413, 422])
def test_one_snapshot_refused_for_ever_is_the_only_one_missing(
    start: Callable[..., Life], server: "PlayServer", status: int
) -> None:
    life = start(server.url)
    refused = 20

    def decide(request: "Request") -> "Play | None":
        held = [snapshot["processes"][0]["handles"] for snapshot in request.body["snapshots"]]
        if life.steady < HOUR:
            return server.scene(503)
        return server.scene(status) if refused in held else None

    server.decide = decide
    life.live(2 * HOUR)
    missing = {time: handles for time, handles in life.taken.items() if time not in stored(server, life)}
    assert list(missing.values()) == [refused]
    assert (life.spool.counts.rejected, life.spool.counts.dropped, len(life.spool)) == (1, 0, 0)
    [kept] = (life.folder / "rejected").glob("*.json")
    assert next(iter(missing)) in kept.read_text()


def test_a_full_disk_while_the_server_is_away_loses_nothing_that_memory_holds(
    start: Callable[..., Life], server: "PlayServer"
) -> None:
    life = start(server.url)
    server.decide = lambda request: server.scene(503) if life.steady < 2 * HOUR else None
    life.live(30 * MINUTE)
    life.disk_full = True
    life.live(50 * MINUTE)
    assert life.spool.in_memory >= 50
    life.disk_full = False
    life.live(20 * MINUTE)
    assert life.spool.in_memory == 0
    life.restart()
    life.live(HOUR)
    require_all(server, life)
    assert server.duplicates == 0


def test_a_damaged_file_costs_what_was_in_it(start: Callable[..., Life], server: "PlayServer") -> None:
    life = start(server.url)
    server.decide = lambda request: server.scene(503) if life.steady < HOUR else None
    life.live(30 * MINUTE)
    files = sorted((life.folder / "spool").iterdir())
    files[7].write_bytes(files[7].read_bytes()[:-3])
    life.restart()
    life.live(2 * HOUR)
    assert len(stored(server, life)) == len(life.taken) - 1
    assert (life.spool.counts.damaged, server.duplicates, len(life.spool)) == (1, 0, 0)


@pytest.mark.parametrize("jump", [-DAY, -HOUR, -10 * MINUTE, -5.0, 5.0, HOUR, 400 * DAY])
@pytest.mark.parametrize("away", [False, True], ids=["server there", "server away"])
def test_a_clock_set_back_or_forward_loses_and_doubles_nothing(
    start: Callable[..., Life], server: "PlayServer", jump: float, away: bool
) -> None:
    life = start(server.url)
    server.decide = lambda request: server.scene(503) if away and life.steady < 40 * MINUTE else None
    life.live(20 * MINUTE)
    life.now += jump
    life.live(10 * MINUTE)
    life.restart()
    life.live(30 * MINUTE)
    require_all(server, life)
    assert server.duplicates == 0
    assert len(life.taken) >= 56


def test_a_machine_that_sleeps_goes_on_where_it_was(start: Callable[..., Life], server: "PlayServer") -> None:
    life = start(server.url)
    server.decide = lambda request: server.scene(503) if life.steady < HOUR else None
    for _ in range(4):
        life.live(20 * MINUTE)
        life.sleep(8 * HOUR)
    life.live(20 * MINUTE)
    require_all(server, life)
    assert server.duplicates == 0
    assert 96 <= len(life.taken) <= 104, "nothing is read asleep, and all the rest is"


EVENTS = [
    "server goes",
    "server comes",
    "clock back",
    "clock forward",
    "restart",
    "sleep",
    "disk full",
    "disk has room",
]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(1, 7)), max_size=10))
def test_all_of_it_in_any_order(
    server: "PlayServer", tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, int]]
) -> None:
    """But for a restart while the disk is full: what waits in memory goes with it."""
    life, away = Life(tmp_path_factory.mktemp("state"), server.url), False
    server.decide = lambda request: server.scene(503) if away else None
    for event, minutes in events:
        if event in ("server goes", "server comes"):
            away = event == "server goes"
        elif event.startswith("clock"):
            life.now += HOUR * minutes if event == "clock forward" else -HOUR * minutes
        elif event == "restart" and not life.spool.in_memory:
            life.restart()
        elif event == "sleep":
            life.sleep(HOUR * minutes)
        elif event.startswith("disk"):
            life.disk_full = event == "disk full"
        life.live(minutes * MINUTE)
    away, life.disk_full = False, False
    life.live(12 * MINUTE)
    require_all(server, life)
    life.close()
