"""`/leaks/{id}`: one leak, why it is told, what to do about it, and what people say of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from server.access.principals import Principal
from server.analysis.catalogue import Signature
from server.analysis.evidence import Evidence, called, words
from server.analysis.forecast import MOST_AHEAD
from server.analysis.frames import Frame
from server.analysis.instants import DAY, HOUR, MINUTE, SECOND, from_us, rfc3339
from server.analysis.names import folds_case, program_key
from server.analysis.series import Chart, Query
from server.problems import Problem
from server.store import accounts, fleet, history
from server.store.database import Database
from server.store.events import EventFilter, list_events
from server.store.leak_signatures import signatures_of_leaks, types_of
from server.store.leaks import (
    LeakFilter,
    LeakPage,
    actions_of,
    change_leak,
    find_leak,
    leak_id,
    list_leaks,
    log_of,
    read_leak_id,
    related_to,
)
from server.web import guard, queries, views, views_leak
from server.web.api import bodies, schema
from server.web.pages import overlays, triage
from server.web.pages import shell as shells
from server.web.pages.advising import advice
from server.web.pages.ending import resolved_why
from server.web.pages.events import event_row
from server.web.pages.leak_log import log_entries
from server.web.pages.leak_rows import leak_row
from server.web.render import duration, number
from server.web.render import segment as escaped

router = APIRouter(include_in_schema=False)

POINTS = 800
LINES = 8
MOST_BESIDE = 6
AROUND = 0.12  # of the leak's length, shown before it
LEAST_BEFORE = 5 * MINUTE
_LONGEST_MUTE_DAYS = 3_650


@dataclass(frozen=True, slots=True)
class _Found:
    """A leak with all that its page shows of its host."""

    row: Any
    host: Any
    evidence: Evidence
    named: list[tuple[str, str]]
    processes: list[schema.ProcessBody]
    drawn: Chart
    oldest_us: int | None
    beside: LeakPage
    read: bool  # whether the newest snapshot could be


@router.get("/leaks/{leak}")
def leak_page(request: Request, leak: str, principal: Annotated[Principal, Depends(guard.reader)]) -> Response:
    return _page(request, leak, principal)


@router.post("/leaks/{leak}")
async def change(request: Request, leak: str, principal: Annotated[Principal, Depends(guard.operator)]) -> Response:
    """What a button means, done; then the page again, which says so. What can't be done is said on it."""
    form = await request.form()
    said = {name: value for name, value in form.items() if isinstance(value, str)}
    try:
        done_us = await run_in_threadpool(_change, request.app.state.database, leak, said, by=principal.name)
    except Problem as problem:
        if problem.status not in (409, 422):
            raise
        return await run_in_threadpool(_page, request, leak, principal, problem=problem)
    return RedirectResponse(f"/leaks/{escaped(leak)}?done={done_us}", 303)


def _change(database: Database, leak: str, said: Mapping[str, str], *, by: str) -> int:
    now_us = guard.now_us()
    changes = _meant(said, now_us)
    ids = read_leak_id(leak)
    with database.write() as connection:
        if ids is None or change_leak(connection, *ids, changes, by=by, now_us=now_us) is None:
            raise _no_leak(leak)
    return now_us


def _meant(said: Mapping[str, str], now_us: int) -> Mapping[str, Any]:
    """What a form of the page changes. Raises Problem 422."""
    match said.get("action", ""):
        case "acknowledge":
            return {"triage": "acknowledged"}
        case "renew":
            return {"triage": "new"}
        case "mute":
            days = queries.whole(said.get("for"), "for", default=None, least=1, most=_LONGEST_MUTE_DAYS)
            return {"triage": "muted"} | ({} if days is None else {"muted_until_us": now_us + days * DAY})
        case "mute-faster":
            return {"triage": "muted", "muted_rate": _rate(said.get("rate", ""))}
        case "assign":
            return {"assignee": said.get("assignee", "")}
        case "note":
            return {"note": said.get("note", "").replace("\r\n", "\n")}
        case "resolve":
            return {"state": "resolved"}
        case "reopen":
            return {"state": "leaking"}
        case _:
            raise queries.bad("action", "is none that this page has")


