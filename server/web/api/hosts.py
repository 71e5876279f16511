"""REST: the hosts, one host, its processes and its series."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from server.access.principals import Principal
from server.analysis.catalogue import Signature
from server.analysis.instants import DAY, maybe_rfc3339, rfc3339
from server.analysis.names import folds_case
from server.analysis.series import By
from server.analysis.series import Query as SeriesQuery
from server.problems import Problem
from server.store import accounts, fleet, history, judgements
from server.store.database import Database
from server.store.leak_signatures import types_of
from server.store.leaks import LeakFilter, list_leaks
from server.web import guard, queries
from server.web.answers import csv_answer, json_answer, wants_csv
from server.web.api import bodies, leak_bodies, schema
from server.web.api.described import answers
from server.web.limits import segment

router = APIRouter(prefix="/api/v1/hosts", tags=["hosts"])

Text = Annotated[str | None, Query()]


@router.get("", responses=answers(schema.HostList, csv=True), dependencies=[Depends(guard.reader)])
def list_hosts(
    request: Request,
    search: Text = None,
    os: Text = None,
    label: Annotated[list[str] | None, Query(description="`key:value`; may be given several times")] = None,
    signature: Text = None,
    leaking: Text = None,
    reporting: Text = None,
    sort: Annotated[
        str | None, Query(description=f"one of {', '.join(fleet.HOST_SORTS)}; `-` before it descends")
    ] = None,
    limit: Text = None,
    cursor: Text = None,
) -> Response:
    """The hosts, by name unless another order is asked for. Also as CSV."""
    wanted = fleet.HostFilter(
        search=queries.plain(search, "search"),
        os=queries.plain(os, "os"),
        labels=queries.labels(label or []),
        signature=queries.plain(signature, "signature"),
        leaking=queries.flag(leaking, "leaking"),
        reporting=queries.flag(reporting, "reporting"),
    )
    now = guard.now_us()
    database: Database = request.app.state.database
    with database.read() as connection:
        page = fleet.list_hosts(
            connection,
            wanted,
            sort=queries.order((sort or "").replace("last_seen_at", "last_seen"), fleet.HOST_SORTS, "name"),
            limit=queries.limit(limit),
            cursor=cursor,
            now_us=now,
        )
    items = [bodies.host_body(row, page.signatures.get(row.host_id, []), now) for row in page.rows]
    if wants_csv(request):
        return csv_answer(_HOST_COLUMNS, [_host_cells(item) for item in items], name="hosts", next_cursor=page.next)
    return json_answer(schema.HostList(items, page.next, page.total))


_HOST_COLUMNS = (
    "name",
    "os_family",
    "os_name",
    "os_version",
    "service_pack",
    "last_seen_at",
    "reporting",
    "handles",
    "processes",
    "denied",
    "worst_program",
    "worst_handles",
    "leaks",
    "signatures",
    "labels",
)


def _host_cells(item: schema.HostBody) -> list[object]:
    return [
        item.name,
        item.os.family,
        item.os.name,
        item.os.version,
        item.os.service_pack,
        item.last_seen_at,
        item.reporting,
        item.handles,
        item.processes,
        item.coverage.denied,
        item.worst_program,
        item.worst_handles,
        item.leaks,
        " ".join(f"{one.id}={one.level}" for one in item.signatures),
        " ".join(f"{key}={value}" for key, value in item.labels.items()),
    ]


def require_host(connection: Connection, name: str) -> Any:
    """The host's row. Raises Problem 404."""
    row = fleet.find_host(connection, segment(name))
    if row is None:
        raise Problem(404, f"There is no host {segment(name)!r}.")
    return row


@router.get("/{host}", responses=answers(schema.HostDetail, missing=True), dependencies=[Depends(guard.reader)])
def one_host(request: Request, host: str) -> Response:
    """One host, with its software, worst programs, open leaks and signatures."""
    return json_answer(host_detail(request.app.state.database, request.app.state.catalogue, host, guard.now_us()))


