"""Programs that leak for real. Each notes in its ledger what it loses; `LEAKY` says which type that is."""

import asyncio
import contextlib
import math
import os
import select
import socket
import sqlite3
import tempfile
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bench.recordings.stage import DAY_S, Stage

Play = Callable[[Stage], None]


def lost_files(stage: Stage) -> None:
    """Opens a file for each task and forgets it when the task fails, which one in three does."""
    stage.fill(12)
    while True:
        files = [stage.file() for _ in range(3)]
        stage.pause(0.4)
        for one in files[1:]:
            os.close(one)
        stage.note("lost", 1)
        stage.pause(2.2)


def lost_sockets(stage: Stage) -> None:
    """A server that leaves connections of which the other side has gone in CLOSE_WAIT."""
    server = socket.create_server(("127.0.0.1", 0))
    while True:
        with socket.create_connection(server.getsockname()):
            stage.held.append(server.accept()[0])
        stage.note("lost", 1)
        stage.pause(1.0)


def lost_eventfds(stage: Stage) -> None:
    stage.fill(40)
    while True:
        stage.held.append(os.eventfd(0))
        stage.note("lost", 1)
        stage.pause(6.0)


def lost_pipes(stage: Stage) -> None:
    """Runs commands, as it were, and closes one end of each pipe."""
    stage.fill(25)
    while True:
        with contextlib.ExitStack() as busy:
            for _ in range(stage.rng.randrange(8)):
                for end in os.pipe():
                    busy.callback(os.close, end)
            reader, writer = os.pipe()
            os.close(writer)
            stage.held.append(reader)
            stage.note("lost", 1)
            stage.pause(2.0)
        stage.pause(6.0)


def lost_loops(stage: Stage) -> None:
    """An event loop for each request, in a pool of threads, that nobody closes: three descriptors each."""

    def answer() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(asyncio.sleep(0.05))
        stage.held.append(loop)

    with ThreadPoolExecutor(4) as pool:
        while True:
            pool.submit(answer).result()
            stage.note("lost", 2)
            stage.pause(10.0)


def lost_by_job(stage: Stage) -> None:
    """A job a day that leaves some of what it took; flat for the rest of the day."""
    stage.fill(60)
    while True:
        files = [stage.file() for _ in range(40)]
        stage.pause(20)
        for one in files[14:]:
            os.close(one)
        stage.note("lost", 14)
        time.sleep(max(DAY_S * math.ceil(stage.day + 0.02) + 30 - (time.time() - stage.begun), 1))


def _short_life(stage: Stage) -> None:
    stage.fill(20)
    ends = time.time() + stage.rng.uniform(0.5, 0.7) * DAY_S
    while time.time() < ends:
        stage.held.append(os.eventfd(0))
        stage.note("lost", 1)
        stage.pause(5.0)


def supervised(stage: Stage) -> None:
    """Its supervisor replaces the process every few hours of its day; each one leaks anew."""
    while True:
        os.waitpid(stage.child(_short_life), 0)
        stage.pause(1.0)


def to_the_limit(stage: Stage) -> None:
    """A connection to a database for each request, until there are no more descriptors; then it lives on, pinned."""
    stage.limit(256)
    stage.fill(8)
    full = False
    while True:
        try:
            connection = sqlite3.connect(stage.folder / "orders.db")
            connection.execute("select count(*) from sqlite_master").fetchone()
            stage.held.append(connection)
            stage.note("lost", 1)
        except sqlite3.OperationalError:
            if not full:
                stage.note("limit")
            full = True
        stage.pause(0.6 * stage.length / 240)


def two_forward(stage: Stage) -> None:
    """A clean-up now and then returns half of what was taken since the one before."""
    stage.fill(30)
    lost: list[int] = []
    while True:
        for _ in range(12):
            lost.append(os.memfd_create("part"))
            stage.note("lost", 1)
            stage.pause(5.0)
        for _ in range(6):
            os.close(lost.pop())
        stage.note("back", 6)


def after_health(stage: Stage) -> None:
    stage.fill(50)
    time.sleep(0.45 * stage.length)
    while True:
        stage.held.append(os.memfd_create("page"))
        stage.note("lost", 1)
        stage.pause(7.0)


def _wavering(stage: Stage) -> None:
    spare: list[int] = []
    while True:
        for _ in range(stage.rng.randrange(1, 6)):
            if len(spare) > 24 or (spare and stage.rng.random() < 0.5):
                os.close(spare.pop())
            else:
                spare.append(stage.file())
        stage.pause(4.0)


