"""`POST /api/v1/snapshots`: one read of the body, one decode, one queue; outside FastAPI's request handling, which
costs about as much as all of that, but described in OpenAPI like any other route."""

import asyncio

from prometheus_client import Counter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from server.access.principals import Right
from server.ingest.body import drop_body, read_body, unpack_body, unpack_within
from server.ingest.prepare import prepare
from server.ingest.wire import Advice, PushAnswer, decode_push
from server.ingest.writer import Writer
from server.problems import Problem
from server.store.pushes import NewPush
from server.web import guard
from server.web.answers import json_answer

SMALL = 64 * 2**10  # bodies up to this are tried on the event loop: a thread would cost more
SMALL_UNPACKED = 2**20  # unless they are more than this unpacked


class Push:
    """The route as an ASGI application."""

    def __init__(self, writer: Writer, snapshots: Counter, refusals: Counter) -> None:
        self._writer = writer
        self._snapshots = snapshots
        self._refusals = refusals
        self._large = asyncio.Semaphore(2)  # of those at a time, so that memory stays bounded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        received_us = guard.now_us()
        try:
            principal = await guard.bearer(request)
            if not principal.may(Right.PUSH_ANY) and not principal.may(Right.PUSH_OWN):
                raise Problem(
                    403, f"a token of scope {principal.scope} may not send snapshots; use one of scope host or relay"
                )
        except Problem as problem:
            await drop_body(receive)
            self._refusals.labels(status=str(problem.status)).inc()
            raise
        try:
            body = await read_body(receive)
            encoding = request.headers.get("content-encoding", "")
            small = unpack_within(body, encoding, SMALL_UNPACKED) if len(body) <= SMALL else None
            if small is not None:
                push = prepare(decode_push(small), received_us)
            else:
                async with self._large:
                    push = await run_in_threadpool(_read, body, encoding, received_us)
            if not principal.may_push_for(push.host_key):
                raise Problem(
                    403, f"this token may not send snapshots of {push.host!r}; it is of scope {principal.scope}"
                )
            taken = await asyncio.wrap_future(self._writer.submit(push))
        except Problem as problem:
            self._refusals.labels(status=str(problem.status)).inc()
            raise
        self._snapshots.labels(outcome="accepted").inc(taken.accepted)
        self._snapshots.labels(outcome="duplicate").inc(taken.duplicates)
        answer = PushAnswer(taken.accepted, taken.duplicates, taken.skew_s, Advice(list(taken.advice)))
        await json_answer(answer)(scope, receive, send)


def _read(body: bytes, encoding: str, received_us: int) -> NewPush:
    return prepare(decode_push(unpack_body(body, encoding)), received_us)
