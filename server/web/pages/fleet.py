"""`/`: what needs attention, then every host."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from server.access.principals import Principal
from server.analysis.catalogue import Signature
from server.store import fleet
from server.store.database import Database
from server.store.leak_counts import OpenLeaks, open_leaks
from server.web import guard, queries, views
from server.web.api.bodies import unread_of
from server.web.pages import attention
from server.web.pages import shell as shells

router = APIRouter(include_in_schema=False)

PAGE = 50
_FAMILIES = {"windows": "Windows", "linux": "Linux", "macos": "macOS", "other": "Other"}


@router.get("/")
def fleet_page(request: Request, principal: Annotated[Principal, Depends(guard.reader)]) -> Response:
    query = _query(request)
    now_us = guard.now_us()
    catalogue: Mapping[str, Signature] = request.app.state.catalogue
    database: Database = request.app.state.database
    with database.read() as connection:
        counts = fleet.fleet_counts(connection, now_us)
        page = fleet.list_hosts(
            connection,
            _filter(query),
            sort=queries.order(query.sort, fleet.HOST_SORTS, "name"),
            limit=PAGE,
            cursor=query.cursor or None,
            now_us=now_us,
        )
        growing = fleet.fastest_growing(connection, [row.host_id for row in page.rows])
        leaking = open_leaks(connection, now_us)
        needing, more = attention.rows(connection, catalogue, now_us, heard=leaking.heard)
        view = views.FleetView(
            shell=shells.shell(request, principal, nav="fleet", simulated=counts.simulated, search=query.search),
            query=query,
            summary=_summary(counts, leaking, catalogue, now_us),
            attention=needing,
            attention_more=more,
            rows=tuple(_row(row, page, growing, catalogue=catalogue, now_us=now_us) for row in page.rows),
            total=page.total,
            os_choices=_os_choices(connection),
            label_choices=_label_choices(connection),
            signature_choices=tuple(
                views.Choice(value=one.id, label=one.said.short_name) for one in catalogue.values()
            ),
            next_cursor=page.next,
        )
    return shells.answer(request, view)


def _query(request: Request) -> views.FleetQuery:
    said = {name: queries.plain(request.query_params.get(name), name) for name in views.FleetQuery.__slots__}
    return views.FleetQuery(**said)


def _filter(query: views.FleetQuery) -> fleet.HostFilter:
    return fleet.HostFilter(
        search=query.search,
        os=query.os,
        labels=[queries.label(query.label)] if query.label else [],
        signature=query.signature,
        leaking=queries.flag(query.leaking, "leaking"),
        reporting=queries.flag(query.reporting, "reporting"),
    )


def _summary(
    counts: fleet.FleetCounts, leaking: OpenLeaks, catalogue: Mapping[str, Signature], now_us: int
) -> views.FleetSummary:
    return views.FleetSummary(
        hosts=counts.hosts,
        reporting=counts.reporting,
        leaking_programs=leaking.programs,
        leaking_hosts=leaking.hosts,
        signatures=tuple(
            views.SignatureCount(id=one.id, title=one.said.short_name, hosts=counts.showing.get(one.id, 0))
            for one in catalogue.values()
        ),
        next_limit_s=shells.seconds_to(leaking.next_limit_us, now_us),
    )


def _row(
    row: Any,
    page: fleet.HostPage,
    growing: Mapping[int, Any],
    *,
    catalogue: Mapping[str, Signature],
    now_us: int,
) -> views.FleetRow:
    grows = growing.get(row.host_id)
    worst = None
    if grows is not None:
        worst = views.WorstProgram(program=grows.program, handles=grows.handles, growing=True)
    elif row.worst_program is not None:
        worst = views.WorstProgram(program=row.worst_program, handles=row.worst_handles)
    return views.FleetRow(
        name=row.name,
        os=shells.os_view(row),
        simulated=shells.is_simulated(row.labels),
        silent=fleet.is_silent(row, now_us),
        handles=row.handles,
        processes=row.processes,
        coverage=coverage(row),
        spark=tuple(count for _, count in row.sparkline),
        worst=worst,
        leaks=row.leaks,
        signatures=tuple(
            shells.badge(catalogue, signature, level) for signature, level in page.signatures.get(row.host_id, [])
        ),
        labels={key: value for key, value in row.labels.items() if key != "simulated"},
        last_seen_at=shells.moment(row.shown_us),
    )


def coverage(row: Any) -> views.Coverage | None:
    if row.processes is None:
        return None
    unread = unread_of(row)
    return views.Coverage(
        processes=row.processes,
        denied=row.denied or 0,
        types_denied=unread.types_denied or 0,
        unnamed=unread.unnamed or 0,
    )


def _os_choices(connection: Connection) -> tuple[views.Choice, ...]:
    return tuple(
        views.Choice(value=family, label=_FAMILIES.get(family, family), count=count)
        for family, count in fleet.os_choices(connection)
    )


def _label_choices(connection: Connection) -> tuple[views.Choice, ...]:
    found: Sequence[tuple[str, str, int]] = fleet.label_choices(connection)
    return tuple(
        views.Choice(value=f"{key}:{value}", label=f"{key}:{value}", count=count) for key, value, count in found
    )
