"""REST: `POST /api/v1/import`, a dump file from a machine that can run no collector; the page stores it alike."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from server.access.principals import Principal, Right
from server.analysis.instants import from_us, rfc3339, to_us
from server.dumps.reading import FORMATS, read_dump
from server.ingest.body import drop_body, read_body
from server.ingest.importing import FAMILIES, Said, Understood, pushes, understand, unpack_file
from server.ingest.joining import joined
from server.ingest.wire import Advice
from server.ingest.writer import Writer
from server.problems import Problem
from server.store.database import Database
from server.store.pushes import NewPush, Taken
from server.web import guard, queries
from server.web.answers import json_answer
from server.web.api import schema
from server.web.api.described import answers, problem

router = APIRouter()

Text = Annotated[str | None, Query()]

_BODY: Mapping[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The dump file as it is; it may be packed (Content-Encoding gzip or zstd).",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "text/plain": {"schema": {"type": "string"}},
        },
    }
}
AT_A_TIME = 2  # files read, so that memory stays bounded: the worst take a gigabyte and 15 s
MOST_WAITING = 20  # of up to 8 MiB each; more are told to come back


class Turns:
    """Lets so many files be read at a time. Raises Problem 503 where too many wait already."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_A_TIME)
        self._waiting = 0

    async def __aenter__(self) -> None:
        if self._waiting >= MOST_WAITING:
            raise Problem(503, "Many files wait to be read; send it again later.", headers={"Retry-After": "30"})
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._free.release()


@router.post(
    "/api/v1/import",
    tags=["collectors"],
    responses=answers(schema.ImportAnswer)
    | {
        400: problem("It does not unpack, or broke off"),
        413: problem("Over 8 MiB as sent or 64 MiB unpacked"),
        415: problem("No format that is known"),
        503: problem("The server can't keep up; Retry-After says when to send again"),
    },
    openapi_extra=dict(_BODY),
)
async def import_dump(
    request: Request,
    format: Annotated[str | None, Query(description=f"one of {', '.join(FORMATS)}; found from the content")] = None,
    host: Annotated[str | None, Query(description="the machine's name, instead of the one in the file")] = None,
    time: Annotated[str | None, Query(description="RFC 3339 with its zone, used where the file has no time")] = None,
    os: Annotated[str | None, Query(description=f"one of {', '.join(FAMILIES)}")] = None,
    os_name: Text = None,
    os_version: Text = None,
    service_pack: Text = None,
) -> Response:
    """Store what a dump file says. Durable when answered, and idempotent on (host, time). Needs a token of scope relay
    or admin, or a signed-in operator with the header X-CSRF-Token."""
    refusals = request.app.state.metrics.refusals
    try:
        try:
            await _require_right(request)
        except Problem:
            await drop_body(request.receive)
            raise
        body = await read_body(request.receive)
        received_us = guard.now_us()
        wanted = said(
            {
                "format": format,
                "host": host,
                "time": time,
                "os": os,
                "os_name": os_name,
                "os_version": os_version,
                "service_pack": service_pack,
            }
        )
        encoding = request.headers.get("content-encoding", "")
        async with request.app.state.importing:
            found, ready = await run_in_threadpool(
                _read, request.app.state.database, body, encoding, wanted, received_us
            )
        taken = await store(request, ready)
    except Problem as refused:
        refusals.labels(status=str(refused.status)).inc()
        raise
    return json_answer(_answer(found, taken))


async def _require_right(request: Request) -> Principal:
    if "authorization" not in request.headers:
        if "x-csrf-token" not in request.headers and await guard.person(request) is not None:
            raise Problem(403, "the header X-CSRF-Token is missing; send it, or use a token of scope relay")
        return await guard.require(request, Right.OPERATE)
    principal = await guard.bearer(request)
    if not principal.may(Right.PUSH_ANY):
        raise Problem(
            403, f"a token of scope {principal.scope} may not import dump files; use one of scope relay or admin"
        )
    return principal


def said(fields: Mapping[str, str | None]) -> Said:
    """What query parameters or a form's fields say beside the file. Problem 422 names what can't be understood."""
    given = {
        name: queries.plain(fields.get(name), name).strip() or None
        for name in ("format", "host", "os", "os_name", "os_version", "service_pack")
    }
    form, family = given["format"], given["os"]
    if form is not None and form not in FORMATS:
        raise queries.bad("format", f"must be one of {', '.join(FORMATS)}; left out, it is found from the content")
    if family is not None and family.lower() not in FAMILIES:
        raise queries.bad("os", f"must be one of {', '.join(FAMILIES)}")
    time_us = queries.moment((fields.get("time") or "").strip(), "time")
    return Said(
        format=form,
        host=given["host"],
        time=None if time_us is None else from_us(time_us),
        os_family=None if family is None else family.lower(),
        os_name=given["os_name"],
        os_version=given["os_version"],
        service_pack=given["service_pack"],
    )


def read(content: bytes, wanted: Said) -> Understood:
    return understand(content, wanted, read=lambda data, form: read_dump(data, format=form))


def _read(
    database: Database, body: bytes, encoding: str, wanted: Said, received_us: int
) -> tuple[Understood, list[NewPush]]:
    found = read(unpack_file(body, encoding), wanted)
    return found, ready_to_store(database, found, wanted, received_us)


def ready_to_store(database: Database, found: Understood, wanted: Said, received_us: int) -> list[NewPush]:
    """The file as pushes, its processes told as those that the host's history knows. Problem 422 as of `pushes`."""
    with database.read() as connection:
        known = joined(connection, found)
    return pushes(known, wanted, received_us=received_us)


async def store(request: Request, ready: Sequence[NewPush]) -> list[Taken]:
    """Hand them to the writer, one after the other; durable when this returns."""
    writer: Writer = request.app.state.writer
    taken = [await asyncio.wrap_future(writer.submit(push)) for push in ready]
    snapshots = request.app.state.metrics.snapshots
    snapshots.labels(outcome="accepted").inc(sum(one.accepted for one in taken))
    snapshots.labels(outcome="duplicate").inc(sum(one.duplicates for one in taken))
    return taken


def span(found: Understood) -> tuple[datetime, datetime] | None:
    """From the oldest to the newest moment; None where a time is missing."""
    times = [moment.time for moment in found.moments]
    known = [time for time in times if time is not None]
    return (known[0], known[-1]) if known and len(known) == len(times) else None


def _answer(found: Understood, taken: Sequence[Taken]) -> schema.ImportAnswer:
    first, last = span(found) or (None, None)
    newest = found.newest
    return schema.ImportAnswer(
        accepted=sum(one.accepted for one in taken),
        duplicates=sum(one.duplicates for one in taken),
        skew_s=0.0,
        advice=Advice(sorted({program for one in taken for program in one.advice})),
        format=found.dump.format,
        host=found.host or "",
        moments=len(found.moments),
        from_time=rfc3339(to_us(first)) if first else "",
        to_time=rfc3339(to_us(last)) if last else "",
        processes=len(newest.processes) if newest else 0,
        partial=found.dump.partial,
        notes=list(found.dump.notes),
    )
