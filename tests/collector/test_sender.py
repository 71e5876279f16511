"""The sender against a real server that plays healthy, busy, broken, slow, refusing and absent."""

import inspect
import random
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from collector.sender import KEPT_OPEN_S, Http, Sender, Step
from collector.spool import Spool
from collector.state import StateDirectory
from collector.wire import compact, rfc3339

if TYPE_CHECKING:
    from tests.collector.conftest import PlayServer

NOON = 1795348800


class Parts:
    """A sender with what it needs, and a way to make it do one step after the other."""

    def __init__(self, folder: Path, server: str, *, token: str = "given", total_s: float = 30) -> None:
        self.state = StateDirectory(folder)
        self.spool = Spool(folder, most_bytes=1 << 24)
        self.http = Http(server, total_s=total_s)
        self.sender = Sender(
            self.http,
            self.spool,
            self.state,
            server=server,
            token=token,
            host="web-07",
            envelope=lambda: {"host": {"name": "web-07", "os": {"family": "linux"}}, "collector": {"source": "linux"}},
            jitter=random.Random(7),
            clock=lambda: NOON + 3600.0,
        )

    def fill(self, count: int, *, start: int = 0, padding: int = 0) -> None:
        for number in range(start, start + count):
            time_of = NOON + 60 * number
            self.spool.append(
                time_of, compact({"time": rfc3339(time_of), "coverage": {}, "processes": [], "pad": "x" * padding})
            )

    def drain(self, most_steps: int = 400) -> list[Step]:
        """Steps until the spool is empty or a wait is due."""
        steps: list[Step] = []
        for _ in range(most_steps):
            step = self.sender.step()
            if step.wait_s is None:
                return steps
            steps.append(step)
            if step.wait_s > 0:
                return steps
        raise AssertionError("it never came to rest")

    def close(self) -> None:
        self.http.close()
        self.state.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Parts]]:
    made: list[Parts] = []

    def start(server: str, **options: object) -> Parts:
        for parts in made:
            parts.close()
        made.append(Parts(tmp_path / "state", server, **options))  # type: ignore[arg-type]
        return made[-1]

    yield start
    for parts in made[-1:]:
        parts.close()


def play(server: "PlayServer", status: int, **more: object) -> None:
    server.plays.append(server.scene(status, **more))  # type: ignore[arg-type]


def test_the_spool_is_sent_in_order_and_emptied(server: "PlayServer", make: Callable[..., Parts]) -> None:
    parts = make(server.url)
    parts.fill(5)
    assert [step.failure for step in parts.drain()] == [None]
    [push] = server.pushes
    assert push.times == sorted(push.times)
    assert len(server.accepted) == 5
    assert len(parts.spool) == 0
    assert push.body["sent_at"] == rfc3339(NOON + 3600)
    assert push.token == "given"


def test_a_batch_holds_a_hundred_snapshots_at_most(server: "PlayServer", make: Callable[..., Parts]) -> None:
    parts = make(server.url)
    parts.fill(250)
    parts.drain()
    assert [len(push.times) for push in server.pushes] == [100, 100, 50]


def test_a_batch_holds_four_mebibytes_at_most(server: "PlayServer", make: Callable[..., Parts]) -> None:
    parts = make(server.url)
    parts.fill(6, padding=1 << 20)
    parts.drain()
    assert [len(push.times) for push in server.pushes] == [3, 3]
    assert all(push.size < 100_000 for push in server.pushes)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 204, 308, 401, 403, 404])
def test_without_an_acknowledgement_the_spool_is_kept(
    server: "PlayServer", make: Callable[..., Parts], status: int
) -> None:
    parts = make(server.url)
    parts.fill(3)
    play(server, status)
    [step] = parts.drain()
    assert step.failure is not None
    assert str(status) in step.failure
    assert step.wait_s is not None
    assert step.wait_s >= 0.5
    assert len(parts.spool) == 3
    parts.drain()
    assert (len(server.accepted), server.duplicates, len(parts.spool)) == (3, 0, 0)