def _rate(text: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError as error:
        raise queries.bad("rate", "must be a number of handles an hour, like 50") from error


def _no_leak(leak: str) -> Problem:
    return Problem(
        404,
        f"There is no leak {leak[:40]!r}. If there was one, readings that came late have shown that it was none, "
        "or its host was forgotten.",
    )


# --- the page ---


def _page(request: Request, leak: str, principal: Principal, *, problem: Problem | None = None) -> Response:
    query = _query(request) if problem is None else views_leak.LeakQuery()
    now_us = guard.now_us()
    catalogue: Mapping[str, Signature] = request.app.state.catalogue
    database: Database = request.app.state.database
    with database.read() as connection:
        row = _require(connection, leak, now_us)
        evidence = overlays.evidence_of(row)
        home, shown = _span(row, evidence, query, oldest_us=history.oldest_us(connection, row.host_id), now_us=now_us)
        found = _find(connection, row, evidence, shown, types=types_of(catalogue), now_us=now_us)
        at_end = history.frame_at(connection, row.host_id, row.resolved_us) if row.resolved_us is not None else None
        changed = _software(connection, row, now_us)
        others = related_to(connection, row)
        log = log_entries(log_of(row, actions_of(connection, row.host_id, row.leak_no)), row)
        simulated = fleet.has_simulated(connection)
        done = triage.done(connection, request, principal, now_us) if problem is None else None
        people = _people(connection) if principal.may_operate() else ()
    view = views_leak.LeakView(
        shell=shells.shell(request, principal, nav="leaks", simulated=simulated),
        query=query,
        leak=leak_row(row, found.named, catalogue, now_us=now_us),
        facts=_facts(found, at_end),
        chart=_chart(found, query, shown),
        home=(from_us(home[0]), from_us(home[1])),
        at_home=shown == home,
        evidence=words(row, evidence),
        counted=_counted(evidence),
        causes=tuple(_cause(catalogue[one], level) for one, level in found.named if one in catalogue),
        advice=advice(
            found.host, row, evidence, pid=_pid(found), known_cause=any(one in catalogue for one, _ in found.named)
        ),
        software=changed,
        log=log,
        beside=tuple(
            leak_row(one, found.beside.signatures.get((one.host_id, one.leak_no), []), catalogue, now_us=now_us)
            for one in _beside(found)
        ),
        other_leaks=others[0],
        other_hosts=others[1],
        may_triage=principal.may_operate(),
        reopens=row.closed_by is not None,
        people=people,
        done=done,
        error=None if problem is None else _sentence(problem),
        json_url=f"/api/v1/leaks/{leak_id(row)}",
    )
    response = shells.answer(request, view)
    response.status_code = 200 if problem is None else problem.status
    return response


def _query(request: Request) -> views_leak.LeakQuery:
    said = {
        name: queries.plain(request.query_params.get(name.rstrip("_")), name.rstrip("_"))
        for name in views_leak.LeakQuery.__slots__
    }
    query = views_leak.LeakQuery(**said)
    if query.range and query.range not in views.RANGES:
        raise queries.bad("range", f"must be one of {', '.join(views.RANGES)}")
    return query


def _require(connection: Connection, leak: str, now_us: int) -> Any:
    ids = read_leak_id(leak)
    row = None if ids is None else find_leak(connection, *ids, now_us=now_us)
    if row is None:
        raise _no_leak(leak)
    return row


def _people(connection: Connection) -> tuple[str, ...]:
    return tuple(user.name for user in accounts.all_users(connection) if user.disabled_us is None)


def _sentence(problem: Problem) -> str:
    said = "; ".join(f"{fault.path.replace('_', ' ')} {fault.detail}" for fault in problem.errors)
    return f"Nothing was changed: {said or problem.detail.removesuffix('.')}."


Span = tuple[int, int]


def _span(
    row: Any, evidence: Evidence, query: views_leak.LeakQuery, *, oldest_us: int | None, now_us: int
) -> tuple[Span, Span]:
    """From when to when the whole leak is shown, and what is shown now."""
    end_us = row.shown_us if fleet.is_silent(row, now_us) else now_us
    begin_us = min([row.started_us, row.started_from_us, *(piece.from_us for piece in evidence.pieces[:1])])
    last_us = end_us
    if row.state == "resolved" and row.resolved_us is not None:
        last_us = min(end_us, row.resolved_us + max(int((row.resolved_us - begin_us) * AROUND), LEAST_BEFORE))
    before_us = begin_us - max(int((last_us - begin_us) * AROUND), LEAST_BEFORE)
    if oldest_us is not None:  # nothing is to be seen before
        before_us = min(max(before_us, oldest_us), begin_us)
    home = (before_us, max(last_us, begin_us + MINUTE))
    if query.range:
        return home, (end_us - views.RANGES[query.range] * SECOND, end_us)
    from_us_, to_us_ = queries.moment(query.from_, "from"), queries.moment(query.to, "to")
    shown = (home[0] if from_us_ is None else from_us_, home[1] if to_us_ is None else to_us_)
    if shown[0] >= shown[1]:
        raise queries.bad("from", "must lie before to")
    return home, shown


def _find(
    connection: Connection, row: Any, evidence: Evidence, shown: Span, *, types: Mapping[str, str], now_us: int
) -> _Found:
    host = fleet.find_host(connection, row.name)
    wanted = Query(
        by=_by(evidence),
        program=row.program,
        type=row.type,
        top=LINES,
        points=POINTS,
        fold=folds_case(row.os_family),
    )
    newest = None if row.shown_us is None else history.frame_at(connection, row.host_id, row.shown_us)
    return _Found(
        row=row,
        host=host,
        evidence=evidence,
        named=signatures_of_leaks(connection, [row], types).get((row.host_id, row.leak_no), []),
        processes=_of_program(row, newest),
        drawn=history.read_chart(connection, row.host_id, *shown, wanted),
        oldest_us=history.oldest_us(connection, row.host_id),
        beside=list_leaks(
            connection,
            LeakFilter(status="all", host_id=row.host_id, program=row.program, types=types),
            sort="-started",
            limit=MOST_BESIDE,
            cursor=None,
            now_us=now_us,
        ),
        read=newest is not None and not newest.partial.any(),
    )


def _by(evidence: Evidence) -> Any:
    return "total" if evidence.process is None else "process"


def _of_program(row: Any, frame: Frame | None) -> list[schema.ProcessBody]:
    fold = folds_case(row.os_family)
    key = program_key(row.program, fold=fold)
    return [
        one for one in (bodies.process_bodies(frame) if frame else []) if program_key(one.program, fold=fold) == key
    ]


def _pid(found: _Found) -> int | None:
    """Of the process to look at: the one that leaks, else the one that holds the most."""
    if found.evidence.process is not None and any(one.pid == found.evidence.process[0] for one in found.processes):
        return found.evidence.process[0]
    return found.processes[0].pid if found.processes else None


def _beside(found: _Found) -> list[Any]:
    """The other leaks of the program on the host."""
    return [one for one in found.beside.rows if one.leak_no != found.row.leak_no]


def _held_in_all(found: _Found) -> int | None:
    """What the process that holds the most holds of all types."""
    return max((one.handles for one in found.processes if one.handles is not None), default=None)


def _room(found: _Found) -> int | None:
    """How many it may hold of the type that leaks: what one process may hold, less what it holds of other types."""
    row, held = found.row, _held_in_all(found)
    if row.limit is None or row.type is None or row.handles is None or held is None or len(found.processes) != 1:
        return None
    others: int = max(held - row.handles, 0)
    room: int = max(row.limit - others, 0)
    return room


def _facts(found: _Found, at_end: Frame | None) -> views_leak.LeakFacts:
    row = found.row
    end_us = row.resolved_us if row.state == "resolved" and row.resolved_us is not None else row.last_seen_us
    full = row.state == "leaking" and row.phase != "at_limit" and row.exhausted_us is not None
    return views_leak.LeakFacts(
        handles_word=called(row.type),
        started_from=from_us(row.started_from_us),
        started_to=from_us(row.started_to_us),
        detected_at=from_us(row.detected_us),
        lasted_s=max(end_us - row.started_us, 0) / SECOND,
        share=None if row.type is None else found.evidence.share,
        limit_of=_limit_of(found),
        full_from=shells.moment(row.exhausted_from_us) if full else None,
        full_at=shells.moment(row.exhausted_us) if full else None,
        full_to=shells.moment(row.exhausted_to_us) if full else None,
        no_forecast=None if full else _no_forecast(row),
        gone=_gone(found),
        at_limit_at=shells.moment(row.at_limit_us),
        resolved_why=resolved_why(
            row,
            found.evidence,
            running=bool(_of_program(row, at_end)),
            known=at_end is not None,
            went_on=any(row.leak_no < one.leak_no and one.started_us <= end_us for one in _beside(found)),
        ),
        closed_by=row.closed_by,
        given_back=bool(found.evidence.restarts) and found.evidence.counted == "kept",
    )


def _gone(found: _Found) -> views_leak.Gone | None:
    """Whether what leaked no longer runs, while the leak is not over: the one process that did, or all."""
    row, process = found.row, found.evidence.process
    if row.state != "leaking" or not found.read:
        return None
    others = [one for one in found.processes if process is None or one.pid != process[0]]
    if len(others) < len(found.processes) or (process is None and others):
        return None
    known = [line for line in found.drawn.lines if process is None or line.key.get("pid") == process[0]]
    seen = [int(found.drawn.times[np.flatnonzero(line.high >= 0)[-1]]) for line in known if (line.high >= 0).any()]
    since_us = row.last_seen_us if process is not None and row.last_seen_us < row.shown_us else max(seen, default=None)
    return views_leak.Gone(
        since=shells.moment(since_us), pid=None if process is None else process[0], others=len(others)
    )


def _limit_of(found: _Found) -> str | None:
    if found.row.limit is None:
        return None
    if found.row.os_family == "windows":
        return "of each process, as 64-bit Windows sets it" if found.row.limit >= 2**24 - 1 else "of each process"
    whose = "" if found.row.fullest is None else f" (PID {found.row.fullest['pid']})"
    return f"soft limit on open files of each process{whose}"


def _no_forecast(row: Any) -> str:
    if row.state == "resolved":
        return "never, as it stands: the leak is over"
    if row.phase == "at_limit":
        return "now"
    if row.limit is None:
        return "no forecast: no limit is known of it"
    if row.handles is not None and row.rate_per_hour > 0:
        left_us = (row.limit - row.handles) / row.rate_per_hour * HOUR
        if left_us > MOST_AHEAD:
            return f"too far ahead to forecast: about {duration(left_us / SECOND)} at this rate"
    why = _DOUBTS.get(row.track.get("doubt") or "too little", "its growth is too uneven")
    return f"no honest forecast: {why} to say when it holds {number(row.limit)}"


_DOUBTS = {
    "several": "several processes share the growth, each with its own limit, too many",
    "too little": "too little is known of its growth yet",
    "poor fit": "its growth is too uneven",
    "gone": "the process that leaked is gone, so there is nothing",
    "slackened": "its growth has slackened too much",
}


def _cause(signature: Signature, level: str) -> views_leak.Cause:
    said = signature.said
    return views_leak.Cause(
        badge=views.SignatureBadge(id=said.id, title=said.short_name, level=level),  # type: ignore[arg-type]  # a level
        summary=said.summary or said.title,
        resolution=said.resolution,
        next_steps=said.next_steps,
    )


def _software(connection: Connection, row: Any, now_us: int) -> tuple[views.EventRow, ...]:
    """What changed about when a leak ended: it is told as over some days after it stopped."""
    if row.state != "resolved" or row.resolved_us is None:
        return ()
    wanted = EventFilter(
        host_id=row.host_id, kinds=["software"], from_us=row.resolved_us - 4 * DAY, to_us=row.resolved_us + HOUR
    )
    events, _ = list_events(connection, wanted, limit=10, cursor=None, now_us=now_us)
    return tuple(event_row(event, now_us) for event in events)


def _counted(evidence: Evidence) -> str:
    if evidence.counted == "kept":
        return "the least of each stretch of what its processes took and kept, restarts taken out"
    return "the lowest count of each stretch that the evidence speaks of"


def _limits(limit: int | None, room: int | None) -> tuple[views.LimitLine, ...]:
    if limit is None:
        return ()
    if room is None or room == limit:
        return (views.LimitLine(label="limit", value=limit),)
    return (views.LimitLine(label=f"limit of {number(limit)} less what it holds of other types:", value=room),)


def _chart(found: _Found, query: views_leak.LeakQuery, shown: Span) -> views.Chart:
    row = found.row
    parameters = {
        "from": rfc3339(shown[0] // SECOND * SECOND),
        "to": rfc3339(-(-shown[1] // SECOND) * SECOND),
        "by": _by(found.evidence),
        "program": row.program,
        **({} if row.type is None else {"type": row.type}),
        "top": LINES,
        "points": POINTS,
    }
    room = _room(found)
    overlay = overlays.of_leak(row, found.evidence, room=room)
    known = [line for line in found.drawn.lines if (line.high >= 0).any()]
    return views.Chart(
        by=_by(found.evidence),
        range=query.range,
        from_=from_us(shown[0]),
        to=from_us(shown[1]),
        series_url=f"/api/v1/hosts/{escaped(row.name)}/series?{urlencode(parameters)}",
        program=row.program,
        legend=tuple(
            views.LegendRow(
                key=line.key,
                label=f"PID {line.key['pid']}" if "pid" in line.key else called(row.type),
                colour=number_ % 8,
                last=next((int(value) for value in line.last[::-1].tolist() if value >= 0), None),
                min=int(line.low[line.low >= 0].min()) if (line.low >= 0).any() else None,
                max=int(line.high.max()),
            )
            for number_, line in enumerate(known)
        ),
        limits=_limits(row.limit, room),
        history_from=shells.moment(found.oldest_us),
        overlay=overlay,
        ahead_s=overlays.ahead_s(overlay, span_s=(shown[1] - shown[0]) // SECOND, to_s=shown[1] // SECOND),
    )
