"""Pushes through a real server and a real socket: bounds seen by the client, slow and broken-off bodies, answers."""

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import zstandard

from server.access.principals import Scope
from server.app import create_app
from server.settings import load_settings
from server.store.database import Database
from tests.access.people import token
from tests.e2e.processes import wait_for
from tests.pushing import body, process, push, snapshot, times_of, when
from tests.serving import Served

MIB = 2**20
BODY = body(snapshot(0))


@contextmanager
def listening(database_url: str, data_dir: Path) -> Iterator[int]:
    settings = load_settings({"HANDLEWATCH_DATABASE_URL": database_url, "HANDLEWATCH_DATA_DIR": str(data_dir)})
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert wait_for(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, sqlite_template: Path, tmp_path: Path) -> str:
    """One database is enough for what happens before anything is written."""
    path = tmp_path / "handlewatch.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def port(database_url: str, tmp_path: Path) -> Iterator[int]:
    with listening(database_url, tmp_path) as port:
        yield port


@pytest.fixture
def secret(database: Database) -> str:
    return token(database, Scope.RELAY)


def send(port: int, secret: str, content: Any, **headers: str) -> httpx.Response:
    return httpx.post(
        f"http://127.0.0.1:{port}/api/v1/snapshots",
        content=content,
        headers={"Authorization": f"Bearer {secret}", **{key.replace("_", "-"): text for key, text in headers.items()}},
        timeout=30,
    )


def padded(size: int) -> bytes:
    data = json.dumps(BODY).encode()
    return data + b" " * (size - len(data))


def chunks(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 256 * 1024):
        yield data[at : at + 256 * 1024]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "status"), [(8 * MIB, 200), (8 * MIB + 1, 413), (16 * MIB, 413)])
def test_the_client_sees_the_answer_to_a_long_body(
    port: int, secret: str, chunked: bool, size: int, status: int
) -> None:
    data = padded(size)
    answer = send(port, secret, chunks(data) if chunked else data)
    assert answer.status_code == status
    if status == 413:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["connection"] == "close"
        assert "8 MiB" in answer.json()["detail"]


def test_an_anonymous_client_sees_the_answer_to_a_long_body(port: int) -> None:
    assert send(port, "nonsense", padded(15 * MIB)).status_code == 401


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "identity"])
def test_packed_bodies_are_taken(port: int, secret: str, encoding: str) -> None:
    data = json.dumps(BODY).encode()
    packed = {"gzip": gzip.compress(data), "zstd": zstandard.compress(data), "identity": data}
    answer = send(port, secret, packed[encoding], Content_Encoding=encoding)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_413_and_the_server_lives(port: int, secret: str, encoding: str) -> None:
    zeros = bytes(64 * MIB + 1)
    packed = gzip.compress(zeros, 1) if encoding == "gzip" else zstandard.compress(zeros)
    answer = send(port, secret, packed, Content_Encoding=encoding)
    assert (answer.status_code, "64 MiB" in answer.json()["detail"]) == (413, True)
    assert send(port, secret, json.dumps(BODY)).status_code == 200


def test_a_slow_body_holds_nobody_up(port: int, secret: str) -> None:
    data = json.dumps(BODY).encode()
    with _started(port, secret, length=len(data)) as connection:
        connection.sendall(data[:50])
        assert send(port, secret, json.dumps(body(snapshot(1)))).json()["accepted"] == 1
        for at in range(50, len(data)):
            connection.sendall(data[at : at + 1])
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_body_that_breaks_off_is_not_taken(port: int, secret: str, database: Database) -> None:
    push(database, body(snapshot(5)))
    data = json.dumps(BODY).encode()
    with _started(port, secret, length=len(data) + 1) as connection:
        connection.sendall(data)
    assert send(port, secret, json.dumps(body(snapshot(1)))).json()["accepted"] == 1
    assert times_of(database) == [when(1), when(5)]


@contextmanager
def _started(port: int, secret: str, *, length: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(
            b"POST /api/v1/snapshots HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n"
            % (secret.encode(), length)
        )
        yield connection


# --- answers -----------------------------------------------------------------------------------------------------


def test_the_answer_says_what_became_of_the_push(served: Served) -> None:
    answer = served.relay.push(body(snapshot(0), snapshot(1)))
    assert answer.json() == {"accepted": 2, "duplicates": 0, "skew_s": 0.0, "advice": {"inspect": []}}
    assert served.relay.push(body(snapshot(1))).json()["duplicates"] == 1


@pytest.mark.parametrize(
    ("content", "status", "path"),
    [
        (b"{", 400, None),
        (b'{"host": {"name": "a", "os": {}}}', 422, "host.os.family"),
        (json.dumps(body(snapshot(0, process(handles=-1)))).encode(), 422, "snapshots[0].processes[0].handles"),
        (
            json.dumps(body(snapshot(0, process(types={"Event": "x"})))).encode(),
            422,
            "snapshots[0].processes[0].types.Event",
        ),
        (json.dumps(body({**snapshot(0), "time": "2999-01-01T00:00:00Z"})).encode(), 422, "snapshots[0].time"),
    ],
    ids=range(5),
)
def test_a_refusal_is_a_problem_that_names_the_field(
    served: Served, content: bytes, status: int, path: str | None
) -> None:
    answer = served.relay.post("/api/v1/snapshots", content=content)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert {"type", "title", "status", "detail", "errors"} == set(problem)
    assert (problem["status"], [fault["path"] for fault in problem["errors"]]) == (status, [path] if path else [])
    assert served.reader.get("/api/v1/hosts").json()["total"] == 0


def test_each_scope_may_push_what_it_may(served: Served) -> None:
    own = served.of_host("WEB-01")
    sent = body(snapshot(0))
    assert own.push(sent).status_code == 200
    assert own.push(body(snapshot(0), host="web-02")).status_code == 403
    assert served.admin.push(body(snapshot(1))).status_code == 200
    assert [one.push(sent).status_code for one in (served.reader, served.enroller)] == [403, 403]
    assert served.anonymous.push(sent).status_code == 401
    assert served.anonymous.push(sent).headers["www-authenticate"].startswith("Bearer")


def test_a_server_that_can_not_keep_up_says_when_to_come_back(served: Served) -> None:
    served.app.state.writer.close()
    answer = served.relay.push(BODY)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_small_body_that_unpacks_to_much_is_read_off_the_event_loop(served: Served) -> None:
    sent = gzip.compress(json.dumps({**body(snapshot(0)), "new": "\0" + "x" * 30 * MIB}).encode())
    assert len(sent) < 64 * 1024
    slow = threading.Thread(
        target=served.relay.post,
        args=("/api/v1/snapshots",),
        kwargs={"content": sent, "headers": {"Content-Encoding": "gzip"}},
    )
    slow.start()
    assert served.anonymous.get("/healthz").status_code == 200
    slow.join(20)
    assert served.reader.get("/api/v1/hosts").json()["total"] == 1