def _losing(stage: Stage) -> None:
    while True:
        stage.held.append(stage.file())
        stage.note("lost", 1)
        stage.pause(11.0)


def one_of_three(stage: Stage) -> None:
    for play in (_wavering, _wavering):
        stage.child(play)
    _losing(stage)


def one_type(stage: Stage) -> None:
    """Pipes pile up while the cache of files shrinks, so that the total says little."""
    files = deque(stage.file() for _ in range(int(stage.length / 8) + 40))
    while True:
        reader, writer = os.pipe()
        os.close(writer)
        stage.held.append(reader)
        stage.note("lost", 1)
        os.close(files.popleft())
        if stage.rng.random() < 0.3:
            files.append(stage.file())
        elif len(files) > 20 and stage.rng.random() < 0.3:
            os.close(files.popleft())
        stage.pause(9.0)


def slow_on_noise(stage: Stage) -> None:
    """One in half a minute, under some hundreds that come and go."""
    stage.limit(4096)
    stage.fill(150)
    busy: list[int] = []
    lost_at = time.time() + 20
    while True:
        target = 90 + stage.rng.gauss(0, 14)
        while len(busy) < target:
            busy.append(stage.file())
        while len(busy) > max(target, 0):
            os.close(busy.pop())
        if time.time() >= lost_at:
            stage.held.append(socket.socket())
            stage.note("lost", 1)
            lost_at += 30
        stage.pause(2.0)


def trickle(stage: Stage) -> None:
    """A few a day of theirs, on a calm base."""
    stage.fill(18)
    while True:
        stage.pause(100)
        stage.held.append(select.epoll())
        stage.note("lost", 1)


def with_load(stage: Stage) -> None:
    """One request in some loses its connection; by night there are few requests."""
    server = socket.create_server(("127.0.0.1", 0))
    busy: deque[socket.socket] = deque()
    while True:
        load = 0.5 - 0.5 * math.cos(2 * math.pi * stage.day)
        if stage.rng.random() < load:
            with socket.create_connection(server.getsockname()):
                stage.held.append(server.accept()[0])
            stage.note("lost", 1)
        while len(busy) < 40 * load:
            busy.append(socket.socket())
        while len(busy) > 40 * load + 1:
            busy.popleft().close()
        stage.pause(4.0)


def deleted_logs(stage: Stage) -> None:
    """Goes on holding each log that was rotated away under it."""
    stage.fill(10)
    while True:
        handle, path = tempfile.mkstemp(dir=stage.folder)
        stage.held.append(handle)
        os.unlink(path)
        stage.note("lost", 1)
        stage.pause(22.0)


def _old_version(stage: Stage) -> None:
    stage.fill(30)
    while time.time() < stage.begun + 0.55 * stage.length:
        stage.held.append(os.eventfd(0))
        stage.note("lost", 1)
        stage.pause(6.0)


def _new_version(stage: Stage) -> None:
    stage.fill(30)
    while True:
        one = os.eventfd(0)
        stage.pause(3.0)
        os.close(one)
        stage.pause(3.0)


def cured(stage: Stage) -> None:
    """Updated half-way: the new version closes what it opens."""
    os.waitpid(stage.child(_old_version), 0)
    stage.note("cured")
    os.waitpid(stage.child(_new_version), 0)


LEAKY: dict[str, tuple[Play, str]] = {
    "lost-files": (lost_files, "file"),
    "lost-sockets": (lost_sockets, "socket"),
    "lost-eventfds": (lost_eventfds, "eventfd"),
    "lost-pipes": (lost_pipes, "pipe"),
    "lost-loops": (lost_loops, "socket"),
    "lost-by-job": (lost_by_job, "file"),
    "supervised": (supervised, "eventfd"),
    "to-the-limit": (to_the_limit, "file"),
    "two-forward": (two_forward, "memfd"),
    "after-health": (after_health, "memfd"),
    "one-of-three": (one_of_three, "file"),
    "one-type": (one_type, "pipe"),
    "slow-on-noise": (slow_on_noise, "socket"),
    "trickle": (trickle, "eventpoll"),
    "with-load": (with_load, "socket"),
    "deleted-logs": (deleted_logs, "deleted"),
    "cured": (cured, "eventfd"),
}
