"""Pushes, reads, judging and compaction at once lose nothing and count nothing twice."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from server.jobs.compaction import compact
from server.jobs.judging import judge_host
from server.store import fleet
from server.store.database import Database
from tests.pushing import (
    KEEP,
    START_US,
    Wire,
    block_steps,
    body,
    catalogue,
    compacted,
    host_row,
    lines,
    process,
    push,
    snapshot,
)

STEP = 6
MINUTES = range(0, 3_000, STEP)


def one(minute: int) -> Wire:
    return snapshot(minute, process(handles=minute))


def run_together(*works: Callable[[], None]) -> None:
    """Run all to their ends; what one of them raises is raised."""
    with ThreadPoolExecutor(len(works)) as threads:
        for done in [threads.submit(work) for work in works]:
            done.result(timeout=60)


def test_nothing_is_lost_and_nothing_doubled(database: Database) -> None:
    push(database, body(one(0)))
    host_id = host_row(database).host_id
    answered = [0]
    done = threading.Event()
    accepted: list[int] = []

    def send() -> None:
        try:
            for at in range(STEP, MINUTES.stop, STEP * 10):
                minutes = range(at, min(at + STEP * 10, MINUTES.stop), STEP)
                accepted.append(push(database, body(*[one(minute) for minute in minutes])).accepted)
                accepted.append(push(database, body(*[one(minute) for minute in minutes[:3]])).accepted)
                answered[0] = minutes[-1]
        finally:
            done.set()

    def pack() -> None:
        while not done.is_set():
            with database.write() as connection:
                compact(connection, host_id, KEEP)

    def judge() -> None:
        while not done.is_set():
            judge_host(database, host_id, {})

    def read() -> None:
        while not done.is_set():
            least = answered[0]
            found = lines(database)[()]
            assert list(found) == sorted(found)
            assert len(found) >= least // STEP + 1, "a snapshot that was answered is not there"
            assert all((time - START_US) // 60_000_000 == last for time, (last, _, _) in found.items())

    run_together(send, pack, judge, read)
    assert sum(accepted) == len(MINUTES) - 1
    compacted(database)
    assert block_steps(database)[0] == (24.0, 0)
    assert {time: values[0] for time, values in lines(database)[()].items()} == {
        START_US + minute * 60_000_000: minute for minute in MINUTES
    }


def test_two_that_push_the_same_count_it_once(database: Database) -> None:
    accepted: list[int] = []

    def send() -> None:
        for at in range(0, 100, 10):
            sent = body(*[one(minute) for minute in range(at, at + 10)], host=f"host-{at % 3}")
            accepted.append(push(database, sent).accepted)

    run_together(send, send, send)
    assert sum(accepted) == 100
    with database.read() as connection:
        assert fleet.fleet_counts(connection, START_US).hosts == 3


def test_a_host_forgotten_while_it_pushes_comes_back_whole(database: Database) -> None:
    done = threading.Event()
    push(database, body(one(0)))

    def send() -> None:
        try:
            for minute in range(1, 60):
                with suppress(LookupError):  # which the writer answers with another try
                    push(database, body(one(minute)))
        finally:
            done.set()

    def forget() -> None:
        while not done.wait(0.01):
            row = host_row(database)
            if row is not None:
                with database.write() as connection:
                    fleet.forget_host(connection, row.host_id)

    def judge() -> None:
        while not done.is_set():
            row = host_row(database)
            if row is not None:
                judge_host(database, row.host_id, catalogue())

    run_together(send, forget, judge)
    push(database, body(one(100)))
    assert START_US + 100 * 60_000_000 in lines(database)[()]
