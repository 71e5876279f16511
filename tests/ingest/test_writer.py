"""The writer: waiting pushes share a transaction, each gets its own answer, and none before it is safe."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from server.ingest import writer as writing
from server.ingest.prepare import prepare
from server.ingest.wire import decode_push
from server.ingest.writer import Writer
from server.problems import Problem
from server.store.database import Database
from server.store.pushes import NewPush, NewSnapshot, Taken
from tests.e2e.processes import wait_for
from tests.pushing import START_US, body, process, recent_count, snapshot


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    writer = Writer(database, on_taken=lambda _hosts: None)
    writer.start()
    yield writer
    writer.close()


def ready(*minutes: int, host: str = "web-01", **more: Any) -> NewPush:
    sent = body(*[snapshot(minute, process(**more)) for minute in minutes], host=host)
    return prepare(decode_push(json.dumps(sent).encode()), START_US + 10**12)


def unstorable(host: str) -> NewPush:
    """A push that the database refuses: its count is beyond 64 bits."""
    return NewPush(host, {}, [NewSnapshot(2**70, b"", 1, 1, 0)], START_US)


class Held:
    """Holds the database's only writer, or the hosts' rows, so that pushes queue up; counts commits from then on."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database, self._writer = database, writer
        self.commits = 0
        self._release = threading.Event()
        self._entered = threading.Event()
        self._commit: Callable[..., list[Taken]] = writer._commit
        writer._commit = self._wait_and_commit  # type: ignore[method-assign]
        event.listen(database.engine, "commit", self._count)
        self.first = writer.submit(ready(host="first"))
        assert self._entered.wait(10)

    def _wait_and_commit(self, group: Any) -> list[Taken]:
        self._entered.set()
        assert self._release.wait(10)
        return self._commit(group)

    def _count(self, _connection: Any) -> None:
        self.commits += 1

    def let_go(self) -> None:
        self._release.set()


def result(answer: "Future[Taken]") -> Taken:
    return answer.result(timeout=20)


def status(answer: "Future[Taken]") -> tuple[int, bool]:
    problem = answer.exception(timeout=20)
    assert isinstance(problem, Problem)
    return problem.status, "Retry-After" in problem.headers


def test_pushes_that_wait_share_a_transaction(database: Database, writer: Writer) -> None:
    held = Held(database, writer)
    answers = [writer.submit(ready(minute, host=f"host-{minute % 10}")) for minute in range(40)]
    held.let_go()
    assert sum(result(answer).accepted for answer in answers) == 40
    # the one that held the others up, and all the others; before either, the names of its hosts, which are new
    assert held.commits == 4


def test_each_push_of_a_group_gets_its_own_answer(database: Database, writer: Writer) -> None:
    held = Held(database, writer)
    sent = [ready(1), ready(1, 2), ready(2, 3, host="WEB-01"), ready(1, host="other")]
    answers = [writer.submit(one) for one in sent]
    held.let_go()
    taken = [result(answer) for answer in answers]
    assert [(one.accepted, one.duplicates) for one in taken] == [(1, 0), (1, 1), (1, 1), (1, 0)]
    assert len({one.host_id for one in taken}) == 2


def test_an_answered_push_is_committed(database: Database, writer: Writer) -> None:
    for minute in range(5):
        result(writer.submit(ready(minute)))
        assert recent_count(database) == minute + 1


def test_one_bad_push_does_not_fail_the_others(database: Database, writer: Writer) -> None:
    held = Held(database, writer)
    answers = [writer.submit(one) for one in (ready(1, host="a"), unstorable("bad"), ready(1, host="b"))]
    held.let_go()
    assert (result(answers[0]).accepted, result(answers[2]).accepted) == (1, 1)
    assert status(answers[1]) == (503, True)
    assert result(writer.submit(ready(2, host="bad"))).accepted == 1


