"""A server killed in the middle of a stream of pushes has every snapshot that it answered with 200, exactly once."""

import json
import threading
from collections import Counter
from pathlib import Path

import httpx

from server.access.principals import Scope
from server.store.database import Database
from tests.access.people import token
from tests.e2e.processes import Server, running_server, wait_for
from tests.pushing import Wire, body, process, snapshot, when

HOSTS = [f"host-{i}" for i in range(6)]
BATCHES = 60


def batch(host: str, number: int) -> Wire:
    """Three snapshots, one of them sent in the batch before as well."""
    minutes = [number * 2 - 1, number * 2, number * 2 + 1] if number else [0, 1]
    return body(*[snapshot(minute, process(handles=minute)) for minute in minutes], host=host)


class Sender(threading.Thread):
    """Pushes one host's batches until the server is gone; remembers which were answered."""

    def __init__(self, server: Server, token: str, host: str) -> None:
        super().__init__(daemon=True)
        self.host = host
        self.answered: list[int] = []
        self._url = f"{server.url}/api/v1/snapshots"
        self._token = token

    def run(self) -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {self._token}"}, timeout=30) as client:
            for number in range(BATCHES):
                try:
                    answer = client.post(self._url, content=json.dumps(batch(self.host, number)))
                except httpx.TransportError:
                    return
                assert answer.status_code == 200
                self.answered.append(number)


def test_what_was_answered_is_there_exactly_once(database: Database, database_url: str, tmp_path: Path) -> None:
    relay, reader = token(database, Scope.RELAY), token(database, Scope.READ)
    with running_server(database_url, tmp_path) as server:
        senders = [Sender(server, relay, host) for host in HOSTS]
        for sender in senders:
            sender.start()
        assert wait_for(lambda: sum(len(sender.answered) for sender in senders) >= 90)
        server.kill()
        for sender in senders:
            sender.join(30)
        assert sum(len(sender.answered) for sender in senders) < BATCHES * len(HOSTS), "it was killed too late"
        server.start()
        with httpx.Client(base_url=server.url, timeout=30) as client:
            for sender in senders:
                _require(client, reader, sender)
                assert {_accepted(client, relay, batch(sender.host, number)) for number in sender.answered} == {0}
                _require(client, reader, sender)


def _accepted(client: httpx.Client, secret: str, sent: Wire) -> int:
    answer = client.post("/api/v1/snapshots", json=sent, headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
    accepted: int = answer.json()["accepted"]
    return accepted


def _require(client: httpx.Client, secret: str, sender: Sender) -> None:
    """Every snapshot of the batches that were answered is in the series once, with its content."""
    headers = {"Authorization": f"Bearer {secret}"}
    found = client.get(f"/api/v1/hosts/{sender.host}/series?points=10000", headers=headers).json()
    assert set(Counter(found["times"]).values()) == {1}
    counts = dict(zip(found["times"], found["series"][0]["last"], strict=True))
    for number in sender.answered:
        for one in batch(sender.host, number)["snapshots"]:
            assert counts[one["time"]] == one["processes"][0]["handles"]
    newest = client.get(f"/api/v1/hosts/{sender.host}/processes", headers=headers).json()
    assert newest["time"] >= when(max(sender.answered) * 2 + 1)
