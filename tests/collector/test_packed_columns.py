"""When a sender packs: for servers that say that they take it, until one does not."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.answers import Answer
from collector.packed import MEDIA_TYPE
from collector.sender import Http, Sender
from collector.spool import Spool
from collector.state import StateDirectory
from collector.wire import compact, rfc3339

NOON = 1795348800
TAKEN = json.dumps({"accepted": 1, "duplicates": 0, "skew_s": 0, "advice": {"inspect": []}}).encode()
JSON = "application/json"


class Server(Http):
    """Notes the media types that come, and refuses columns with `refusal`."""

    def __init__(self, takes: str = "", refusal: int | None = None) -> None:
        super().__init__("http://server.test")
        self.kinds: list[str] = []
        self.takes, self.refusal = takes, refusal

    def post(self, path: str, *, token: str, body: bytes, packed: bool, kind: str = JSON) -> Answer:
        if path == "/api/v1/enroll":
            return Answer(403)
        self.kinds.append(kind)
        if kind == MEDIA_TYPE and self.refusal is not None:
            return Answer(self.refusal)
        return Answer(200, TAKEN, takes=self.takes)


@pytest.fixture
def send(tmp_path: Path) -> Iterator[Callable[..., list[str]]]:
    """Pushes these snapshots, each by itself, and tells their media types."""
    state = StateDirectory(tmp_path)
    spool = Spool(tmp_path, most_bytes=1 << 20)

    def send_all(server: Server, *snapshots: dict[str, Any]) -> list[str]:
        sender = Sender(
            server,
            spool,
            state,
            server="http://server.test",
            token="given",
            host="web-07",
            envelope=lambda: {"host": {"name": "web-07", "os": {"family": "linux"}}},
            jitter=random.Random(7),
            clock=lambda: NOON + 3600.0,
        )
        for number, snapshot in enumerate(snapshots):
            time = NOON + 60 * number
            spool.append(time, compact({"time": rfc3339(time), "processes": [], **snapshot}))
            sender.step()
        assert len(spool) == 0
        return server.kinds

    yield send_all
    state.close()


def test_a_server_that_says_nothing_gets_json(send: Callable[..., list[str]]) -> None:
    assert send(Server(), {}, {}) == [JSON, JSON]


def test_a_server_that_takes_columns_gets_them_after_its_first_answer(send: Callable[..., list[str]]) -> None:
    assert send(Server(f"{JSON}, {MEDIA_TYPE}"), {}, {}, {}) == [JSON, MEDIA_TYPE, MEDIA_TYPE]


def test_a_server_that_no_longer_says_so_gets_json_again(send: Callable[..., list[str]]) -> None:
    server = Server(MEDIA_TYPE)
    send(server, {}, {})
    server.takes = ""
    server.kinds.clear()
    assert send(server, {}, {}) == [JSON, JSON]


@pytest.mark.parametrize("refusal", [400, 415, 422])
def test_columns_that_are_refused_are_sent_as_json_and_no_more(send: Callable[..., list[str]], refusal: int) -> None:
    assert send(Server(MEDIA_TYPE, refusal), {}, {}, {}) == [JSON, MEDIA_TYPE, JSON, JSON]


@pytest.mark.parametrize("odd", [{"processes": None}, {"processes": [{"pid": 1}]}, {"processes": ["x"]}])
def test_what_does_not_fit_columns_is_sent_as_json(send: Callable[..., list[str]], odd: dict[str, Any]) -> None:
    assert send(Server(MEDIA_TYPE), {}, odd) == [JSON, JSON]
