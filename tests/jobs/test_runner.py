"""The background worker: claims, hosts that fail, and what a killed process leaves behind."""

import time
from collections.abc import Iterator

import pytest

from server.jobs.judging import judge_host
from server.jobs.runner import BATCH, Runner
from server.store import judgements
from server.store.database import Database
from tests.e2e.processes import wait_for
from tests.pushing import KEEP, block_steps, body, catalogue, host_row, lines, process, push, snapshot

FAR = 2**62


@pytest.fixture
def runner(database: Database) -> Iterator[Runner]:
    runner = Runner(database, catalogue(), KEEP)
    yield runner
    if runner._thread.is_alive():
        runner.close()


def waiting(database: Database) -> int:
    with database.read() as connection:
        return judgements.count_unjudged(connection)


def claim(database: Database, host: str, until_us: int) -> bool:
    with database.write() as connection:
        now = time.time_ns() // 1_000
        return judgements.claim(connection, host_row(database, host).host_id, now, until_us)


def test_waiting_hosts_are_judged_and_freed(database: Database, runner: Runner) -> None:
    for host in "abc":
        push(database, body(snapshot(0), host=host))
    assert waiting(database) == 3
    assert runner.judge_waiting()
    assert waiting(database) == 0
    assert not runner.judge_waiting()
    assert host_row(database, "a").claimed_until_us == 0


def test_a_host_is_claimed_by_one_only(database: Database) -> None:
    push(database, body(snapshot(0), host="a"))
    assert claim(database, "a", FAR)
    assert not claim(database, "a", FAR)


def test_a_host_that_somebody_else_has_is_left_alone(database: Database, runner: Runner) -> None:
    push(database, body(snapshot(0), host="a"))
    claim(database, "a", FAR)
    assert not runner.judge_waiting()
    assert waiting(database) == 1


def test_a_claim_that_ran_out_holds_nobody_up(database: Database, runner: Runner) -> None:
    push(database, body(snapshot(0), host="a"))
    claim(database, "a", 1)
    assert runner.judge_waiting()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_a_killed_process_claimed_is_free_again(database: Database, runner: Runner) -> None:
    push(database, body(snapshot(0), host="a"))
    claim(database, "a", FAR)
    runner.start()
    assert wait_for(lambda: waiting(database) == 0, seconds=10)


def test_a_host_that_fails_is_pushed_ahead(database: Database, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    for host in "ab":
        push(database, body(snapshot(0), host=host))
    bad = host_row(database, "a").host_id

    def judge(database: Database, host_id: int, known: object) -> None:
        if host_id == bad:
            raise ZeroDivisionError
        judge_host(database, host_id, catalogue())

    monkeypatch.setattr("server.jobs.runner.judge_host", judge)
    with pytest.raises(ZeroDivisionError):
        runner.judge_waiting()  # both hosts: the one that fails does not keep the other from its turn
    assert (waiting(database), host_row(database, "a").claimed_until_us > time.time_ns() // 1_000) == (1, True)


def test_due_hosts_are_compacted(database: Database, runner: Runner) -> None:
    push(database, body(*[snapshot(minute) for minute in range(0, 210, 10)]))
    push(database, body(snapshot(0), host="young"))
    before = lines(database)
    assert runner.compact_due()
    assert block_steps(database) == [(1.0, 0)] * 3  # the fourth hour is not over
    assert lines(database) == before
    assert not runner.compact_due()


def test_a_backfill_is_packed_before_it_is_judged(database: Database, runner: Runner) -> None:
    push(database, body(*[snapshot(minute) for minute in range(0, 210, 10)]))
    runner.judge_waiting()
    assert (block_steps(database), waiting(database)) == ([(1.0, 0)] * 3, 0)


def test_the_worker_judges_what_it_is_woken_for(database: Database, runner: Runner) -> None:
    runner.start()
    push(database, body(snapshot(0), host="a"))
    runner.wake()
    assert wait_for(lambda: waiting(database) == 0, seconds=10)


def push_to_many(database: Database, runner: Runner, minute: int) -> None:
    for number in range(BATCH + 1):
        push(database, body(snapshot(minute), host=f"host-{number}"))
    runner.wake()


def test_while_many_hosts_wait_none_is_judged_twice_in_a_short_while(database: Database, runner: Runner) -> None:
    push_to_many(database, runner, 0)
    assert runner.judge_waiting()
    assert runner.judge_waiting()
    assert waiting(database) == 0
    push_to_many(database, runner, 1)
    push(database, body(snapshot(0), host="new"))
    assert runner.judge_waiting()
    assert waiting(database) == BATCH + 1
    assert host_row(database, "new").judged_seq == 1


def test_when_pushes_stop_all_are_judged(database: Database, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    push_to_many(database, runner, 0)
    assert runner.judge_waiting()
    assert runner.judge_waiting()
    push_to_many(database, runner, 1)
    monkeypatch.setattr("server.jobs.runner.QUIET_S", 0.0)
    assert runner.judge_waiting()
    assert runner.judge_waiting()
    assert waiting(database) == 0


def test_of_many_hosts_those_that_grow_have_their_turn_sooner(
    database: Database, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_to_many(database, runner, 0)
    assert runner.judge_waiting()
    assert runner.judge_waiting()
    monkeypatch.setattr("server.jobs.runner.PACE_S", 0.0)
    push_to_many(database, runner, 1)
    push(database, body(snapshot(2, process(handles=1_000_000)), host="host-7"))
    assert runner.judge_waiting()
    assert waiting(database) == BATCH
    assert host_row(database, "host-7").judged_seq == 3
