"""REST: what happened on hosts, and the words for it."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from server.analysis.events import KINDS
from server.analysis.instants import SECOND, maybe_rfc3339, rfc3339
from server.store import fleet
from server.store.database import Database
from server.store.events import EventFilter, list_events
from server.web import guard, queries
from server.web.answers import csv_answer, json_answer, wants_csv
from server.web.api import schema
from server.web.api.described import answers
from server.web.render import duration, number

router = APIRouter(prefix="/api/v1/events", tags=["events"], dependencies=[Depends(guard.reader)])

Text = Annotated[str | None, Query()]
_COLUMNS = ("time", "until", "host", "kind", "text", "detail")
_LISTS = {"software": "", "services": "service ", "drivers": "driver "}


@router.get("", responses=answers(schema.EventList, csv=True))
def events(
    request: Request,
    host: Text = None,
    from_time: Annotated[
        str | None, Query(alias="from", description="RFC 3339; events that began then or later")
    ] = None,
    to_time: Annotated[str | None, Query(alias="to", description="RFC 3339; events that began then or earlier")] = None,
    kind: Annotated[
        list[str] | None, Query(description=f"one of {', '.join(KINDS)}; may be given several times")
    ] = None,
    limit: Text = None,
    cursor: Text = None,
) -> Response:
    """What happened, newest first: silences, reboots, programs restarted, limits and software changed. Also as CSV."""
    kinds = [one for one in kind or [] if one]
    if any(one not in KINDS for one in kinds):
        raise queries.bad("kind", f"must be one of {', '.join(KINDS)}")
    from_us, to_us = queries.moment(from_time, "from"), queries.moment(to_time, "to")
    asked = queries.plain(host, "host")
    most, now_us = queries.limit(limit), guard.now_us()
    database: Database = request.app.state.database
    with database.read() as connection:
        rows, rest = list_events(
            connection,
            EventFilter(host_id=_host_id(connection, asked), kinds=kinds, from_us=from_us, to_us=to_us),
            limit=most,
            cursor=cursor,
            now_us=now_us,
        )
    items = [event_body(row, now_us) for row in rows]
    if wants_csv(request):
        return csv_answer(_COLUMNS, [_cells(item) for item in items], name="events", next_cursor=rest)
    return json_answer(schema.EventList(items, rest))


def _host_id(connection: Connection, name: str) -> int | None:
    """None: of every host; what no host is called has no events."""
    if not name:
        return None
    row = fleet.find_host(connection, name)
    return -1 if row is None else int(row.host_id)


def event_body(row: Any, now_us: int) -> schema.EventBody:
    detail: Mapping[str, Any] = row.detail or {}
    return schema.EventBody(
        time=rfc3339(row.time_us),
        until=maybe_rfc3339(row.until_us),
        host=row.name,
        kind=row.kind,
        text=in_words(row, now_us),
        detail={
            key.removesuffix("_us") + "_at" if key.endswith("_us") else key: rfc3339(value)
            if key.endswith("_us")
            else value
            for key, value in detail.items()
        },
    )


def in_words(row: Any, now_us: int) -> str:
    """What happened, in a few words that follow the host's name."""
    said: Mapping[str, Any] = row.detail or {}
    match row.kind:
        case "silence":
            for_s = ((now_us if row.until_us is None else row.until_us) - row.time_us) / SECOND
            return f"silent for {duration(for_s)}" + (" so far" if row.until_us is None else "")
        case "reboot":
            return "rebooted"
        case "restart":
            return f"{said['program']} restarted: process {said['pid_before']}, now {said['pid']}"
        case "limit":
            return f"limit of {said['program']} from {number(said['before'])} to {number(said['after'])}"
        case _:
            return _software_in_words(said)


def _software_in_words(said: Mapping[str, Any]) -> str:
    if said["change"] == "more":
        return f"{number(said['count'])} more changes of {said['list']}"
    name = f"{_LISTS.get(said['list'], '')}{said['name']}"
    if said["change"] == "updated":
        return f"{name} updated from {said['before'] or 'no version'} to {said['after'] or 'no version'}"
    version = said["after"] if said["change"] == "installed" else said["before"]
    return f"{name} {version} {said['change']}" if version else f"{name} {said['change']}"


def _cells(item: schema.EventBody) -> list[object]:
    detail = " ".join(f"{key}={value}" for key, value in item.detail.items() if value is not None)
    return [item.time, item.until, item.host, item.kind, item.text, detail]
