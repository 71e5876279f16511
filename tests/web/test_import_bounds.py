"""How much of a file, a form and a queue of files is taken; whoever may not import has nothing of theirs read."""

import asyncio
import gzip
import time
from collections.abc import Iterator, MutableMapping
from typing import Any
from urllib.parse import quote

import pytest

from server.access.principals import Role
from server.dumps.dump import Damaged
from server.dumps.reading import read_dump
from server.dumps.text import LONGEST_LINE
from server.problems import Problem
from server.web.api.imports import AT_A_TIME, MOST_WAITING, Turns
from server.web.pages.imports import MOST_FIELDS
from tests.serving import Served
from tests.web.test_pages import signed_in

FORM = "multipart/form-data; boundary=x"


def test_files_beyond_those_that_may_wait_are_told_to_come_back() -> None:
    async def crowd() -> list[object]:
        turns, done = Turns(), asyncio.Event()

        async def one() -> None:
            async with turns:
                await done.wait()

        waiting = [asyncio.create_task(one()) for _ in range(AT_A_TIME + MOST_WAITING)]
        await asyncio.sleep(0)
        late = asyncio.create_task(one())
        await asyncio.sleep(0)
        refused = late.done() and late.exception()
        done.set()
        await asyncio.gather(*waiting)
        async with turns:
            return [refused]

    (refused,) = asyncio.run(crowd())
    assert isinstance(refused, Problem)
    assert (refused.status, refused.headers["Retry-After"]) == (503, "30")


def test_a_bomb_is_refused_as_a_file_that_is_too_large(served: Served) -> None:
    packed = gzip.compress(b"\0" * (65 * 2**20))
    for headers in ({}, {"Content-Encoding": "gzip"}):
        answer = served.relay.post("/api/v1/import?host=a", content=packed, headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (413, "The file is over 64 MiB: send it in parts.")


def test_a_long_form_that_is_not_in_parts_is_refused_before_it_is_unpacked(served: Served) -> None:
    alice = signed_in(served, "Alice", Role.OPERATOR)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = alice.post("/import", content="kept=" + quote("%") * (MOST_FIELDS // 3), headers=headers)
    assert answer.status_code == 413


def test_nothing_is_read_into_a_form_of_a_token_that_may_not_import(served: Served) -> None:
    broken = b"--x\r\n" + b"X: y\r\n" * 100  # were it read, it would be a 400
    for program, status in ((served.relay, 403), (served.reader, 403), (served.program("hw_nobody"), 401)):
        assert program.post("/import", content=broken, headers={"Content-Type": FORM}).status_code == status
    assert served.admin.post("/import", content=broken, headers={"Content-Type": FORM}).status_code == 400


@pytest.mark.parametrize(
    "content",
    [
        b'"(PDH-CSV 4.0) (UTC)(0)"' + b"," * (LONGEST_LINE + 1),
        b"System pid: 2\n  4: Event   " + b"x" * LONGEST_LINE,
        b"p1\0fcwd\0" + b"f1\0" * (LONGEST_LINE // 3),
    ],
)
def test_a_line_that_no_tool_writes_is_damaged_and_quickly_so(content: bytes) -> None:
    started = time.process_time()
    with pytest.raises(Damaged, match="lines of at most"):
        read_dump(content)
    assert time.process_time() - started < 2


def test_a_browser_that_goes_away_while_it_sends_a_file_is_no_failure(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    alice = signed_in(served, "Alice", Role.OPERATOR)
    cookies = "; ".join(f"{name}={value}" for name, value in alice.cookies.items())
    scope = {
        "type": "http", "method": "POST", "path": "/import", "raw_path": b"/import", "query_string": b"",
        "scheme": "http", "http_version": "1.1", "server": ("handles.test", 80), "client": ("192.0.2.1", 4),
        "headers": [(b"host", b"handles.test"), (b"content-type", FORM.encode()), (b"cookie", cookies.encode())],
    }  # fmt: skip
    start = {"type": "http.request", "body": b"--x\r\n", "more_body": True}
    arriving: Iterator[dict[str, object]] = iter([start, {"type": "http.disconnect"}])
    said: list[int] = []

    async def receive() -> dict[str, object]:
        return next(arriving)

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message.get("status", 0))

    asyncio.run(served.app(scope, receive, send))
    assert said[0] == 400
    assert "failed" not in caplog.text
