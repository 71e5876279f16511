"""REST: the leaks of the fleet, one leak, groups of them, and what people make of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import State

from server.access.principals import Principal
from server.problems import Fault, Problem
from server.store import fleet
from server.store import leaks as store
from server.store.database import Database
from server.store.leak_groups import GROUP_SORTS, leak_groups, read_group_id
from server.store.leak_signatures import signatures_of_leaks, types_of
from server.store.leaks import Id, LeakFilter, LeakPage
from server.web import guard, queries
from server.web.answers import csv_answer, json_answer, wants_csv
from server.web.api import leak_bodies, schema
from server.web.api.described import answers, problem, takes
from server.web.api.sent import read_json

router = APIRouter(prefix="/api/v1/leaks", tags=["leaks"])

Text = Annotated[str | None, Query()]
MOST_IDS = 500
_NOBODY = -1  # no host has this id
_CONFLICT: dict[int | str, dict[str, Any]] = {409: problem("The detector saw it end, so a person can't open it again")}


class Narrowing:
    """The parameters that narrow the list, and the groups."""

    def __init__(
        self,
        request: Request,
        status: Annotated[
            str | None, Query(description="open (the default), resolved, all, or quiet: hidden since made quiet")
        ] = None,
        host: Annotated[str | None, Query(description="a host's name, whole")] = None,
        search: Annotated[str | None, Query(description="part of a program's, host's or object's name")] = None,
        program: Annotated[str | None, Query(description="a program's name, whole")] = None,
        type: Annotated[str | None, Query(description="given and empty: those that no one type explains")] = None,
        object: Annotated[str | None, Query(description="a name template, whole; given and empty: none")] = None,
        signature: Annotated[str | None, Query(description="named by this signature")] = None,
        triage: Annotated[str | None, Query(description=f"one of {', '.join(store.TRIAGES)}")] = None,
        phase: Annotated[str | None, Query(description=f"one of {', '.join(store.PHASES)}")] = None,
        assignee: Annotated[str | None, Query(description="given and empty: nobody's")] = None,
        label: Annotated[list[str] | None, Query(description="`key:value`; may be given several times")] = None,
        group: Annotated[str | None, Query(description="the `group` of a leak, or the id of one of the groups")] = None,
    ) -> None:
        self.host = queries.plain(host, "host")
        self.wanted = LeakFilter(
            status=_one_of(status, "status", store.STATUSES) or "open",
            search=queries.plain(search, "search"),
            program=queries.plain(program, "program"),
            type=_or_none(type, "type"),
            object=_or_none(object, "object"),
            signature=queries.plain(signature, "signature"),
            triage=_one_of(triage, "triage", store.TRIAGES),
            phase=_one_of(phase, "phase", store.PHASES),
            assignee=_or_none(assignee, "assignee"),
            labels=queries.labels(label or []),
            group=read_group_id(group) if group else None,
            types=types_of(request.app.state.catalogue),
        )

    def filter(self, connection: Connection) -> LeakFilter:
        if not self.host:
            return self.wanted
        host = fleet.find_host(connection, self.host)
        return replace(self.wanted, host_id=_NOBODY if host is None else host.host_id)


def _one_of(text: str | None, name: str, known: Sequence[str]) -> str:
    if text and text not in known:
        raise queries.bad(name, f"must be one of {', '.join(known)}")
    return text or ""


def _or_none(text: str | None, name: str) -> str | None:
    return None if text is None else queries.plain(text, name)


def _order(sort: str | None, known: Sequence[str], default: str) -> str:
    """A column may be called as its field is, too."""
    aliases = {"exhausted": "left", "rate_per_hour": "rate", "handles_lost": "lost"}
    name = (sort or "").removeprefix("-").removesuffix("_at")
    return queries.order((sort or "")[: (sort or "").startswith("-")] + aliases.get(name, name), known, default)


@router.get("", responses=answers(schema.LeakList, csv=True), dependencies=[Depends(guard.reader)])
def list_leaks(
    request: Request,
    narrowing: Annotated[Narrowing, Depends()],
    sort: Annotated[
        str | None, Query(description=f"one of {', '.join(store.LEAK_SORTS)}; `-` before it descends")
    ] = None,
    limit: Text = None,
    cursor: Text = None,
) -> Response:
    """The leaks, the latest detected first unless another order is asked for. Also as CSV."""
    database: Database = request.app.state.database
    with database.read() as connection:
        page = store.list_leaks(
            connection,
            narrowing.filter(connection),
            sort=_order(sort, store.LEAK_SORTS, "-detected"),
            limit=queries.limit(limit),
            cursor=cursor,
            now_us=guard.now_us(),
        )
    items = leak_bodies.leak_bodies(page)
    if wants_csv(request):
        cells = [[_cell(getattr(item, name)) for name in _COLUMNS] for item in items]
        return csv_answer(_COLUMNS, cells, name="leaks", next_cursor=page.next)
    return json_answer(schema.LeakList(items, page.next, page.total))


_COLUMNS = tuple(
    name for name in schema.LeakBody.__struct_fields__ if name not in ("started_range", "exhausted_range", "group")
)


def _cell(value: Any) -> object:
    if isinstance(value, list):
        return " ".join(f"{one.id}={one.level}" for one in value)
    return " ".join(f"{key}={count}" for key, count in value.items()) if isinstance(value, dict) else value


@router.get("/groups", responses=answers(schema.LeakGroupList, csv=True), dependencies=[Depends(guard.reader)])
def list_groups(
    request: Request,
    narrowing: Annotated[Narrowing, Depends()],
    sort: Annotated[str | None, Query(description=f"one of {', '.join(GROUP_SORTS)}; `-` before it descends")] = None,
    limit: Text = None,
    cursor: Text = None,
) -> Response:
    """Leaks of the same program, type and object across hosts, those on the most hosts first. Also as CSV."""
    database: Database = request.app.state.database
    with database.read() as connection:
        page = leak_groups(
            connection,
            narrowing.filter(connection),
            sort=_order(sort, GROUP_SORTS, "-hosts"),
            limit=queries.limit(limit),
            cursor=cursor,
            now_us=guard.now_us(),
        )
    items = [
        leak_bodies.group_body(row, page.signatures.get((row.program_key, row.type, row.object), ()))
        for row in page.rows
    ]
    if wants_csv(request):
        columns = schema.LeakGroupBody.__struct_fields__[1:]
        cells = [[_cell(getattr(item, name)) for name in columns] for item in items]
        return csv_answer(columns, cells, name="leak-groups", next_cursor=page.next)
    return json_answer(schema.LeakGroupList(items, page.next, page.total))


@router.get("/{leak_id}", responses=answers(schema.LeakDetail, missing=True), dependencies=[Depends(guard.reader)])
def one_leak(request: Request, leak_id: str) -> Response:
    """One leak, with its evidence, its log and how many there are like it."""
    database: Database = request.app.state.database
    with database.read() as connection:
        return json_answer(_detail(connection, request.app.state, _required(leak_id), guard.now_us()))


def _required(leak_id: str) -> Id:
    found = store.read_leak_id(leak_id)
    if found is None:
        raise _missing(leak_id)
    return found


def _missing(leak_id: str) -> Problem:
    return Problem(404, f"There is no leak {leak_id[:40]!r}; late data may have undone it.")


def _detail(connection: Connection, state: State, one: Id, now_us: int) -> schema.LeakDetail:
    row = store.find_leak(connection, *one, now_us=now_us)
    if row is None:
        raise _missing(f"{one[0]}-{one[1]}")
    return leak_bodies.leak_detail(
        row,
        signatures_of_leaks(connection, [row], types_of(state.catalogue)).get(one, ()),
        actions=store.actions_of(connection, *one),
        related=store.related_to(connection, row),
    )


@router.patch(
    "/{leak_id}",
    responses=answers(schema.LeakDetail, missing=True) | _CONFLICT,
    openapi_extra=takes(schema.LeakChanges),
)
async def change_leak(
    request: Request, leak_id: str, principal: Annotated[Principal, Depends(guard.operator)]
) -> Response:
    """Say what is made of a leak: `triage`, `muted_until`, `muted_above_rate_per_hour`, `assignee`, `note`, `state`."""
    changes = _changes(await read_json(request, schema.LeakChanges))
    detail = await run_in_threadpool(_change_one, request.app.state, _required(leak_id), changes, principal)
    return json_answer(detail)


def _change_one(state: State, one: Id, changes: dict[str, Any], principal: Principal) -> schema.LeakDetail:
    database: Database = state.database
    now_us = guard.now_us()
    with database.write() as connection:
        store.change_leaks(connection, [one], changes, by=principal.name, now_us=now_us)
        return _detail(connection, state, one, now_us)


@router.patch(
    "",
    responses=answers(schema.LeakList, missing=True) | _CONFLICT,
    openapi_extra=takes(schema.ManyLeakChanges),
)
async def change_leaks(request: Request, principal: Annotated[Principal, Depends(guard.operator)]) -> Response:
    """Say the same of up to 500 leaks; of all of them or, if one is refused, of none."""
    sent = await read_json(request, schema.ManyLeakChanges)
    if not 1 <= len(sent.ids) <= MOST_IDS:
        raise queries.bad("ids", f"must be 1 to {MOST_IDS} ids")
    ids = [store.read_leak_id(text) for text in sent.ids]
    found = await run_in_threadpool(_change_many, request.app.state, sent, ids, principal)
    return json_answer(found)


def _change_many(
    state: State, sent: schema.ManyLeakChanges, ids: Sequence[Id | None], principal: Principal
) -> schema.LeakList:
    database: Database = state.database
    changes, now_us = _changes(sent), guard.now_us()
    known = [one for one in ids if one is not None]
    with database.write() as connection:
        missing = set(store.change_leaks(connection, known, changes, by=principal.name, now_us=now_us))
        faults = [
            Fault(f"ids[{i}]", f"there is no leak {sent.ids[i][:40]!r}")
            for i, one in enumerate(ids)
            if one is None or one in missing
        ]
        if faults:
            raise Problem(404, f"{faults[0].path}: {faults[0].detail}; nothing was changed.", faults)
        rows = store.rows_of(connection, list(dict.fromkeys(known)), now_us)
        page = LeakPage(rows, signatures_of_leaks(connection, rows, types_of(state.catalogue)), len(rows), None)
    return schema.LeakList(leak_bodies.leak_bodies(page), None, page.total)


def _changes(sent: schema.LeakChanges) -> dict[str, Any]:
    """As the store takes them. Raises Problem 422."""
    said = {
        name: value
        for name in schema.LeakChanges.__struct_fields__
        if (value := getattr(sent, name)) is not msgspec.UNSET
    }
    if not said:
        raise Problem(422, f"Nothing is said to change: give any of {', '.join(schema.LeakChanges.__struct_fields__)}.")
    if "muted_until" in said:
        said["muted_until_us"] = queries.moment(said.pop("muted_until"), "muted_until")
    if "muted_above_rate_per_hour" in said:
        said["muted_rate"] = said.pop("muted_above_rate_per_hour")
    return said
