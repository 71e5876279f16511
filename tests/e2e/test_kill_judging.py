"""A server killed again and again while it judges a backfill of weeks tells the leaks that one never killed tells."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.access.principals import Scope
from server.store import judgements
from server.store.database import Database
from tests.access.people import token
from tests.conftest import NewDatabase
from tests.e2e.processes import Server, running_server, wait_for
from tests.pushing import Wire, body, process, snapshot

DAYS = 8
EVERY = 30  # minutes
HOSTS = ("web-01", "web-02")


def backfill(host: str) -> Wire:
    """`slow` takes a socket each hour; `calm` holds what it holds; `fast` runs into its limit on the last day."""
    readings = []
    for minute in range(0, DAYS * 1_440, EVERY):
        late = max(0, minute - (DAYS - 1) * 1_440)
        slow = process("slow", pid=1, handles=300 + minute // 60, types={"socket": 100 + minute // 60, "file": 200})
        fast = process("fast", pid=3, handles=min(50 + 2 * late, 1_024), limit=1_024)
        readings.append(snapshot(minute, slow, process("calm", pid=2, handles=70 + minute % 7), fast))
    return body(*readings, host=host, collector={"interval_s": 60 * EVERY})


def pushed(server: Server, relay: str, host: str) -> None:
    sent = backfill(host)
    for at in range(0, len(sent["snapshots"]), 300):
        part = {**sent, "snapshots": sent["snapshots"][at : at + 300]}
        headers = {"Authorization": f"Bearer {relay}"}
        assert httpx.post(f"{server.url}/api/v1/snapshots", json=part, headers=headers, timeout=60).status_code == 200


def leaks_of(server: Server, reader: str) -> list[Mapping[str, Any]]:
    assert wait_for(lambda: server.get("/api/v1/status", reader).json()["pending_hosts"] == 0, seconds=60)
    found = server.get("/api/v1/leaks?status=all&limit=500", reader).json()["items"]
    told = [{name: one[name] for name in one if name not in ("id", "group")} for one in found]
    return sorted(told, key=lambda one: (one["host"], one["program"], one["started_at"]))


def outcome(url: str, folder: Path, during: Callable[[Server], None]) -> list[Mapping[str, Any]]:
    folder.mkdir()
    database = Database(url)
    relay, reader = token(database, Scope.RELAY), token(database, Scope.READ)
    database.close()
    with running_server(url, folder) as server:
        for host in HOSTS:
            pushed(server, relay, host)
            during(server)
        return leaks_of(server, reader)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_leaks_are_those_of_a_server_never_killed(
    database: Database, database_url: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    (tmp_path / "calm").mkdir()
    with new_database("postgresql", tmp_path / "calm") as calm_url:
        calm = outcome(calm_url, tmp_path / "calm" / "data", lambda _server: None)

    def killed(server: Server) -> None:
        for number in range(2):
            time.sleep(0.05 + 0.15 * number)  # into the judging, here and there
            server.kill()
            with database.write() as connection:  # as half a minute would, where the server is not the only one
                judgements.release_all(connection)
            server.start()

    harried = outcome(database_url, tmp_path / "harried", killed)
    assert {one["program"] for one in calm} == {"slow", "fast"}
    assert harried == calm
