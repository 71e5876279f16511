"""REST: the catalogue of signatures and the machines that show one."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from server.analysis.catalogue import Signature
from server.analysis.signatures import LEVELS, Match
from server.problems import Problem
from server.store import showing
from server.store.database import Database
from server.web import guard, queries
from server.web.answers import csv_answer, json_answer, wants_csv
from server.web.api import bodies, schema
from server.web.api.described import answers

router = APIRouter(prefix="/api/v1/signatures", tags=["signatures"], dependencies=[Depends(guard.reader)])

Text = Annotated[str | None, Query()]


@router.get("", responses=answers(schema.SignatureList))
def list_signatures(request: Request) -> Response:
    """The catalogue, with the hosts at each level."""
    catalogue: Mapping[str, Signature] = request.app.state.catalogue
    database: Database = request.app.state.database
    with database.read() as connection:
        counts = showing.level_counts(connection)
    items = [signature_body(one, counts.get(one.id, {})) for one in catalogue.values()]
    return json_answer(schema.SignatureList(items, None))


@router.get("/{signature_id}", responses=answers(schema.SignatureBody, missing=True))
def one_signature(request: Request, signature_id: str) -> Response:
    """One signature: what it looks like, its cause, its resolution."""
    signature = require_signature(request, signature_id)
    database: Database = request.app.state.database
    with database.read() as connection:
        counts = showing.level_counts(connection)
    return json_answer(signature_body(signature, counts.get(signature.id, {})))


@router.get("/{signature_id}/hosts", responses=answers(schema.MatchList, csv=True, missing=True))
def hosts_showing(
    request: Request,
    signature_id: str,
    level: Text = None,
    sort: Annotated[str | None, Query(description=f"one of {', '.join(showing.SHOWING_SORTS)}")] = None,
    limit: Text = None,
    cursor: Text = None,
) -> Response:
    """The machines that show a signature, the worst first. Also as CSV."""
    require_signature(request, signature_id)
    page = showing_page(request, signature_id, level=level, sort=sort, limit=queries.limit(limit), cursor=cursor)
    items = [bodies.match_body(msgspec.convert(row.detail, Match), row) for row in page.rows]
    if wants_csv(request):
        cells = [_cells(item) for item in items]
        return csv_answer(_COLUMNS, cells, name=f"{signature_id}-hosts", next_cursor=page.next)
    return json_answer(schema.MatchList(items, page.next, page.total))


def require_signature(request: Request, signature_id: str) -> Signature:
    """Raises Problem 404."""
    signature: Signature | None = request.app.state.catalogue.get(signature_id)
    if signature is None:
        raise Problem(404, f"There is no signature {signature_id!r}.")
    return signature


def showing_page(
    request: Request, signature_id: str, *, level: str | None, sort: str | None, limit: int, cursor: str | None
) -> showing.ShowingPage:
    if level and level not in LEVELS:
        raise queries.bad("level", f"must be one of {', '.join(LEVELS)}")
    database: Database = request.app.state.database
    with database.read() as connection:
        return showing.list_showing(
            connection,
            signature_id,
            level=level or "",
            sort=queries.order(sort, showing.SHOWING_SORTS, "-level"),
            limit=limit,
            cursor=cursor,
        )


def literal(pattern: str | None) -> str | None:
    """An object-name pattern as people write the name, where it is one name spelt as a pattern."""
    if pattern is None:
        return None
    name = pattern.removeprefix("(?i)").removeprefix("^").removesuffix("$")
    return name.replace("\\\\", "\\") if re.escape(name.replace("\\\\", "\\")) == name else pattern


def signature_body(signature: Signature, counts: Mapping[str, int]) -> schema.SignatureBody:
    said = signature.said
    return schema.SignatureBody(
        id=said.id,
        title=said.title,
        references=[schema.ReferenceBody(one.id, one.title, one.url, _text(one.date)) for one in said.references],
        type=said.match.type,
        object=literal(said.match.object),
        least_count=said.match.least_count,
        programs=list(signature.hints),
        cause=said.cause,
        resolution=said.resolution,
        hosts={level: counts.get(level, 0) for level in LEVELS},
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


_COLUMNS = (
    "host",
    "os_name",
    "os_version",
    "service_pack",
    "applies_to",
    "level",
    "program",
    "pid",
    "handles",
    "distinct",
    "estimated",
    "rate_per_hour",
    "first_seen_at",
    "last_seen_at",
    "peak",
    "software",
    "vendor",
    "version",
    "changed",
)


def _cells(item: schema.MatchBody) -> list[object]:
    software = item.software
    return [
        item.host,
        item.os.name,
        item.os.version,
        item.os.service_pack,
        item.applies_to,
        item.level,
        item.program,
        item.pid,
        item.handles,
        item.distinct,
        item.estimated,
        item.rate_per_hour,
        item.first_seen_at,
        item.last_seen_at,
        item.peak,
        software.name if software else None,
        software.vendor if software else None,
        software.version if software else None,
        item.changed,
    ]
