"""The loop in one process, with a clock that tests set: what it puts into the spool, what it keeps, what it says."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.config import Settings
from collector.sender import Http, Sender
from collector.service import Announcements, Service
from collector.sources import Machine, Reading
from collector.spool import Spool
from collector.state import StateDirectory
from collector.wire import Coverage, Inventory, Item, JsonObject, Process

if TYPE_CHECKING:
    from tests.collector.conftest import PlayServer

NOON = 1795348800.0


class Source:
    """Reads one process, after `before` has done what it does."""

    name = "linux"

    def __init__(self) -> None:
        self.inspected: list[frozenset[str]] = []
        self.unseen: list[str] = []
        self.installed: Inventory | None = None
        self.before: Callable[[], None] = lambda: None

    def machine(self) -> Machine:
        return Machine(os={"family": "linux"}, booted_at=None)

    def inventory(self) -> Inventory | None:
        return self.installed

    def memory_mb(self) -> float | None:
        return None

    def read(self, *, now: float, inspect: frozenset[str] = frozenset()) -> Reading:
        self.inspected.append(inspect)
        self.before()
        return Reading([Process(1, None, "init", 9)], Coverage(processes=1), unseen=self.unseen)


class Life:
    """Services one after the other on one state directory, all by one clock."""

    def __init__(self, folder: Path, server: "PlayServer") -> None:
        self.folder = folder
        self.server = server
        self.now = NOON
        self.source = Source()
        self.start()

    def start(self) -> Service:
        self.state = StateDirectory(self.folder)
        self.spool = Spool(self.folder, most_bytes=1 << 20)
        self.http = Http(self.server.url)
        settings = Settings(
            state=self.folder, host_name="web-07", labels={}, root=Path("/"), server=self.server.url, token="t"
        )
        self.service = Service(
            settings,
            source=self.source,
            spool=self.spool,
            state=self.state,
            connect=self.connect,
            clock=lambda: self.now,
            steady=lambda: self.now,
        )
        return self.service

    def connect(self, envelope: Callable[[], JsonObject]) -> Sender:
        return Sender(
            self.http, self.spool, self.state, server=self.server.url, token="t", host="web-07", envelope=envelope
        )

    def end(self) -> None:
        self.http.close()
        self.state.close()

    def restart(self) -> None:
        self.end()
        self.start()

    def read_for(self, minutes: int) -> None:
        """By the grid, as the loop does."""
        for _ in range(minutes):
            self.service.read()
            self.now += self.service.until_next()

    @property
    def times(self) -> list[int]:
        return [entry.time for entry in self.spool.first(most=10_000, most_length=1 << 30)]


@pytest.fixture
def life(tmp_path: Path, server: "PlayServer") -> Iterator[Life]:
    found = Life(tmp_path / "state", server)
    yield found
    found.end()


def test_readings_go_to_the_spool_a_minute_apart(life: Life) -> None:
    life.read_for(5)
    gaps = {after - before for before, after in zip(life.times[1:], life.times[2:], strict=False)}
    assert gaps == {60}
    snapshot = json.loads(life.spool.load(life.spool.first(most=1, most_length=1)[0]) or b"")
    assert snapshot["processes"] == [{"pid": 1, "started_at": None, "name": "init", "handles": 9}]


def test_a_clock_set_back_uses_no_time_twice_a_restart_included(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.read_for(60)
    life.now -= 3600
    life.read_for(20)
    life.restart()
    life.read_for(60)
    assert len(life.times) == len(set(life.times)) >= 138
    assert sum("the clock was set back" in message for message in caplog.messages) == 1


def test_a_clock_set_forward_loses_nothing_that_waits(life: Life) -> None:
    life.read_for(10)
    life.now += 365 * 86400
    life.read_for(10)
    assert len(life.times) >= 19
    assert life.spool.counts.dropped == 0


def test_what_it_cannot_see_is_said_once_while_only_numbers_change(
    life: Life, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for number in (7, 8, 9):
        life.source.unseen = [f"types of {number} of 155 processes not readable"]
        life.read_for(1)
    life.source.unseen = []
    life.read_for(2)
    assert caplog.messages == ["types of 7 of 155 processes not readable", "all processes can be read now"]


def test_what_differs_in_more_than_numbers_is_said_again(caplog: pytest.LogCaptureFixture) -> None:
    said = Announcements()
    for text in ("answered 503", "answered 503", "answered 502", "Connection refused", None, None, "answered 503"):
        said.say("push", text)
    assert caplog.messages == ["answered 503", "Connection refused", "answered 503"]


def test_a_reading_that_fails_does_not_end_the_loop(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    def break_once() -> None:
        life.source.before = lambda: None
        life.now += life.service.until_next() - 0.01  # so that the next one is due at once
        raise RuntimeError("cannot read just now")

    life.source.before = break_once
    life.server.decide = lambda request: life.service.stop()
    life.service.run()
    assert len(life.server.accepted) == 1
    assert "a reading failed" in caplog.messages[0]


def test_advice_reaches_the_source(life: Life, server: "PlayServer") -> None:
    server.advice = {"inspect": ["NTBackup.exe"], "interval_s": 30}
    life.server.decide = lambda request: life.service.stop()
    life.service.run()
    life.now += life.service.until_next()
    life.service.read()
    assert life.source.inspected == [frozenset(), frozenset({"ntbackup.exe"})]
    assert life.service.envelope()["collector"]["interval_s"] == 30


def test_beyond_the_bound_of_a_snapshot_those_with_the_most_handles_are_sent(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.service.MOST_PROCESSES", 2)
    crowd = [Process(pid, None, "x", handles) for pid, handles in ((1, 5), (2, None), (3, 70), (4, 6))]
    monkeypatch.setattr(life.source, "read", lambda **_: Reading(crowd, Coverage(processes=4)))
    life.service.read()
    snapshot = json.loads(life.spool.load(life.spool.first(most=1, most_length=1)[0]) or b"")
    assert [process["pid"] for process in snapshot["processes"]] == [3, 4]
    assert snapshot["coverage"]["processes"] == 4


def test_what_is_installed_goes_with_the_first_push_alone(life: Life, server: "PlayServer") -> None:
    life.source.installed = Inventory(software=[Item("V3 Pro 2000 Deluxe", "AhnLab", "5.0")])
    for _ in range(2):
        assert life.service.once() is None
        life.now += life.service.until_next()
    assert ["inventory" in push.body for push in server.pushes] == [True, False]


@pytest.mark.parametrize(
    ("status", "body"), [(413, b""), (422, b'{"errors": [{"path": "inventory.software", "detail": "too many"}]}')]
)
def test_what_is_installed_and_refused_costs_no_snapshot(
    life: Life, server: "PlayServer", caplog: pytest.LogCaptureFixture, status: int, body: bytes
) -> None:
    life.source.installed = Inventory(software=[Item("V3 Pro 2000 Deluxe", "AhnLab", "5.0")])
    server.decide = lambda request: server.scene(status, body) if "inventory" in request.body else None
    for _ in range(2):
        assert life.service.once() is None
        life.now += life.service.until_next()
    assert (len(server.accepted), life.spool.counts.rejected, len(life.spool)) == (2, 0, 0)
    assert ["inventory" in push.body for push in server.pushes] == [True, False, False]
    [said] = caplog.messages
    assert f"sent without what is installed, which the server refuses: answered {status}" in said


def test_a_snapshot_that_is_refused_with_what_is_installed_and_without_goes_and_the_rest_is_told(
    life: Life, server: "PlayServer"
) -> None:
    life.source.installed = Inventory(software=[Item("V3 Pro 2000 Deluxe", "AhnLab", "5.0")])
    server.plays = [server.scene(413), server.scene(413)]
    assert "rejected/" in (life.service.once() or "")
    life.now += life.service.until_next()
    assert life.service.once() is None
    assert life.spool.counts.rejected == 1
    assert ["inventory" in push.body for push in server.pushes] == [True, False, True]


def test_once_is_ended_in_the_middle_of_a_look_at_what_is_installed(
    life: Life, monkeypatch: pytest.MonkeyPatch, server: "PlayServer"
) -> None:
    over = threading.Event()

    def never() -> Inventory | None:
        life.service.stop()
        over.wait(10)
        return None

    monkeypatch.setattr(life.source, "inventory", never)
    begun = time.monotonic()
    assert life.service.once() == "stopped"
    over.set()
    assert time.monotonic() - begun < 5
    assert (len(life.spool), server.requests) == (1, [])


def test_being_asked_to_stop_waits_for_no_lock(life: Life) -> None:
    """A signal may come while the main thread holds any of them, and would then wait for ever."""
    with ExitStack() as held:
        for event in (life.service._stop, life.service._new):
            held.enter_context(event._cond)  # type: ignore[attr-defined]
        thread = threading.Thread(target=life.service.stop, daemon=True)
        thread.start()
        thread.join(5)
        assert not thread.is_alive()


def test_asked_to_stop_before_it_runs_it_reads_nothing(life: Life) -> None:
    life.service.stop()
    life.service.run()
    assert life.source.inspected == []


def test_a_look_at_what_is_installed_that_does_not_end_holds_up_neither_readings_nor_the_end(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, over = threading.Event(), threading.Event()

    def never() -> Inventory | None:
        looking.set()
        over.wait(10)
        return None

    monkeypatch.setattr(life.source, "inventory", never)
    monkeypatch.setattr("collector.service.LET_FINISH_S", 0.1)
    monkeypatch.setattr("collector.service.CUT_OFF_S", 0.1)
    life.service.read()
    assert not looking.is_set()
    thread = threading.Thread(target=life.service.run)
    thread.start()
    assert looking.wait(5)
    life.service.stop()
    thread.join(5)
    stopped = not thread.is_alive()
    over.set()
    thread.join(30)
    assert stopped


def test_what_is_installed_and_cannot_be_read_stops_no_push(
    life: Life, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Inventory | None:
        raise RuntimeError("a registry out of order")

    monkeypatch.setattr(life.source, "inventory", broken)
    life.server.decide = lambda request: life.service.stop()
    life.service.run()
    assert len(life.server.accepted) == 1
    assert "what is installed could not be read" in caplog.messages[0]


@pytest.mark.parametrize("kept", [10**400, -1, 1 << 40, 1.5, "1", None])
def test_a_clock_file_that_was_damaged_stops_no_reading(life: Life, kept: object) -> None:
    life.end()
    (life.folder / "clock.json").write_text(json.dumps({"last": kept, "shift": kept, "highest": kept}))
    life.start()
    life.read_for(3)
    assert len(life.times) == 3
