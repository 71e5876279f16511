"""`/hosts/add`: what to type on a machine to see it here."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from server.access.principals import Principal, Scope
from server.access.tokens import create_token
from server.analysis.instants import DAY, from_us
from server.downloads import COLLECTOR_ZIPAPP
from server.settings import Settings
from server.store import accounts, fleet
from server.store.database import Database
from server.web import guard, views
from server.web.pages import shell as shells

router = APIRouter(include_in_schema=False)

GOOD_FOR = DAY
MOST_LIVE = 20  # of these tokens a person has at a time; each look at the page makes one


@router.get("/hosts/add")
def add_hosts_page(request: Request, principal: Annotated[Principal, Depends(guard.reader)]) -> Response:
    database: Database = request.app.state.database
    now_us = guard.now_us()
    token = _fresh_token(database, principal, now_us) if principal.may_operate() else None
    with database.read() as connection:
        simulated = fleet.has_simulated(connection)
    download = request.app.state.downloads.get(COLLECTOR_ZIPAPP)
    settings: Settings = request.app.state.settings
    return shells.answer(
        request,
        views.HostsAddView(
            shell=shells.shell(request, principal, nav="hosts_add", simulated=simulated),
            server_url=settings.public_url or f"{request.url.scheme}://{request.url.netloc}",
            token=token,
            expires_at=from_us(now_us + GOOD_FOR) if token else None,
            download_ready=download is not None,
            sha256=download.sha256 if download else None,
        ),
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
