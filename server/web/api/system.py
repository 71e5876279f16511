"""REST: enrolment, status, health, metrics, downloads and the API's own description."""

import sqlite3
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import generate_latest
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from server import __version__
from server.access.enrolment import enroll
from server.access.principals import Principal
from server.downloads import COLLECTOR_WINDOWS
from server.ingest.wire import refusal
from server.problems import Problem
from server.store import fleet, judgements
from server.store import schema as store_schema
from server.store.database import Database
from server.web import guard
from server.web.answers import json_answer
from server.web.api import schema
from server.web.api.described import answers, describe

router = APIRouter()


@router.post(
    "/api/v1/enroll",
    tags=["collectors"],
    responses=answers(schema.EnrollAnswer)
    | {409: {"description": "The host has a live token; an admin must allow it anew"}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/EnrollRequest"}}},
        }
    },
)
async def enroll_host(request: Request, principal: Annotated[Principal, Depends(guard.bearer)]) -> Response:
    """Give a host a token of its own, against a token of scope enroll."""
    body = await request.body()
    try:
        wanted = msgspec.json.decode(body, type=schema.EnrollRequest)
    except msgspec.ValidationError as error:
        raise refusal(error, body) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"The body is not JSON: {error}.") from error
    token = await run_in_threadpool(_enroll, request.app.state.database, principal, wanted.host)
    return json_answer(schema.EnrollAnswer(wanted.host, token))


def _enroll(database: Database, principal: Principal, host: str) -> str:
    with database.write() as connection:
        return enroll(connection, principal, host, guard.now_us())


@router.get(
    "/api/v1/status", tags=["system"], responses=answers(schema.StatusBody), dependencies=[Depends(guard.reader)]
)
def status(request: Request) -> Response:
    """What the server is at."""
    database: Database = request.app.state.database
    with database.read() as connection:
        counts = fleet.fleet_counts(connection, guard.now_us())
        pending = judgements.count_unjudged(connection)
    return json_answer(schema.StatusBody(pending, counts.hosts, counts.reporting, __version__, database.dialect))


@router.get("/healthz", tags=["system"])
async def alive() -> Response:
    """The process answers."""
    return JSONResponse({"status": "alive"})


@router.get("/readyz", tags=["system"])
def ready(request: Request) -> Response:
    """The database answers and has the schema that this version needs."""
    database: Database = request.app.state.database
    try:
        with database.read() as connection:
            current = store_schema.is_current(connection)
    except (SQLAlchemyError, sqlite3.Error):
        return JSONResponse({"status": "the database does not answer"}, 503)
    if not current:
        return JSONResponse({"status": "the schema is not that of this version: run handlewatch db upgrade"}, 503)
    return JSONResponse({"status": "ready"})


@router.get("/metrics", tags=["system"], dependencies=[Depends(guard.reader)], response_class=Response)
def metrics(request: Request) -> Response:
    """Of the server itself, as Prometheus text."""
    return Response(
        generate_latest(request.app.state.metrics.registry), media_type="text/plain; version=0.0.4; charset=utf-8"
    )


@router.get("/openapi.json", include_in_schema=False, dependencies=[Depends(guard.reader)])
def openapi(request: Request) -> Response:
    return JSONResponse(describe(request.app))


@router.get("/downloads/{name}", tags=["collectors"], response_class=Response)
def download(request: Request, name: str) -> Response:
    """The collector: as one file, with a Python of its own for Windows where that was built; `.sha256` beside each."""
    found = request.app.state.downloads.get(name.removesuffix(".sha256"))
    if found is None:
        if name.removesuffix(".sha256") == COLLECTOR_WINDOWS:
            raise Problem(404, "The Windows bundle is not here: run `handlewatch downloads build`, then restart.")
        there = ", ".join(sorted(request.app.state.downloads)) or "nothing yet"
        raise Problem(404, f"There is no {name} to download here. What there is: {there}.")
    if name.endswith(".sha256"):
        return Response(found.checksum_line, media_type="text/plain; charset=utf-8")
    return Response(
        found.content,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{found.name}"', "Cache-Control": "no-cache"},
    )