def test_a_full_queue_says_so(database: Database, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MOST_WAITING", 5)
    held = Held(database, writer)
    answers = [writer.submit(ready(host=f"empty-{i}")) for i in range(5)]
    with pytest.raises(Problem) as caught:
        writer.submit(ready())
    assert (caught.value.status, "Retry-After" in caught.value.headers) == (503, True)
    held.let_go()
    assert all(result(answer).accepted == 0 for answer in answers)
    assert result(writer.submit(ready(1))).accepted == 1


def test_the_memory_of_the_queue_is_bounded(
    database: Database, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MOST_BYTES_WAITING", 600)
    held = Held(database, writer)
    inventory = {"software": [{"name": f"program {i}"} for i in range(10)]}
    large = prepare(decode_push(json.dumps(body(host="large", inventory=inventory)).encode()), START_US)
    answers = [writer.submit(large)]  # more than there may be, but nothing else waits
    with pytest.raises(Problem):
        writer.submit(ready(1))
    held.let_go()
    assert result(answers[0]).duplicates == 0
    assert result(writer.submit(ready(1))).accepted == 1


def test_a_push_taken_back_in_the_queue_is_not_written(database: Database, writer: Writer) -> None:
    held = Held(database, writer)
    kept, gone = writer.submit(ready(1)), writer.submit(ready(2))
    assert gone.cancel()
    held.let_go()
    assert result(kept).accepted == 1
    assert recent_count(database) == 1
    assert result(writer.submit(ready(2))).accepted == 1


def test_stopping_writes_what_waits_and_takes_no_more(database: Database) -> None:
    writer = Writer(database, on_taken=lambda _hosts: None)
    writer.start()
    held = Held(database, writer)
    answers = [writer.submit(ready(minute)) for minute in range(30)]
    stopping = threading.Thread(target=writer.close)
    stopping.start()
    assert wait_for(lambda: writer._closed)
    with pytest.raises(Problem) as caught:
        writer.submit(ready(99))
    assert caught.value.status == 503
    held.let_go()
    stopping.join(20)
    assert all(result(answer).accepted == 1 for answer in answers)
    assert recent_count(database) == 30


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_locked_database_is_503_for_all_and_soon_over(database_url: str) -> None:
    database = Database(database_url, busy_s=0.2)
    writer = Writer(database, on_taken=lambda _hosts: None)
    writer.start()
    other = Database(database_url)
    with other.write():
        held = Held(database, writer)
        answers = [writer.submit(ready(minute)) for minute in range(30)]
        held.let_go()
        assert {status(answer) for answer in (held.first, *answers)} == {(503, True)}
    assert result(writer.submit(ready(1))).accepted == 1
    writer.close()
    database.close()
    other.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_database_that_goes_away_comes_back(database: Database, writer: Writer) -> None:
    result(writer.submit(ready(1)))
    name = database.url.database
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        ours = f"datname = '{name}' AND pid <> pg_backend_pid()"
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}"))
    outcomes = [writer.submit(ready(minute)) for minute in range(2, 5)]
    assert wait_for(lambda: all(one.done() for one in outcomes))
    assert sum(result(writer.submit(ready(minute))).accepted for minute in range(2, 5)) + recent_count(database) >= 4
    assert recent_count(database) == 4


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_tables_that_are_gone_are_503_and_come_back(database: Database, writer: Writer) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE snapshots RENAME TO hidden")
    assert status(writer.submit(ready(1))) == (503, True)
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE hidden RENAME TO snapshots")
    assert result(writer.submit(ready(1))).accepted == 1


def test_those_who_wait_for_news_are_told_after_the_commit(database: Database, tmp_path: Path) -> None:
    told: list[tuple[set[int], int]] = []
    writer = Writer(database, on_taken=lambda hosts: told.append((hosts, recent_count(database))))
    writer.start()
    taken = result(writer.submit(ready(1, 2)))
    writer.close()
    assert told == [({taken.host_id}, 2)]


def test_what_is_remembered_of_hosts_is_bounded(
    writer: Writer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MOST_KNOWN", 3)
    for minute in range(2):
        for number in range(10):
            assert writer.submit(ready(minute, host=f"web-{number}")).result(10).accepted == 1
            assert len(writer._hosts) <= 4
            assert len(writer._expected) <= 4
    assert recent_count(database, "web-9") == 2
