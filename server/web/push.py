"""`POST /api/v1/snapshots`: one read of the body, one decode, one queue; outside FastAPI's request handling and the
middleware of pages, which cost about as much as all of that, but described in OpenAPI like any other route."""

import asyncio
from collections.abc import Mapping

import msgspec
from prometheus_client import Counter
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from server.access.authentication import Authenticator
from server.access.principals import Principal, Right
from server.ingest.body import MOST_UNPACKED, drop_body, read_body, too_long, unpack_body, unpack_within
from server.ingest.packed import MEDIA_TYPE, Known, TooLarge, decode_packed
from server.ingest.prepare import prepare
from server.ingest.wire import Advice, PushAnswer, decode_push
from server.ingest.writer import Writer
from server.problems import Problem
from server.store.pushes import NewPush, Taken
from server.web import guard
from server.web.answers import problem_answer
from server.web.errors import Failures
from server.web.security import SecurityHeaders, came_by_https, headers_of_answers

PATH = "/api/v1/snapshots"
SMALL = 64 * 2**10  # bodies up to this are tried on the event loop: a thread would cost more
SMALL_UNPACKED = 2**20  # unless they are more than this unpacked
_OURS = "application/vnd.handlewatch."

Headers = Mapping[bytes, bytes]


class Push:
    """The route as an ASGI application, with all that answers carry."""

    def __init__(
        self, writer: Writer, authenticator: Authenticator, snapshots: Counter, refusals: Counter, *, public_url: str
    ) -> None:
        self._writer = writer
        self._authenticator = authenticator
        self._accepted = snapshots.labels(outcome="accepted")
        self._duplicates = snapshots.labels(outcome="duplicate")
        self._refusals = refusals
        self._public_url = public_url
        own = [(b"content-type", b"application/json"), (b"accept-post", f"application/json, {MEDIA_TYPE}".encode())]
        self._headers = {https: [*own, *headers_of_answers(PATH, https=https)] for https in (False, True)}
        self._large = asyncio.Semaphore(2)  # of those at a time, so that memory stays bounded
        self._known = Known()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            taken = await self._take(scope, receive)
        except Problem as problem:
            self._refusals.labels(status=str(problem.status)).inc()
            await SecurityHeaders(problem_answer(problem), public_url=self._public_url)(scope, receive, send)
            return
        except Exception as error:  # noqa: BLE001 - the outermost loop of a request; Failures logs it
            await SecurityHeaders(Failures(_failing(error)), public_url=self._public_url)(scope, receive, send)
            return
        self._accepted.inc(taken.accepted)
        if taken.duplicates:
            self._duplicates.inc(taken.duplicates)
        answer = PushAnswer(taken.accepted, taken.duplicates, taken.skew_s, Advice(list(taken.advice)))
        body = msgspec.json.encode(answer)
        headers = self._headers[came_by_https(scope, self._public_url)]
        headers = [(b"content-length", b"%d" % len(body)), *headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _take(self, scope: Scope, receive: Receive) -> Taken:
        headers: Headers = dict(reversed(scope["headers"]))  # of several of a name the first
        received_us = guard.now_us()
        try:
            principal = await self._principal(headers, received_us)
        except Problem:
            await drop_body(receive)
            raise
        push = await self._read(headers, await read_body(receive), received_us)
        if not principal.may_push_for(push.host_key):
            raise Problem(403, f"this token may not send snapshots of {push.host!r}; it is of scope {principal.scope}")
        return await self._writer.take(push)

    async def _principal(self, headers: Headers, now_us: int) -> Principal:
        header = headers.get(b"authorization", b"").decode("latin-1")
        principal = self._authenticator.remembered(header, now_us)
        if principal is None:
            principal = await run_in_threadpool(self._authenticator.of_bearer, header, now_us)
        if not principal.may(Right.PUSH_ANY) and not principal.may(Right.PUSH_OWN):
            raise Problem(
                403, f"a token of scope {principal.scope} may not send snapshots; use one of scope host or relay"
            )
        return principal

    async def _read(self, headers: Headers, body: bytes, received_us: int) -> NewPush:
        encoding = headers.get(b"content-encoding", b"").decode("latin-1")
        kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        if kind.startswith(_OURS) and kind != MEDIA_TYPE:
            raise Problem(415, f"{kind} is not taken here; send application/json or {MEDIA_TYPE}.")
        if len(body) <= SMALL:
            small = unpack_within(body, encoding, SMALL_UNPACKED)
            if small is not None:
                try:
                    return self._understood(small, kind, received_us, SMALL_UNPACKED)
                except TooLarge:
                    pass
        async with self._large:
            return await run_in_threadpool(self._understood_large, body, encoding, kind, received_us)

    def _understood(self, body: bytes, kind: str, received_us: int, most: int) -> NewPush:
        push = decode_packed(body, self._known, most) if kind == MEDIA_TYPE else decode_push(body)
        return prepare(push, received_us)

    def _understood_large(self, body: bytes, encoding: str, kind: str, received_us: int) -> NewPush:
        try:
            return self._understood(unpack_body(body, encoding), kind, received_us, MOST_UNPACKED)
        except TooLarge as error:
            raise too_long(64, "unpacked") from error


def _failing(error: Exception) -> ASGIApp:
    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    return fail
