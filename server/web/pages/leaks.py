"""`/leaks`: what leaks anywhere, one by one or in groups of the same."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from server.access.principals import Principal
from server.analysis.catalogue import Signature
from server.analysis.instants import from_us
from server.store import accounts, fleet, leak_counts
from server.store.database import Database
from server.store.leak_groups import GROUP_SORTS, GroupPage, count_groups, leak_groups
from server.store.leaks import (
    LEAK_SORTS,
    LeakPage,
    count_leaks,
    list_leaks,
)
from server.web import guard, queries, views, views_leaks
from server.web.pages import shell as shells
from server.web.pages import triage
from server.web.pages.leak_narrowing import NONE, SORT, leak_filter, leaks_query
from server.web.pages.leak_rows import leak_row

router = APIRouter(include_in_schema=False)

PAGE = 50
NO_LEAKS = LeakPage(rows=(), signatures={}, total=0, next=None)
NO_GROUPS = GroupPage(rows=(), signatures={}, total=0, next=None)


@router.get("/leaks")
def leaks_page(request: Request, principal: Annotated[Principal, Depends(guard.reader)]) -> Response:
    query = leaks_query(request.query_params)
    now_us = guard.now_us()
    catalogue: Mapping[str, Signature] = request.app.state.catalogue
    database: Database = request.app.state.database
    with database.read() as connection:
        wanted = leak_filter(connection, query, catalogue)
        listed, grouped = NO_LEAKS, NO_GROUPS
        order: Mapping[str, Any] = {"limit": PAGE, "cursor": query.cursor or None, "now_us": now_us}
        if query.groups:
            sort = queries.order(query.sort, GROUP_SORTS, "-hosts")
            grouped = leak_groups(connection, wanted, sort=sort, **order)
            leaks_total, groups_total = count_leaks(connection, wanted, now_us), grouped.total
        else:
            sort = queries.order(query.sort, LEAK_SORTS, SORT)
            listed = list_leaks(connection, wanted, sort=sort, **order)
            leaks_total, groups_total = listed.total, count_groups(connection, wanted, now_us)
        types, assignees = leak_counts.choices(connection, wanted.status, now_us)
        view = views_leaks.LeaksView(
            shell=shells.shell(request, principal, nav="leaks", simulated=fleet.has_simulated(connection)),
            query=query,
            summary=_summary(
                leak_counts.open_leaks(connection, now_us), leak_counts.judged(connection, now_us), now_us
            ),
            rows=tuple(
                leak_row(row, listed.signatures.get((row.host_id, row.leak_no), []), catalogue, now_us=now_us)
                for row in listed.rows
            ),
            groups=_groups(grouped, catalogue, now_us),
            leaks_total=leaks_total,
            groups_total=groups_total,
            csv_url=_api(query, csv=True),
            json_url=_api(query, csv=False),
            type_choices=_choices(types, "no one type"),
            assignee_choices=_choices(assignees, "nobody"),
            signature_choices=tuple(
                views.Choice(value=one.id, label=one.said.short_name) for one in catalogue.values()
            ),
            label_choices=tuple(
                views.Choice(value=f"{key}:{value}", label=f"{key}:{value}")
                for key, value, _ in fleet.label_choices(connection)
            ),
            people=_people(connection) if principal.may_operate() else (),
            may_triage=principal.may_operate(),
            most_at_once=triage.MOST_MATCHING,
            done=triage.done(connection, request, principal, now_us),
            next_cursor=grouped.next if query.groups else listed.next,
        )
    return shells.answer(request, view)


def _api(query: views_leaks.LeaksQuery, *, csv: bool) -> str:
    """The same list through REST, where a type or assignee that is named but empty means none."""
    path = "/api/v1/leaks/groups" if query.groups else "/api/v1/leaks"
    default = "-hosts" if query.groups else SORT
    said = {name: value for name, value in asdict(query).items() if value and name not in ("view", "cursor")}
    said = {"status": "open", "sort": default, "limit": str(queries.MOST_ITEMS)} | said
    for name in ("type", "object", "assignee"):
        if said.get(name) == NONE:
            said[name] = ""
    return f"{path}?{urlencode(said | ({'format': 'csv'} if csv else {}), errors='replace')}"


def _summary(counts: leak_counts.OpenLeaks, judged: leak_counts.Judged, now_us: int) -> views_leaks.LeaksSummary:
    return views_leaks.LeaksSummary(
        programs=counts.programs,
        hosts=counts.hosts,
        at_limit=counts.at_limit,
        muted=counts.muted,
        next_limit_s=shells.seconds_to(counts.next_limit_us, now_us),
        known_hosts=judged.known_hosts,
        judged_to=shells.moment(judged.judged_to_us),
        unjudged=judged.unjudged,
    )


def _choices(found: leak_counts.Choices, none: str) -> tuple[views.Choice, ...]:
    return tuple(views.Choice(value=value or NONE, label=value or none, count=count) for value, count in found)


def _people(connection: Connection) -> tuple[str, ...]:
    return tuple(user.name for user in accounts.all_users(connection) if user.disabled_us is None)


def _groups(page: GroupPage, catalogue: Mapping[str, Signature], now_us: int) -> tuple[views_leaks.LeakGroup, ...]:
    found = []
    for row in page.rows:
        group = (row.program_key, row.type, row.object)
        found.append(
            views_leaks.LeakGroup(
                program=row.program,
                type=row.type,
                object=row.object,
                hosts=row.hosts,
                leaks=row.leaks,
                first_seen_at=from_us(row.first_seen_us),
                lost=row.lost,
                rate_per_hour=row.rate_per_hour,
                next_limit_s=shells.seconds_to(row.exhausted_us, now_us),
                at_limit=row.at_limit,
                untriaged=row.new,
                causes=tuple(
                    shells.badge(catalogue, signature, level) for signature, level in page.signatures.get(group, [])
                ),
            )
        )
    return tuple(found)
