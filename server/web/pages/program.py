"""`/hosts/{host}/programs/{program}`: a program of a host across its restarts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, cast
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from server.access.principals import Principal
from server.analysis.catalogue import Signature
from server.analysis.instants import DAY, SECOND, from_us, rfc3339
from server.analysis.names import folds_case, program_key
from server.analysis.readings import MOST_SUM
from server.analysis.series import Chart, Line, Query
from server.problems import Problem
from server.store import fleet, history, judgements
from server.store.database import Database
from server.store.events import EventFilter, list_events
from server.store.leak_signatures import types_of
from server.store.leaks import LeakFilter, LeakPage, list_leaks
from server.web import guard, queries, views, views_leak
from server.web.api import bodies, schema
from server.web.api.hosts import require_host
from server.web.limits import segment
from server.web.pages import overlays
from server.web.pages import shell as shells
from server.web.pages.events import event_row
from server.web.pages.host import LINES, POINTS, match_view, newest_of, processes_at
from server.web.pages.leak_rows import leak_row
from server.web.pages.processes import process_table
from server.web.render import segment as escaped
from server.web.views_chart import Mark

router = APIRouter(include_in_schema=False)

SPLITS: Mapping[str, views.By] = {"total": "total", "process": "process", "type": "type"}
MOST_EVENTS = 20
MOST_LEAKS = 50
_USUAL = "7d"
_OLDEST = 90 * DAY  # how far back a program is looked for that does not run
_MOST_MARKS = 500

Span = tuple[int, int]


@router.get("/hosts/{host}/programs/{program}")
def program_page(
    request: Request, host: str, program: str, principal: Annotated[Principal, Depends(guard.reader)]
) -> Response:
    query = _query(request)
    program = segment(program)
    at_us = queries.moment(query.at, "at", zone_needed=False)
    now_us = guard.now_us()
    catalogue: Mapping[str, Signature] = request.app.state.catalogue
    database: Database = request.app.state.database
    with database.read() as connection:
        row = require_host(connection, host)
        fold = folds_case(row.os_family)
        key = program_key(program, fold=fold)
        span = _span(query, row, now_us)
        drawn = _draw(connection, row, program, span, by=SPLITS[query.by or "total"])
        moment = row.shown_us if at_us is None else at_us
        frame = None if moment is None else processes_at(connection, row.host_id, moment)
        running = [
            one
            for one in (bodies.process_bodies(frame) if frame is not None else [])
            if program_key(one.program, fold=fold) == key
        ]
        here = list_leaks(
            connection,
            LeakFilter(status="all", host_id=row.host_id, program=program, types=types_of(catalogue)),
            sort="-started",
            limit=MOST_LEAKS,
            cursor=None,
            now_us=now_us,
        )
        seen = _seen(connection, row, program, drawn, ran=bool(running))
        if not running and not here.rows and seen is None:
            raise Problem(404, f"The program {program[:80]!r} was not seen on {row.name} in the last 90 days.")
        elsewhere = list_leaks(connection, LeakFilter(program=program), limit=500, cursor=None, now_us=now_us)
        found = judgements.matches_of(connection, row.host_id)
        events = _events(connection, row, key, now_us, fold=fold)
        oldest_us = history.oldest_us(connection, row.host_id)
        simulated = fleet.has_simulated(connection)
    named = _spelling(program, running, here, drawn)
    view = views_leak.ProgramView(
        shell=shells.shell(request, principal, nav="fleet", simulated=simulated),
        query=query,
        facts=_facts(row, named, running, here, elsewhere, seen=seen, frame=frame, now_us=now_us),
        chart=_chart(row, named, query, span, drawn, running, here, events, oldest_us),
        processes=_processes(running, row, here, fold=fold),
        processes_at=None if frame is None else from_us(int(frame.shown[0])),
        processes_url=f"/api/v1/hosts/{escaped(row.name)}/processes"
        + ("" if frame is None else f"?{urlencode({'at': rfc3339(int(frame.shown[0]))})}"),
        leaks=tuple(
            leak_row(one, here.signatures.get((one.host_id, one.leak_no), []), catalogue, now_us=now_us)
            for one in sorted(here.rows, key=lambda one: one.state != "leaking")
        ),
        matches=tuple(
            match_view(signature, match, catalogue, row)
            for signature, match in found.items()
            if key in {program_key(one.program, fold=fold) for one in match.programs}
            or (match.program is not None and program_key(match.program, fold=fold) == key)
        ),
        events=tuple(event_row(event, now_us) for event in events[:MOST_EVENTS]),
        events_more=len(events) > MOST_EVENTS,
    )
    return shells.answer(request, view)


def _query(request: Request) -> views_leak.ProgramQuery:
    said = {
        name: queries.plain(request.query_params.get(name.rstrip("_")), name.rstrip("_"))
        for name in views_leak.ProgramQuery.__slots__
    }
    query = views_leak.ProgramQuery(**said)
    if query.by and query.by not in SPLITS:
        raise queries.bad("by", f"must be one of {', '.join(SPLITS)}")
    if query.range and query.range not in views.RANGES:
        raise queries.bad("range", f"must be one of {', '.join(views.RANGES)}")
    return query


def _span(query: views_leak.ProgramQuery, row: Any, now_us: int) -> Span:
    end_us: int = row.shown_us if fleet.is_silent(row, now_us) else now_us
    from_us_ = queries.moment(query.from_, "from", zone_needed=False)
    to_us_ = queries.moment(query.to, "to", zone_needed=False)
    if from_us_ is None and to_us_ is None:
        return end_us - views.RANGES[query.range or _USUAL] * SECOND, end_us
    to_us_ = end_us if to_us_ is None else to_us_
    from_us_ = to_us_ - DAY if from_us_ is None else from_us_
    if from_us_ >= to_us_:
        raise queries.bad("from", "must lie before to")
    return from_us_, to_us_


def _draw(connection: Connection, row: Any, program: str, span: Span, *, by: views.By) -> Chart:
    query = Query(by=by, program=program, top=LINES, points=POINTS, fold=folds_case(row.os_family))
    return history.read_chart(connection, row.host_id, *span, query)


def _known(drawn: Chart) -> list[Line]:
    return [line for line in drawn.lines if (line.high >= 0).any()]


def _seen(connection: Connection, row: Any, program: str, drawn: Chart, *, ran: bool) -> Span | None:
    """Between when and when it ran, as far as the chart, or for one that does not run the last 90 days, tells."""
    lines = _known(drawn)
    if not ran and row.shown_us is not None:
        drawn = _draw(connection, row, program, (row.shown_us - _OLDEST, row.shown_us), by="total")
        lines = _known(drawn)
    times = [int(time) for line in lines for time in drawn.times[line.high >= 0]]
    return (min(times), max(times)) if times else None


def _spelling(program: str, running: Sequence[schema.ProcessBody], here: LeakPage, drawn: Chart) -> str:
    """As the collector writes it, where that is known."""
    names = [*(one.program for one in running), *(str(row.program) for row in here.rows)]
    names += [str(line.key["program"]) for line in drawn.lines if "program" in line.key]
    return next(iter(names), program)


def _facts(
    row: Any,
    program: str,
    running: Sequence[schema.ProcessBody],
    here: LeakPage,
    elsewhere: LeakPage,
    *,
    seen: Span | None,
    frame: Any,
    now_us: int,
) -> views_leak.ProgramFacts:
    handles = [one.handles for one in running if one.handles is not None]
    limits = [one.limit for one in running if one.limit is not None]
    others = {other.host_id for other in elsewhere.rows if other.host_id != row.host_id}
    open_here = sum(one.state == "leaking" for one in here.rows)
    return views_leak.ProgramFacts(
        host=row.name,
        program=program,
        running=len(running),
        os=shells.os_view(row),
        simulated=shells.is_simulated(row.labels),
        silent=fleet.is_silent(row, now_us),
        handles=min(sum(handles), MOST_SUM) if handles else None,
        limit=min(limits, default=None),
        last_seen_at=None if seen is None else from_us(seen[1]),
        first_seen_at=None if seen is None else from_us(seen[0]),
        read_at=None if frame is None else from_us(int(frame.shown[0])),
        other_leaks=max(elsewhere.total - open_here, 0),
        other_hosts=len(others),
    )


def _events(connection: Connection, row: Any, key: str, now_us: int, *, fold: bool) -> list[Any]:
    """Restarts and changes of the limit of this program, newest first."""
    wanted = EventFilter(host_id=row.host_id, kinds=["restart", "limit"])
    events, _ = list_events(connection, wanted, limit=_MOST_MARKS, cursor=None, now_us=now_us)
    return [one for one in events if program_key(str((one.detail or {}).get("program")), fold=fold) == key]


def _processes(
    running: Sequence[schema.ProcessBody], row: Any, here: LeakPage, *, fold: bool
) -> tuple[views.ProcessRow, ...]:
    growing = [one for one in here.rows if one.state == "leaking"]
    table = process_table(
        running, views.HostQuery(all="1"), time_us=row.shown_us, growing=growing, colours={}, api="", fold=fold
    )
    return tuple(replace(one, rate_per_hour=None) for one in table.rows)


def _chart(
    row: Any,
    program: str,
    query: views_leak.ProgramQuery,
    span: Span,
    drawn: Chart,
    running: Sequence[schema.ProcessBody],
    here: LeakPage,
    events: Sequence[Any],
    oldest_us: int | None,
) -> views.Chart:
    by = SPLITS[query.by or "total"]
    parameters = {
        "from": rfc3339(span[0] // SECOND * SECOND),
        "to": rfc3339(-(-span[1] // SECOND) * SECOND),
        "by": by,
        "program": program,
        "top": LINES,
        "points": POINTS,
    }
    named = bool(query.from_ or query.to)
    marks = tuple(
        Mark(at_s=one.time_us // SECOND, label="restart", kind="restart") for one in events if one.kind == "restart"
    )
    known = _known(drawn)
    overlay = overlays.of_host(here.rows, program=program, held=running[0].handles if len(running) == 1 else None)
    overlay = replace(overlay, marks=(*overlay.marks, *marks))
    limits = {one.limit for one in running if one.limit is not None}
    return views.Chart(
        by=by,
        range="" if named else query.range or _USUAL,
        from_=from_us(span[0]),
        to=from_us(span[1]),
        series_url=f"/api/v1/hosts/{escaped(row.name)}/series?{urlencode(parameters)}",
        program=program,
        legend=tuple(
            views.LegendRow(
                key=line.key,
                label=_label(line),
                colour=at % 8,
                last=newest_of(line),
                min=int(line.low[line.low >= 0].min()) if (line.low >= 0).any() else None,
                max=int(line.high.max()),
            )
            for at, line in enumerate(known)
        ),
        limits=(views.LimitLine(label="limit of a process", value=min(limits)),) if limits else (),
        history_from=shells.moment(oldest_us),
        overlay=overlay,
        ahead_s=overlays.ahead_s(overlay, span_s=(span[1] - span[0]) // SECOND, to_s=span[1] // SECOND),
    )


def _label(line: Line) -> str:
    if "pid" in line.key:
        since = str(line.key["started_at"] or "")[:10]  # a number may have been given again
        return f"PID {line.key['pid']}{f', {since}' if since else ''}"
    return cast(str, line.key.get("type") or "All processes")
