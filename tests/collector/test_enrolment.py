"""Which token a collector pushes with: its own from an enrolment, or the one it was given."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.sender import Http, Sender, Step
from collector.spool import Spool
from collector.state import StateDirectory
from collector.wire import compact, rfc3339

if TYPE_CHECKING:
    from tests.collector.conftest import PlayServer

NOON = 1795348800


class Life:
    """Runs of a collector on one state directory; each run has one more snapshot to send."""

    def __init__(self, folder: Path, server: "PlayServer") -> None:
        self.folder = folder
        self.server = server
        self.readings = 0

    def run(self, token: str = "given", *, host: str = "web-07", steps: int = 1) -> list[Step]:
        state, http = StateDirectory(self.folder), Http(self.server.url)
        spool = Spool(self.folder, most_bytes=1 << 20)
        sender = Sender(
            http,
            spool,
            state,
            server=self.server.url,
            token=token,
            host=host,
            envelope=lambda: {"host": {"name": host}},
        )
        taken = []
        for _ in range(steps):
            time = NOON + 60 * self.readings
            self.readings += 1
            spool.append(time, compact({"time": rfc3339(time)}))
            taken.append(sender.step())
        http.close()
        state.close()
        return taken

    def answer(self, status: int, body: object = None) -> None:
        self.server.enrol.status = status
        self.server.enrol.body = None if body is None else json.dumps(body).encode()


@pytest.fixture
def life(tmp_path: Path, server: "PlayServer") -> Life:
    return Life(tmp_path, server)


def test_with_an_enroll_token_it_gets_a_token_of_its_own_once(life: Life, server: "PlayServer") -> None:
    life.answer(200, {"host": "web-07", "token": "own"})
    life.run()
    life.run()
    assert [(request.path, request.token) for request in server.requests] == [
        ("/api/v1/enroll", "given"),
        ("/api/v1/snapshots", "own"),
        ("/api/v1/snapshots", "own"),
    ]
    assert server.requests[0].body == {"host": "web-07"}


@pytest.mark.parametrize("status", [403, 404])
def test_a_token_that_enrols_nobody_is_pushed_with(life: Life, server: "PlayServer", status: int) -> None:
    life.answer(status)
    life.run()
    life.run()
    assert [(request.path, request.token) for request in server.requests] == [
        ("/api/v1/enroll", "given"),
        ("/api/v1/snapshots", "given"),
        ("/api/v1/snapshots", "given"),
    ]


def test_another_token_given_is_looked_into_anew(life: Life, server: "PlayServer") -> None:
    life.answer(403)
    life.run("first")
    life.run("second")
    assert [request.token for request in server.requests] == ["first", "first", "second", "second"]


def test_a_host_enrolled_already_is_said_with_what_to_do(life: Life, server: "PlayServer") -> None:
    life.answer(409, {"title": "Conflict"})
    [step] = life.run()
    assert step.failure is not None
    assert "already has a host 'web-07'" in step.failure
    assert "answered 409; Conflict" in step.failure
    assert "--host-name" in step.failure
    assert "admin must allow it to enrol anew on the server (docs/access.md, Tokens)" in step.failure
    assert step.wait_s is not None
    assert step.wait_s >= 240
    assert server.pushes == []


def test_an_unknown_token_is_said_and_tried_slowly(life: Life, server: "PlayServer") -> None:
    life.answer(401)
    [step] = life.run()
    assert step.failure is not None
    assert "does not know this token" in step.failure
    assert step.wait_s is not None
    assert step.wait_s >= 240
    assert server.pushes == []


@pytest.mark.parametrize("answer", [{"token": ""}, {"token": None}, {"token": ["own"]}, {}, [], "<html>welcome</html>"])
def test_a_200_without_a_token_enrols_nobody_and_costs_the_given_token_nothing(
    life: Life, server: "PlayServer", tmp_path: Path, answer: object
) -> None:
    life.answer(200, answer)
    [step] = life.run()
    assert step.failure == "answered 200, but not as a Handlewatch server does"
    assert server.pushes == []
    assert not (tmp_path / "token.json").exists()
    life.answer(200, {"token": "own"})
    life.run()
    assert [push.token for push in server.pushes] == ["own"]


@pytest.mark.parametrize("token", ["own\r\nX-Other: 1", "owŉ", "two words", "x" * 5000, "own\x00"])
def test_a_token_that_cannot_stand_in_a_header_is_never_kept_nor_shown(life: Life, tmp_path: Path, token: str) -> None:
    life.answer(200, {"token": token})
    [step] = life.run()
    assert step.failure is not None
    assert "own" not in step.failure
    assert not (tmp_path / "token.json").exists()


def test_a_token_that_was_damaged_on_disk_is_asked_for_anew(life: Life, server: "PlayServer", tmp_path: Path) -> None:
    life.answer(200, {"token": "own"})
    life.run()
    kept = json.loads((tmp_path / "token.json").read_text()) | {"token": "own\nand more"}
    (tmp_path / "token.json").write_text(json.dumps(kept))
    life.answer(200, {"token": "newer"})
    [step] = life.run()
    assert step.failure is None
    assert server.pushes[-1].token == "newer"


def test_a_busy_server_is_asked_again_to_enrol(life: Life, server: "PlayServer") -> None:
    life.answer(503)
    [step] = life.run()
    assert step.wait_s is not None
    assert step.wait_s <= 1
    life.answer(200, {"token": "own"})
    life.run()
    assert [push.token for push in server.pushes] == ["own"]


def test_a_revoked_token_of_its_own_is_replaced_by_enrolling_anew(life: Life, server: "PlayServer") -> None:
    life.answer(200, {"token": "own"})
    life.run()
    server.decide = lambda request: server.scene(401) if request.token == "own" else None
    life.answer(200, {"token": "newer"})
    refused, taken = life.run(steps=2)
    assert refused.failure == "answered 401"
    assert taken.failure is None
    assert server.pushes[-1].token == "newer"
    server.requests.clear()
    life.run()
    assert [push.token for push in server.requests] == ["newer"]


def test_a_refusal_that_passes_does_not_cost_the_token_of_its_own(life: Life, server: "PlayServer") -> None:
    life.answer(200, {"token": "own"})
    life.run()
    life.answer(409)
    server.plays = [server.scene(403)]
    refused, taken = life.run(steps=2)
    assert refused.failure == "answered 403"
    assert taken.failure is None
    assert server.pushes[-1].token == "own"


def test_a_machine_renamed_enrols_under_its_new_name(life: Life, server: "PlayServer") -> None:
    life.answer(200, {"token": "own"})
    life.run()
    life.answer(200, {"token": "other"})
    life.run(host="web-08")
    assert [request.body["host"] for request in server.requests if request.path.endswith("enroll")] == [
        "web-07",
        "web-08",
    ]
    assert server.pushes[-1].token == "other"


def test_its_own_token_is_for_the_owner_of_the_state_directory_alone(life: Life, tmp_path: Path) -> None:
    life.answer(200, {"token": "own"})
    life.run()
    assert (tmp_path / "token.json").stat().st_mode & 0o777 == 0o600
