import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from server.analysis.instants import from_us
from server.demo.filling import Feed, Filling
from server.demo.fleet import HISTORY, SimulatedHost
from server.ingest.writer import Writer
from server.store.database import Database
from server.store.tables import snapshots
from tests.demo.conftest import ANCHOR

DAY = timedelta(days=1)


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    writer = Writer(database, on_taken=lambda _hosts: None)
    writer.start()
    yield writer
    writer.close()


def stored(database: Database) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(snapshots)) or 0


def push_all(feed: Feed, host: SimulatedHost, until: datetime) -> int:
    return sum(feed.push(request) for request in feed.requests(host, until))


def test_a_feed_that_was_cut_short_goes_on_where_it_was(
    hosts: list[SimulatedHost], database: Database, writer: Writer
) -> None:
    begin = ANCHOR - HISTORY
    whole = Feed(hosts[:1], database, writer, now=begin).missing(begin + 2 * DAY)
    cut_short = Feed(hosts[:1], database, writer, now=begin)
    first = cut_short.push(next(cut_short.requests(hosts[0], begin + 2 * DAY)))
    again = Feed(hosts[:1], database, writer, now=begin)
    rest = again.missing(begin + 2 * DAY)
    assert 0 < rest.snapshots == whole.snapshots - first
    assert push_all(again, hosts[0], begin + 2 * DAY) == rest.snapshots
    assert again.missing(begin + 2 * DAY) == Filling(hosts=0, snapshots=0)
    assert stored(database) == whole.snapshots


def test_what_is_missing_ends_with_the_time_asked_for(
    hosts: list[SimulatedHost], database: Database, writer: Writer
) -> None:
    feed = Feed(hosts[:1], database, writer, now=ANCHOR)
    push_all(feed, hosts[0], ANCHOR - HISTORY + DAY)
    with database.read() as connection:
        assert from_us(connection.scalar(select(func.max(snapshots.c.time_us))) or 0) == ANCHOR - HISTORY + DAY
    assert feed.missing(ANCHOR - HISTORY + DAY + timedelta(minutes=5)).snapshots == 1


def test_after_a_long_pause_only_the_newest_fortnight_is_told(
    hosts: list[SimulatedHost], database: Database, writer: Writer
) -> None:
    push_all(Feed(hosts[:1], database, writer, now=ANCHOR), hosts[0], ANCHOR - HISTORY)
    later = ANCHOR + timedelta(days=400)
    assert Feed(hosts[:1], database, writer, now=later).missing(later).snapshots <= 15 * 288 + 1


def test_pages_are_told_how_far_the_filling_is_until_it_is_over() -> None:
    filling = Filling(hosts=40, snapshots=160_000, hosts_done=12)
    assert filling.notices() == ("The simulated fleet is being filled: 12 of 40 hosts.",)
    filling.hosts_done = 40
    assert filling.notices() == ()


def test_a_tethered_program_ends_with_whoever_holds_its_input() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "server.demo.tether", "http.server", "--bind", "127.0.0.1", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as program:
        time.sleep(0.5)
        assert program.poll() is None
        assert program.stdin is not None
        program.stdin.close()
        assert program.wait(10) != 0