@pytest.mark.parametrize("body", [b"", b"<html>welcome</html>", b"[1]", b'{"accepted": null}', b"\x00\xff"])
def test_a_200_with_garbage_acknowledges_nothing_and_does_not_loop_hot(
    server: "PlayServer", make: Callable[..., Parts], body: bytes
) -> None:
    parts = make(server.url)
    parts.fill(2)
    for _ in range(6):
        play(server, 200, body=body)
    waits = [parts.drain()[-1].wait_s or 0 for _ in range(6)]
    assert len(parts.spool) == 2
    assert waits == sorted(waits)
    assert waits[-1] >= 16


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(server: "PlayServer", make: Callable[..., Parts], status: int) -> None:
    parts = make(server.url)
    parts.fill(1)
    play(server, status, headers={"Retry-After": "40"})
    play(server, status, headers={"Retry-After": "Sun, 22 Nov 2026 13:02:00 GMT"})
    first, second = parts.drain()[-1].wait_s, parts.drain()[-1].wait_s
    assert first is not None
    assert second is not None
    assert 40 <= first <= 44
    assert 120 <= second <= 132


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_only_a_person_can_mend_is_tried_slowly(
    server: "PlayServer", make: Callable[..., Parts], status: int
) -> None:
    parts = make(server.url)
    parts.fill(1)
    play(server, status)
    wait = parts.drain()[-1].wait_s
    assert wait is not None
    assert 240 <= wait <= 360


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("step", ["enrolment", "push"])
def test_a_token_does_not_follow_a_redirect(
    serve: "Callable[..., PlayServer]", make: Callable[..., Parts], status: int, step: str
) -> None:
    server, other = serve(), serve()
    moved = server.scene(status, headers={"Location": other.url.replace("127.0.0.1", "localhost") + "/api"})
    if step == "enrolment":
        server.enrol = moved
    else:
        server.plays = [moved]
    parts = make(server.url)
    parts.fill(1)
    [taken] = parts.drain()
    assert taken.failure is not None
    assert "it points to http://localhost" in taken.failure
    assert other.requests == []
    assert len(parts.spool) == 1


def test_an_address_that_is_no_server_s_is_said_without_what_may_be_secret(
    server: "PlayServer", make: Callable[..., Parts]
) -> None:
    server.decide = lambda request: server.scene(404)
    parts = make(server.url.replace("//", "//ann:secret@") + "/foo")
    parts.fill(1)
    [step] = parts.drain()
    assert step.failure == f"answered 404; {server.url}/foo is probably not the address of a Handlewatch server"


def test_a_connection_is_given_up_well_before_a_server_does_so() -> None:
    given_up_by_uvicorn = inspect.signature(uvicorn.Config).parameters["timeout_keep_alive"].default
    assert given_up_by_uvicorn - 1.5 > KEPT_OPEN_S


@pytest.mark.parametrize(("kept_s", "connections"), [(3.0, 1), (0.0, 2)])
def test_a_connection_that_was_kept_too_long_is_not_used_again(
    server: "PlayServer", make: Callable[..., Parts], monkeypatch: pytest.MonkeyPatch, kept_s: float, connections: int
) -> None:
    monkeypatch.setattr("collector.sender.KEPT_OPEN_S", kept_s)
    accept, seen = server.get_request, list[int]()

    def counted() -> Any:
        seen.append(1)
        return accept()

    monkeypatch.setattr(server, "get_request", counted)
    parts = make(server.url)
    for _ in range(2):
        parts.http.post("/api/v1/enroll", token="x", body=b"{}", packed=False)
    assert len(seen) == connections


