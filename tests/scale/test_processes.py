"""Several server processes on one PostgreSQL share the work; one that is killed loses nothing and doubles nothing."""

import os
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from server.access.principals import Scope
from server.store.database import Database
from server.store.tables import blocks, host_state, hosts, snapshots
from tests.access.people import token
from tests.conftest import NewDatabase
from tests.e2e.processes import Server, running_server, wait_for
from tests.e2e.test_kill_judging import backfill, leaks_of

HOSTS = [f"web-{number:02}" for number in range(1, 9)]
PART = 64  # snapshots of a push
TAKEN_OVER_S = 120.0  # a claim that a killed process left behind, and what is then to do, on a machine at work

NOTE_JUDGEMENTS = """
CREATE TABLE noted (at bigserial, host_id int, before bigint, after bigint);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO noted (host_id, before, after) VALUES (NEW.host_id, OLD.judged_seq, NEW.judged_seq);
    RETURN NEW;
END $$;
CREATE TRIGGER note AFTER UPDATE OF judged_seq ON host_state FOR EACH ROW EXECUTE FUNCTION note();
"""

postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@contextmanager
def servers(url: str, folder: Path, count: int, *options: str) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        started = []
        for number in range(count):
            place = folder / f"server-{number}"
            place.mkdir(parents=True)
            started.append(stack.enter_context(running_server(url, place, *options)))
        yield started


def workers(pid: int) -> set[int]:
    """The processes that a server has started to serve."""
    children = (Path("/proc") / str(pid) / "task" / str(pid) / "children").read_text().split()
    return {int(child) for child in children if b"spawn_main" in (Path("/proc") / child / "cmdline").read_bytes()}


def secrets(database: Database) -> tuple[str, str]:
    return token(database, Scope.RELAY), token(database, Scope.READ)


class Fleet:
    """Sends each host's backfill part by part, in turns to whichever server answers, until it is acknowledged."""

    def __init__(self, to: Sequence[Server], secret: str) -> None:
        self.accepted: dict[str, int] = defaultdict(int)
        self.sent = threading.Semaphore(0)
        self._to = to
        self._headers = {"Authorization": f"Bearer {secret}"}

    def send(self, host: str) -> None:
        whole = backfill(host)
        turn = HOSTS.index(host)
        for at in range(0, len(whole["snapshots"]), PART):
            part = {**whole, "snapshots": whole["snapshots"][at : at + PART]}
            for _ in range(200):
                turn += 1
                try:
                    url = f"{self._to[turn % len(self._to)].url}/api/v1/snapshots"
                    answer = httpx.post(url, json=part, headers=self._headers, timeout=30)
                except httpx.TransportError:
                    continue
                if answer.status_code == 200:
                    self.accepted[host] += answer.json()["accepted"]
                    break
                assert answer.status_code == 503, answer.text
            else:
                raise AssertionError("nobody took it")
            self.sent.release()


def stored(database: Database) -> Mapping[str, int]:
    """Snapshots there are of each host, in rows and in blocks."""
    found: dict[str, int] = defaultdict(int)
    with database.read() as connection:
        for counted, table in ((func.count(), snapshots), (func.sum(blocks.c.snapshots), blocks)):
            query = select(hosts.c.name, counted).join(table, table.c.host_id == hosts.c.host_id).group_by(hosts.c.name)
            for name, count in connection.execute(query):
                found[name] += int(count)
    return found


def is_claimed(database: Database) -> bool:
    with database.read() as connection:
        return bool(connection.scalar(select(func.count()).where(host_state.c.claimed_until_us > 0)))


def judgements(database: Database) -> Mapping[int, list[tuple[int, int]]]:
    found = defaultdict(list)
    with database.read() as connection:
        for row in connection.exec_driver_sql("SELECT host_id, before, after FROM noted ORDER BY at"):
            found[row[0]].append((row[1], row[2]))
    return found


def settled(server: Server, reader: str) -> None:
    """Once nothing waits to be judged."""
    assert wait_for(lambda: server.get("/api/v1/status", reader).json()["pending_hosts"] == 0, seconds=TAKEN_OVER_S)


def alone(new_database: NewDatabase, folder: Path) -> list[Mapping[str, Any]]:
    """The leaks that one process tells, undisturbed."""
    (folder / "alone").mkdir()
    with new_database("postgresql", folder / "alone") as url:
        database = Database(url)
        relay, reader = secrets(database)
        database.close()
        with servers(url, folder / "alone", 1) as started:
            fleet = Fleet(started, relay)
            for host in HOSTS:
                fleet.send(host)
            settled(started[0], reader)
            return leaks_of(started[0], reader)


@postgresql
def test_three_processes_of_which_two_are_killed_tell_what_one_tells(
    database: Database, database_url: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    expected = alone(new_database, tmp_path)
    with database.write() as connection:
        connection.exec_driver_sql(NOTE_JUDGEMENTS)
    relay, reader = secrets(database)
    with servers(database_url, tmp_path, 3) as started, ThreadPoolExecutor(4) as senders:
        fleet = Fleet(started, relay)
        sending = [senders.submit(fleet.send, host) for host in HOSTS]
        for _ in range(10):
            assert fleet.sent.acquire(timeout=60)
        assert wait_for(lambda: is_claimed(database))
        for server in started[:2]:
            server.kill()
        for done in sending:
            done.result(timeout=120)
        settled(started[2], reader)
        assert leaks_of(started[2], reader) == expected
        assert wait_for(lambda: not is_claimed(database), seconds=TAKEN_OVER_S)
    assert {one["program"] for one in expected} == {"slow", "fast"}
    whole = {host: len(backfill(host)["snapshots"]) for host in HOSTS}
    assert stored(database) == whole
    assert all(count <= whole[host] for host, count in fleet.accepted.items())
    for steps in judgements(database).values():
        assert all(before < after for before, after in steps), "judged twice for the same pushes"
        assert [before for before, _ in steps[1:]] == [after for _, after in steps[:-1]]


@postgresql
def test_of_several_workers_one_that_is_killed_is_started_anew(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    relay, reader = secrets(database)
    with servers(database_url, tmp_path, 1, "--workers", "2") as (server,):
        assert server.process is not None
        before = workers(server.process.pid)
        assert len(before) == 2
        os.kill(min(before), signal.SIGKILL)
        fleet = Fleet([server], relay)
        fleet.send(HOSTS[0])
        pid = server.process.pid
        assert wait_for(lambda: len(workers(pid) - before) == 1, seconds=90)
        settled(server, reader)
        assert leaks_of(server, reader)
    assert stored(database) == {HOSTS[0]: len(backfill(HOSTS[0])["snapshots"])}
