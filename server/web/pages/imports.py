"""`/import`: a dump file is looked at before it is stored. Between the two the page itself keeps the file, packed, so
that any server process can go on with it and nothing is left behind by those who never store it."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import fields as fields_of
from typing import Annotated, Any

import zstandard
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from server.access.principals import Principal, Right
from server.analysis.readings import MOST_SUM, Process
from server.dumps.reading import FORMATS
from server.ingest.body import MOST_SENT, drop_body
from server.ingest.importing import Understood, fitted, unpack_file
from server.problems import Problem
from server.store import fleet
from server.store.database import Database
from server.web import guard, queries, views, views_import
from server.web.api import imports
from server.web.pages import shell as shells
from server.web.render import render

router = APIRouter(include_in_schema=False)

FIRST = 10
MOST_FORM = 12 * 2**20  # a file of 8 MiB packed and as text, and what stands around it
MOST_FIELDS = 2**20  # of a form that is not in parts: it is unpacked at one stroke, for which all other requests wait
_TOO_LARGE = "The file is over 8 MiB: pack it with gzip, send it in parts, or use handlewatch-collector import."


@router.get("/import")
def import_page(request: Request, principal: Annotated[Principal, Depends(guard.reader)]) -> Response:
    """The form, filled in as the address says."""
    known = {
        one.name: queries.plain(request.query_params.get(one.name), one.name)
        for one in fields_of(views_import.ImportFields)
    }
    return _page(request, principal, fields=views_import.ImportFields(**known))


@router.post("/import")
async def look_or_store(request: Request) -> Response:
    """The file as understood, or as stored; what is wrong is said on the page."""
    form = await _form(request)
    try:
        principal = await guard.require(form.request, Right.OPERATE)
        return await _answer(form, principal)
    finally:
        await form.request.close()


class _Form:
    def __init__(self, request: Request, data: FormData) -> None:
        self.request = request
        self.data = data

    def text(self, name: str) -> str:
        value = self.data.get(name)
        return value if isinstance(value, str) else ""

    async def content(self) -> tuple[str, bytes]:
        """Name and content of the file chosen, else of the one that the page kept. Raises Problem 422, 413."""
        chosen = self.data.get("dump")
        if isinstance(chosen, UploadFile) and (chosen.filename or chosen.size):
            content = await chosen.read(MOST_SENT + 1)
            if len(content) > MOST_SENT:
                raise Problem(413, _TOO_LARGE)
            return chosen.filename or "", content
        try:
            kept = base64.b64decode(self.text("kept"), validate=True)
        except (binascii.Error, ValueError) as error:
            raise queries.bad("dump", "choose the file again") from error
        if not kept:
            raise queries.bad("dump", "choose a file first")
        return self.text("name"), await run_in_threadpool(unpack_file, kept, "zstd")


async def _form(request: Request) -> _Form:
    """The form, bounded. Whoever is not signed in is told so before anything is read."""
    if "authorization" not in request.headers and await guard.person(request) is None:
        await drop_body(request.receive)
        await guard.require(request, Right.OPERATE)
    elif "authorization" in request.headers:
        try:
            await guard.require(request, Right.OPERATE)
        except Problem:
            await drop_body(request.receive)
            raise
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    most = MOST_FORM if kind == "multipart/form-data" else MOST_FIELDS
    bounded = Request(request.scope, _bounded(request.receive, most))
    try:
        data = await bounded.form(max_files=1, max_fields=20, max_part_size=MOST_FORM)
    except ClientDisconnect as error:
        raise Problem(400, "The connection was closed before the form was complete.") from error
    return _Form(bounded, data)


def _bounded(receive: Receive, most: int) -> Receive:
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            await drop_body(receive)
            raise Problem(413, _TOO_LARGE, headers={"Connection": "close"})
        return message

    return bounded


async def _answer(form: _Form, principal: Principal) -> Response:
    request = form.request
    typed = views_import.ImportFields(
        **{one.name: form.text(one.name)[:1024].strip() for one in fields_of(views_import.ImportFields)}
    )
    found: views_import.ImportFound | None = None
    now_us = guard.now_us()
    try:
        name, content = await form.content()
        wanted = imports.said({one.name: getattr(typed, one.name) for one in fields_of(typed)})
        async with request.app.state.importing:
            understood = await run_in_threadpool(imports.read, content, wanted)
            found = await run_in_threadpool(_found, request.app.state.database, understood, name, content)
            if form.text("action") != "store":
                return await run_in_threadpool(_page, request, principal, fields=typed, found=found)
            ready = await run_in_threadpool(
                imports.ready_to_store, request.app.state.database, understood, wanted, now_us
            )
        taken = await imports.store(request, ready)
    except Problem as problem:
        return await run_in_threadpool(_page, request, principal, fields=typed, found=found, problem=problem)
    stored = _stored(understood, sum(one.accepted for one in taken), sum(one.duplicates for one in taken))
    return await run_in_threadpool(_page, request, principal, stored=stored)


def _page(
    request: Request,
    principal: Principal,
    *,
    fields: views_import.ImportFields | None = None,
    found: views_import.ImportFound | None = None,
    stored: views_import.ImportStored | None = None,
    problem: Problem | None = None,
) -> Response:
    database: Database = request.app.state.database
    with database.read() as connection:
        simulated = fleet.has_simulated(connection)
    view = views_import.ImportView(
        shell=shells.shell(request, principal, nav="import", simulated=simulated),
        may_import=principal.may_operate(),
        fields=fields or views_import.ImportFields(),
        formats=tuple(views.Choice(value=name, label=title) for name, title in FORMATS.items()),
        found=found,
        stored=stored,
        error=None if problem is None else _sentence(problem),
        faults=() if problem is None else tuple(fault.path for fault in problem.errors),
    )
    headers: Mapping[str, str] = {} if problem is None else problem.headers
    return HTMLResponse(render(view), 200 if problem is None else problem.status, headers=dict(headers))


def _sentence(problem: Problem) -> str:
    """For people, who see the fields and need no path before each reason."""
    said = "; ".join(fault.detail for fault in problem.errors) or problem.detail.removesuffix(".")
    return f"{said[:1].upper()}{said[1:]}."


def _found(database: Database, understood: Understood, name: str, content: bytes) -> views_import.ImportFound:
    dump, newest, span = understood.dump, understood.newest, imports.span(understood)
    processes = newest.processes if newest else []
    with database.read() as connection:
        row: Any = fleet.find_host(connection, understood.host) if understood.host else None
    known = [one.handles for one in processes if one.handles is not None]
    return views_import.ImportFound(
        title=FORMATS.get(dump.format, dump.format),
        host=understood.host,
        first=span[0] if span else None,
        last=span[1] if span else None,
        moments=len(understood.moments),
        processes=len(processes),
        kept=base64.b64encode(zstandard.compress(content)).decode(),
        name=name[:200],
        size=len(content),
        handles=min(sum(known), MOST_SUM) if known else None,
        rows=tuple(_row(fitted(one)) for one in sorted(processes, key=_weight, reverse=True)[:FIRST]),
        partial=dump.partial,
        notes=tuple(dump.notes),
        known=row is not None,
        last_seen_at=None if row is None else shells.moment(row.shown_us),
    )


def _weight(process: Process) -> int:
    return process.handles if process.handles is not None else sum(one.count for one in process.objects or ())


def _row(process: Process) -> views_import.ImportRow:
    types = sorted(process.types.items(), key=lambda item: -item[1])
    return views_import.ImportRow(
        program=f"{process.name}[{process.instance}]" if process.instance else process.name,
        pid=process.pid,
        handles=process.handles,
        types=tuple(views.TypeCount(type=kind, count=count) for kind, count in types) if types else None,
        objects=None
        if process.objects is None
        else tuple(
            views.ObjectCount(
                type=one.type, name=one.name, count=one.count, distinct=one.distinct, estimated=one.estimated
            )
            for one in process.objects
        ),
    )


def _stored(understood: Understood, accepted: int, duplicates: int) -> views_import.ImportStored:
    times = [moment.time for moment in understood.moments if moment.time is not None]
    newest = understood.newest
    looked = [one for one in (newest.processes if newest else ()) if one.types or one.objects]
    looked.sort(key=_weight, reverse=True)
    return views_import.ImportStored(
        host=understood.host or "",
        accepted=accepted,
        duplicates=duplicates,
        first=times[0],
        last=times[-1],
        partial=understood.dump.partial,
        looked_at=tuple(dict.fromkeys(_row(one).program for one in looked[:3])),
    )
