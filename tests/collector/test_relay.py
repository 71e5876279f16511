"""The drop folder: what names say, when a file is sent, where it goes, and that none is lost or sent for nothing."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from collector import relay
from collector.answers import Answer
from collector.config import ConfigError
from collector.relay import BadName, Relay, parse_name

STORED = Answer(200, json.dumps({"accepted": 1, "duplicates": 0, "host": "a", "format": "pslist"}).encode())


class Server:
    """Answers as a test wants; remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[dict[str, str]] = []
        self.aborted = False

    def post(self, path: str, *, token: str, body: bytes, packed: bool) -> Answer:
        self.asked.append(dict(parse_qsl(urlsplit(path).query)))
        return self.answers.pop(0) if self.answers else STORED

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def server() -> Server:
    return Server()


class Drop:
    """A relay on a folder, whose clock a test moves."""

    def __init__(self, directory: Path, server: Server) -> None:
        self.directory = directory
        self.now = 0.0
        self.relay = Relay(
            directory,
            server,  # type: ignore[arg-type]  # as much of it as is used
            token="t",
            about={"os": "windows"},
            clock=lambda: 0.0,
            steady=lambda: self.now,
        )

    def write(self, name: str, content: str = "x", *, modified: float = 1_000_000) -> Path:
        path = self.directory / name
        path.write_text(content)
        os.utime(path, (modified, modified))
        return path

    def look(self, seconds: float = 10) -> tuple[float, str | None]:
        self.now += seconds
        return self.relay.step()

    def names(self, folder: str = "") -> list[str]:
        return sorted(path.name for path in (self.directory / folder).iterdir() if path.is_file())


@pytest.fixture
def drop(tmp_path: Path, server: Server) -> Drop:
    return Drop(tmp_path, server)


@pytest.fixture
def in_seoul(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("name", "host", "when"),
    [
        ("NTBK01_20261122T100000Z.txt", "NTBK01", "2026-11-22T10:00:00Z"),
        ("NTBK01_20261122T1000Z.csv", "NTBK01", "2026-11-22T10:00:00Z"),
        ("a_b_2026-11-22T10-00-09Z.csv", "a_b", "2026-11-22T10:00:09Z"),
        ("a_20261122T190000+0900.txt.gz", "a", "2026-11-22T10:00:00Z"),
        ("a_20261122-1900-0500", "a", "2026-11-23T00:00:00Z"),
        ("web.example.org_20261122T100000Z", "web.example.org", "2026-11-22T10:00:00Z"),
        ("a_20261122_190000.log", "a", "2026-11-22T10:00:00Z"),
        ("BACKUP_01.txt", "BACKUP_01", "1970-01-12T13:46:40Z"),
        ("NTBK01~17.txt", "NTBK01", "1970-01-12T13:46:40Z"),
        ("10.0.0.7.txt", "10.0.0.7", "1970-01-12T13:46:40Z"),
    ],
)
def test_a_name_says_host_and_time(in_seoul: None, name: str, host: str, when: str) -> None:
    assert parse_name(name, modified=1_000_000.9) == (host, when)


@pytest.mark.parametrize(
    "name", ["a_20261322T100000Z.txt", "a_20261122T250000Z.txt", "a_20261122T100000+9900", "_.txt"]
)
def test_a_name_that_can_not_be_is_said(name: str) -> None:
    with pytest.raises(BadName, match=r"NTBK01|its zone"):
        parse_name(name, modified=0)


def test_a_file_is_sent_once_it_has_stopped_growing(drop: Drop, server: Server) -> None:
    drop.write("a_20261122T100000Z.txt", "one")
    drop.look()
    assert server.asked == []
    drop.write("a_20261122T100000Z.txt", "one and two")
    drop.look()
    assert server.asked == []
    drop.look()
    assert server.asked == [{"os": "windows", "host": "a", "time": "2026-11-22T10:00:00Z"}]
    assert drop.names("done") == ["a_20261122T100000Z.txt"]
    assert drop.names() == []


def test_a_bad_file_goes_aside_with_the_reason(drop: Drop, server: Server) -> None:
    server.answers = [Answer(415, json.dumps({"detail": "none of the formats known"}).encode())]
    drop.write("a.txt")
    drop.write("a_20269922T100000Z.txt")
    drop.look(), drop.look()
    assert drop.names("rejected") == [
        "a.txt", "a.txt.reason.txt", "a_20269922T100000Z.txt", "a_20269922T100000Z.txt.reason.txt",
    ]  # fmt: skip
    assert "none of the formats known" in (drop.directory / "rejected" / "a.txt.reason.txt").read_text()