def host_detail(database: Database, catalogue: Mapping[str, Signature], host: str, now_us: int) -> schema.HostDetail:
    with database.read() as connection:
        row = require_host(connection, host)
        signatures = fleet.signatures_of(connection, [row.host_id]).get(row.host_id, [])
        inventory = judgements.inventory_of(connection, row.host_id)
        leaking = list_leaks(
            connection,
            LeakFilter(host_id=row.host_id, types=types_of(catalogue)),
            sort="-rate",
            limit=queries.MOST_ITEMS,
            cursor=None,
            now_us=now_us,
        )
        found = judgements.matches_of(connection, row.host_id)
        newest = None if row.shown_us is None else history.frame_at(connection, row.host_id, row.shown_us)
    body = bodies.host_body(row, signatures, now_us)
    processes = bodies.process_bodies(newest) if newest else []
    return schema.HostDetail(
        **{name: getattr(body, name) for name in body.__struct_fields__ if name != "leaks"},
        leaks=leak_bodies.leak_bodies(leaking),
        booted_at=maybe_rfc3339(row.booted_us),
        skew_s=row.skew_s,
        machine=bodies.machine_of(row),
        software=[bodies.item_body(item) for item in inventory["software"]],
        services=[bodies.item_body(item) for item in inventory["services"]],
        drivers=[bodies.item_body(item) for item in inventory["drivers"]],
        inventory_at=maybe_rfc3339(row.inventory_us),
        programs=bodies.program_bodies(processes, fold=folds_case(row.os_family), most=20),
        matches=[
            schema.SignatureMatch(
                id=signature_id,
                title=catalogue[signature_id].said.title if signature_id in catalogue else signature_id,
                match=bodies.match_body(match, row),
            )
            for signature_id, match in found.items()
        ],
    )


@router.delete("/{host}", status_code=204, responses=answers(None, missing=True))
def forget_host(request: Request, host: str, principal: Annotated[Principal, Depends(guard.operator)]) -> Response:
    """Forget a decommissioned host: its history, its facts, its tokens."""
    del principal
    database: Database = request.app.state.database
    with database.write() as connection:
        row = require_host(connection, host)
        fleet.forget_host(connection, row.host_id)
        accounts.revoke_host_tokens(connection, row.name_key, guard.now_us())
    request.app.state.writer.forget_host(row.name_key)
    request.app.state.authenticator.forget()
    return Response(status_code=204)


@router.get(
    "/{host}/processes",
    responses=answers(schema.ProcessList, csv=True, missing=True),
    dependencies=[Depends(guard.reader)],
)
def processes(request: Request, host: str, at: Text = None) -> Response:
    """The processes at or before a time, the newest if none is given. Also as CSV."""
    asked = queries.moment(at, "at")
    database: Database = request.app.state.database
    with database.read() as connection:
        row = require_host(connection, host)
        moment = row.shown_us if asked is None else asked
        frame = None if moment is None else history.frame_at(connection, row.host_id, moment)
    found = bodies.process_bodies(frame) if frame else []
    time = rfc3339(int(frame.shown[0])) if frame else None
    if wants_csv(request):
        cells = [
            [time, one.pid, one.started_at, one.program, one.user, one.handles, one.limit, _types(one)] for one in found
        ]
        columns = ("time", "pid", "started_at", "program", "user", "handles", "limit", "types")
        return csv_answer(columns, cells, name="processes", next_cursor=None)
    return json_answer(schema.ProcessList(time, found))


def _types(process: schema.ProcessBody) -> str:
    return " ".join(f"{kind}={count}" for kind, count in (process.types or {}).items())


@router.get(
    "/{host}/series", responses=answers(schema.SeriesList, csv=True, missing=True), dependencies=[Depends(guard.reader)]
)
def series(
    request: Request,
    host: str,
    from_time: Annotated[str | None, Query(alias="from", description="RFC 3339; a day before `to` if left out")] = None,
    to_time: Annotated[str | None, Query(alias="to", description="RFC 3339; the newest snapshot if left out")] = None,
    by: Text = None,
    program: Text = None,
    type: Text = None,
    top: Text = None,
    points: Text = None,
) -> Response:
    """The history of handles, in total or split. Every snapshot where there are no more than `points`, else thinned
    without losing the extremes. Also as CSV."""
    kind: By = "total"
    if by:
        if by not in get_args(By):
            raise queries.bad("by", f"must be one of {', '.join(get_args(By))}")
        kind = by  # type: ignore[assignment]  # one of them, as just checked
    from_us, to_us = queries.moment(from_time, "from"), queries.moment(to_time, "to")
    most_points = queries.whole(points, "points", default=1_000, least=2, most=100_000) or 1_000
    most_series = queries.whole(top, "top", default=None, least=1, most=1_000)
    database: Database = request.app.state.database
    with database.read() as connection:
        row = require_host(connection, host)
        if to_us is None:
            to_us = max(row.shown_us or 0, from_us or 0)
        if from_us is None:
            from_us = to_us - DAY
        query = SeriesQuery(
            by=kind,
            program=program or None,
            type=type or None,
            top=most_series,
            points=most_points,
            fold=folds_case(row.os_family),
        )
        chart = history.read_chart(connection, row.host_id, from_us, to_us, query)
    if wants_csv(request):
        drawn = bodies.series_body(chart)
        return csv_answer(
            ["time", *[" ".join(str(part) for part in one.key.values()) or "total" for one in drawn.series]],
            zip(drawn.times, *[one.last for one in drawn.series], strict=True),
            name="series",
            next_cursor=None,
        )
    return Response(bodies.series_json(chart), media_type="application/json")
