"""A claim on a host: it runs out soon where nobody renews it, and is renewed for as long as the job takes."""

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from server.jobs import runner as runners
from server.jobs.judging import judge_host
from server.jobs.runner import BATCH, CLAIM, Runner
from server.store import judgements
from server.store.database import Database
from server.store.tables import host_state
from tests.e2e.processes import wait_for
from tests.pushing import KEEP, body, catalogue, host_row, push, snapshot

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def at_work(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A runner that has claimed web-01 and does not end before it is let go."""
    begun, ends = threading.Event(), threading.Event()

    def judge(database: Database, host_id: int, known: object) -> None:
        begun.set()
        assert ends.wait(30)
        judge_host(database, host_id, catalogue())

    monkeypatch.setattr(runners, "judge_host", judge)
    monkeypatch.setattr(runners, "RENEW_EVERY_S", 0.05)
    push(database, body(snapshot(0)))
    runner = Runner(database, catalogue(), KEEP)
    runner.start()
    assert begun.wait(10)
    yield ends
    ends.set()
    runner.close()


def now() -> int:
    return time.time_ns() // 1_000


def test_a_claim_is_held_for_half_a_minute_at_a_time(database: Database, at_work: threading.Event) -> None:
    assert 0 < host_row(database).claimed_until_us - now() <= CLAIM == 30_000_000


def test_it_is_renewed_for_as_long_as_the_job_takes(database: Database, at_work: threading.Event) -> None:
    first = host_row(database).claimed_until_us
    assert wait_for(lambda: host_row(database).claimed_until_us > first + 100_000, seconds=10)
    at_work.set()
    assert wait_for(lambda: host_row(database).claimed_until_us == 0, seconds=10)
    assert host_row(database).judged_seq == 1


def test_one_that_was_taken_over_is_neither_renewed_nor_given_up(database: Database, at_work: threading.Event) -> None:
    row = host_row(database)
    mine = now() + CLAIM + 5_000_000
    with database.write() as connection:  # as if it had run out
        assert judgements.claim(connection, row.host_id, row.claimed_until_us + CLAIM, mine)
    judge_host(database, row.host_id, catalogue())
    at_work.set()
    assert wait_for(lambda: host_row(database).judged_seq == 1, seconds=10)
    assert not wait_for(lambda: host_row(database).claimed_until_us != mine, seconds=0.3)


def test_who_judged_it_last_is_known_to_all(database: Database) -> None:
    push(database, body(snapshot(0)))
    first, second = (Runner(database, catalogue(), KEEP) for _ in range(2))
    assert first.judge_waiting()
    assert not second.judge_waiting()
    row = host_row(database)
    assert now() - 10_000_000 < row.judged_us <= now()
    assert row.judged_handles == row.handles == 10


def test_of_many_hosts_none_is_judged_again_by_another_process_in_a_short_while(database: Database) -> None:
    first, second = (Runner(database, catalogue(), KEEP) for _ in range(2))
    for minute in (0, 1):
        for number in range(BATCH + 1):
            push(database, body(snapshot(minute), host=f"host-{number}"))
        for runner in (first, second):
            runner.wake()
            while runner.judge_waiting():
                pass
    with database.read() as connection:
        assert judgements.count_unjudged(connection) == BATCH + 1
        assert {row.judged_seq for row in connection.execute(select(host_state.c.judged_seq))} == {1}