@pytest.mark.parametrize(
    "answer", [Answer(None, b"cannot reach it"), Answer(503), Answer(500), Answer(401), Answer(404)]
)
def test_what_the_server_can_not_take_stays(drop: Drop, server: Server, answer: Answer) -> None:
    server.answers = [answer]
    drop.write("a.txt", modified=1)
    drop.write("b.txt", modified=2)
    drop.look()
    wait_s, failure = drop.look()
    assert failure is not None
    assert wait_s >= 10
    assert drop.names() == ["a.txt", "b.txt"]
    drop.look()
    assert drop.names("done") == ["a.txt", "b.txt"]
    assert [one["host"] for one in server.asked] == ["a", "a", "b"]


def test_nothing_is_covered_in_done(drop: Drop) -> None:
    for content in ("first", "second", "third"):
        drop.write("a~1.txt", content)
        drop.look(), drop.look()
    assert drop.names("done") == ["a~1-2.txt", "a~1-3.txt", "a~1.txt"]
    assert (drop.directory / "done" / "a~1.txt").read_text() == "first"


def test_what_is_written_while_it_is_sent_is_sent_again(drop: Drop, server: Server) -> None:
    path = drop.write("a.txt")
    drop.look()
    post = server.post

    def slow(*arguments: str, **more: object) -> Answer:
        path.write_text("x and more")
        return post(*arguments, **more)  # type: ignore[arg-type]

    server.post = slow  # type: ignore[method-assign]
    drop.look()
    assert drop.names() == ["a.txt"]
    server.post = post  # type: ignore[method-assign]
    drop.look(), drop.look()
    assert (drop.directory / "done" / "a.txt").read_text() == "x and more"


def test_files_that_are_not_meant_are_let_be(drop: Drop, server: Server, tmp_path: Path) -> None:
    for name in (".hidden", "a.tmp", "b.part"):
        drop.write(name)
    secret = tmp_path.parent / "secret"
    secret.write_text("x")
    (drop.directory / "link.txt").symlink_to(secret)
    os.mkfifo(drop.directory / "pipe.txt")
    drop.look(), drop.look()
    assert server.asked == []
    assert not (drop.directory / "done" / "link.txt").exists()


def test_an_empty_file_is_waited_for_and_then_sent(drop: Drop, server: Server) -> None:
    drop.write("a.txt", "")
    for _ in range(5):
        drop.look()
    assert server.asked == []
    drop.look(120)
    assert len(server.asked) == 1


def test_a_file_too_long_is_put_aside_unsent(drop: Drop, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.dumps.MOST_LENGTH", 10)
    drop.write("a.txt", "x" * 11)
    drop.look(), drop.look()
    assert server.asked == []
    assert "in parts" in (drop.directory / "rejected" / "a.txt.reason.txt").read_text()


def test_what_is_kept_is_bounded(drop: Drop, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MOST_KEPT", 3)
    server.answers = [Answer(422)] * 5
    for number in range(5):
        drop.write(f"a~{number}.txt", modified=number)
    drop.look(), drop.look()
    assert drop.names("rejected") == [f"a~{n}.txt{end}" for n in (2, 3, 4) for end in ("", ".reason.txt")]


def test_an_unreadable_file_holds_up_no_other(drop: Drop, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.write("a.txt", modified=1)
    drop.write("b.txt", modified=2)

    def read(path: Path) -> bytes:
        if path.name == "a.txt":
            raise PermissionError(13, "Permission denied")
        return b"x"

    monkeypatch.setattr(relay, "read_file", read)
    drop.look()
    said = drop.relay.run(once=True) if drop.look() and not drop.names("rejected") else None
    assert drop.names() == ["a.txt"]
    assert said == "cannot read a.txt yet: Permission denied"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, server: Server) -> None:
    with pytest.raises(ConfigError, match="drop folder"):
        Drop(tmp_path / "none", server)


def test_stopping_ends_it_at_once(drop: Drop, server: Server) -> None:
    drop.relay.stop()
    assert drop.relay.run() is None
    assert server.aborted