def test_a_server_that_hangs_up_is_said_in_a_sentence_that_goes_on(make: Callable[..., Parts]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        parts = make(f"http://127.0.0.1:{listening.getsockname()[1]}")
        parts.fill(1)
        thread = threading.Thread(target=hang_up, args=(listening,))
        thread.start()
        [step] = parts.drain()
        thread.join(5)
    assert step.failure is not None
    assert step.failure.endswith("Server disconnected without sending a response")


def hang_up(listening: socket.socket) -> None:
    """Once, after it has heard a request to its end."""
    connection, _ = listening.accept()
    with connection:
        while not connection.recv(65536).endswith(b"}"):
            continue


def test_cookies_of_a_server_are_not_collected(server: "PlayServer", make: Callable[..., Parts]) -> None:
    parts = make(server.url)
    seen = []
    for number in range(3):
        parts.fill(1, start=number)
        headers = {"Set-Cookie": f"c{number}={'x' * 3000}; Max-Age=999999"}
        play(server, 200, body=b'{"accepted": 1}', headers=headers)
        parts.drain()
        seen.append(server.pushes[-1].headers.get("Cookie"))
    assert seen == [None, None, None]


def test_the_time_for_a_request_counts_while_the_name_of_the_server_is_looked_up(
    server: "PlayServer", make: Callable[..., Parts], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = make(server.url, total_s=0.5)
    parts.fill(1)
    parts.http.post("/api/v1/enroll", token="x", body=b"{}", packed=False)
    parts.http.close()
    parts.http._client = None
    look_up = socket.getaddrinfo

    def slowly(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.8)
        return look_up(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    server.enrol = server.scene(200, drip=True)
    begun = time.monotonic()
    [step] = parts.drain()
    assert time.monotonic() - begun < 5
    assert step.failure is not None
    assert "no answer within 0.5 s" in step.failure


@pytest.mark.parametrize("status", [400, 413, 422])
def test_one_snapshot_refused_for_ever_does_not_hold_up_the_rest(
    server: "PlayServer", make: Callable[..., Parts], tmp_path: Path, status: int
) -> None:
    bad = rfc3339(NOON + 60 * 37)
    server.decide = lambda request: server.scene(status) if bad in request.times else None
    parts = make(server.url)
    parts.fill(100)
    steps = parts.drain()
    assert [step.note for step in steps if step.note] == [
        f"put the snapshot of {bad} into rejected/: answered {status}"
    ]
    assert (len(server.accepted), server.duplicates, len(parts.spool)) == (99, 0, 0)
    assert parts.spool.counts.rejected == 1
    [kept] = (tmp_path / "state" / "rejected").glob("*.json")
    assert bad in kept.read_text()
    assert len(server.pushes) < 40


def test_a_server_that_refuses_everything_does_not_drain_the_spool_at_full_speed(
    server: "PlayServer", make: Callable[..., Parts]
) -> None:
    server.decide = lambda request: server.scene(400, b"<html>proxy</html>")
    parts = make(server.url)
    parts.fill(50)
    for _ in range(5):
        parts.drain()
    assert parts.spool.counts.rejected <= 6
    assert len(parts.spool) >= 44


def test_a_refused_envelope_costs_no_snapshot(server: "PlayServer", make: Callable[..., Parts]) -> None:
    parts = make(server.url)
    parts.fill(1)
    play(server, 422, body=b'{"errors": [{"path": "host.os.family", "detail": "unknown"}]}')
    [step] = parts.drain()
    assert step.failure == "answered 422; host.os.family: unknown"
    assert (len(parts.spool), parts.spool.counts.rejected) == (1, 0)


def test_nobody_listening_is_said_at_once(free_port: int, make: Callable[..., Parts]) -> None:
    parts = make(f"http://127.0.0.1:{free_port}")
    parts.fill(1)
    [step] = parts.drain()
    assert step.failure is not None
    assert "Connection refused" in step.failure
    assert len(parts.spool) == 1


@pytest.mark.parametrize("more", [{"hold_s": 30}, {"drip": True}], ids=["silent", "a byte now and then"])
def test_a_slow_server_is_given_up_after_the_total_time(
    server: "PlayServer", make: Callable[..., Parts], more: dict[str, object]
) -> None:
    parts = make(server.url, total_s=0.6)
    parts.fill(1)
    parts.http.post("/api/v1/enroll", token="x", body=b"{}", packed=False)
    play(server, 200, **more)
    begun = time.monotonic()
    [step] = parts.drain()
    assert time.monotonic() - begun < 5
    assert step.failure is not None
    assert "no answer within 0.6 s" in step.failure
    parts.drain()
    assert len(server.accepted) == 1


def test_a_push_can_be_cut_off_from_outside(server: "PlayServer", make: Callable[..., Parts]) -> None:
    parts = make(server.url)
    parts.fill(1)
    play(server, 200, hold_s=30)
    steps: list[Step] = []
    thread = threading.Thread(target=lambda: steps.extend(parts.drain()))
    thread.start()
    server.wait_for(lambda: len(server.pushes) == 1)
    parts.sender.abort()
    thread.join(5)
    assert not thread.is_alive()
    assert len(parts.spool) == 1


def test_an_answer_that_never_ends_is_no_acknowledgement(server: "PlayServer", make: Callable[..., Parts]) -> None:
    parts = make(server.url)
    parts.fill(1)
    play(server, 200, body=b'{"accepted": 1, "x": "' + b"x" * (2 << 20) + b'"}')
    parts.drain()
    assert len(parts.spool) == 1


def test_a_damaged_file_does_not_hold_up_the_rest(
    server: "PlayServer", make: Callable[..., Parts], tmp_path: Path
) -> None:
    parts = make(server.url)
    parts.fill(3)
    sorted((tmp_path / "state" / "spool").iterdir())[0].write_bytes(b"HWS1 and then nothing")
    parts.drain()
    assert (len(server.accepted), parts.spool.counts.damaged, len(parts.spool)) == (2, 1, 0)


def test_settings_of_a_proxy_that_make_no_sense_are_said(
    server: "PlayServer", make: Callable[..., Parts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://proxy")
    parts = make(server.url)
    parts.fill(1)
    [step] = parts.drain()
    assert step.failure is not None
    assert "gopher" in step.failure


def test_a_server_that_speaks_no_tls_is_not_spoken_to_in_plain_text(
    make: Callable[..., Parts], server: "PlayServer"
) -> None:
    parts = make(server.url.replace("http://", "https://"))
    parts.fill(1)
    [step] = parts.drain()
    assert step.failure is not None
    assert "does not speak https; if that is meant, the address begins with http://" in step.failure
    assert server.requests == []


@pytest.fixture
def tls(server: "PlayServer", tmp_path: Path) -> Path:
    """The server speaks TLS with a certificate that it has signed itself; the path of that."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return certificate


def over_tls(server: "PlayServer", host: str) -> str:
    return server.url.replace("http://127.0.0.1", f"https://{host}")


def test_a_certificate_that_nobody_vouches_for_gets_no_token(
    server: "PlayServer", make: Callable[..., Parts], tls: Path
) -> None:
    parts = make(over_tls(server, "localhost"))
    parts.fill(1)
    [step] = parts.drain()
    assert step.failure is not None
    assert "CERTIFICATE_VERIFY_FAILED" in step.failure
    assert server.requests == []


@pytest.mark.parametrize(("host", "pushed"), [("localhost", 1), ("127.0.0.1", 0)])
def test_a_certificate_counts_for_the_name_in_it_alone(
    server: "PlayServer",
    make: Callable[..., Parts],
    tls: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    pushed: int,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls))
    parts = make(over_tls(server, host))
    parts.fill(1)
    parts.drain()
    assert len(server.pushes) == pushed
    assert len(parts.spool) == 1 - pushed
