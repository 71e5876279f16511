"""`/hosts/add`: what to type on a machine to see it here, and which machines did."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from server.access.principals import Principal, Scope
from server.access.tokens import create_token
from server.analysis.instants import DAY, HOUR, MINUTE, from_us
from server.downloads import COLLECTOR_WINDOWS, COLLECTOR_ZIPAPP
from server.store import accounts, fleet
from server.store.database import Database
from server.store.enrolled import enrolled_since
from server.web import guard, views
from server.web.install import server_address
from server.web.pages import shell as shells

router = APIRouter(include_in_schema=False)

GOOD_FOR = DAY
MOST_LIVE = 20  # of these tokens a person has at a time; each look at the page makes one
LATELY = HOUR
MOST_LISTED = 50
# A reading is taken before its host has a token to send it with, and clocks differ.
READ_BEFORE = 5 * MINUTE


@router.get("/hosts/add")
def add_hosts_page(request: Request, principal: Annotated[Principal, Depends(guard.reader)]) -> Response:
    """A refresh gets the list of hosts alone, and no new token."""
    database: Database = request.app.state.database
    now_us = guard.now_us()
    whole = request.headers.get("hx-request") != "true"
    token = _fresh_token(database, principal, now_us) if whole and principal.may_operate() else None
    with database.read() as connection:
        simulated = fleet.has_simulated(connection)
        enrolled, total = _enrolled(connection, now_us)
    downloads = request.app.state.downloads
    download = downloads.get(COLLECTOR_ZIPAPP)
    return shells.answer(
        request,
        views.HostsAddView(
            shell=shells.shell(request, principal, nav="hosts_add", simulated=simulated),
            server_url=server_address(request),
            token=token,
            expires_at=from_us(now_us + GOOD_FOR) if token else None,
            download_ready=download is not None,
            sha256=download.sha256 if download else None,
            bundle_ready=COLLECTOR_WINDOWS in downloads,
            enrolled=enrolled,
            enrolled_total=total,
        ),
    )


def _enrolled(connection: Connection, now_us: int) -> tuple[tuple[views.EnrolledHost, ...], int]:
    rows, total = enrolled_since(connection, now_us - LATELY, MOST_LISTED)
    return tuple(_host(row) for row in rows), total


def _host(row: Any) -> views.EnrolledHost:
    arrived = row.shown_us is not None and row.shown_us >= row.created_us - READ_BEFORE
    return views.EnrolledHost(
        name=row.host if arrived else row.name,
        enrolled_at=from_us(row.created_us),
        arrived=arrived,
        seen_at=from_us(row.shown_us) if arrived else None,
        handles=row.handles if arrived else None,
        processes=row.processes if arrived else None,
    )


def _fresh_token(database: Database, principal: Principal, now_us: int) -> str:
    """A new enrolment token; the person's oldest ones go where there are too many."""
    name = f"add hosts, {principal.name}"[:200]
    with database.write() as connection:
        live = [token for token in accounts.tokens_named(connection, name) if token.is_live(now_us)]
        live.sort(key=lambda token: token.token_id)
        for token in live[: max(0, len(live) - MOST_LIVE + 1)]:
            accounts.revoke_token(connection, token.token_id, now_us)
        return create_token(
            connection,
            name=name,
            scope=Scope.ENROLL,
            now_us=now_us,
            expires_us=now_us + GOOD_FOR,
            created_by=principal.name,
        )
