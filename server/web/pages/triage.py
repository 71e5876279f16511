"""What people say of many leaks at once on the page of leaks, and taking it back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from server.access.principals import Principal
from server.analysis.catalogue import Signature
from server.analysis.instants import DAY, MINUTE, from_us
from server.store.database import Database
from server.store.leak_bulk import change_each, matching_leaks, rows_by_id
from server.store.leak_undo import Step, steps_of, take_back
from server.store.leaks import LEAK_SORTS, Id, read_leak_id
from server.web import guard, queries, views_leaks
from server.web.pages.leak_narrowing import SORT, leak_filter, leaks_query
from server.web.render import duration, plural

router = APIRouter(include_in_schema=False)

MOST = 500  # leaks at a time
UNDO = 10 * MINUTE  # for how long the page offers it
FASTER = 1.25  # how much more is faster, where the range of the rate says less

MOST_MATCHING = 5_000  # of all that match

Change = Callable[[Any], Mapping[str, Any]]  # from a row of a leak to what changes


@dataclass(frozen=True, slots=True)
class Matching:
    """All leaks of a list, in its order."""

    query: views_leaks.LeaksQuery
    sort: str
    catalogue: Mapping[str, Signature]


@router.post("/leaks/triage")
async def triage_leaks(request: Request, principal: Annotated[Principal, Depends(guard.operator)]) -> Response:
    """Back to the page, which says what was done."""
    form = await request.form(max_fields=MOST + 20)
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    ids = [_id(value) for value in form.getlist("leak") if isinstance(value, str)]
    if not ids and "all" not in texts:
        raise queries.bad("leak", "choose at least one")
    if len(ids) > MOST:
        raise queries.bad("leak", f"choose {MOST} at most")
    now_us = guard.now_us()
    change = _change(texts, principal, now_us)
    chosen = _matching(request, texts.get("back")) if "all" in texts else sorted(set(ids))
    kept = await run_in_threadpool(_apply, request.app.state.database, chosen, change, by=principal.name, now_us=now_us)
    return _back(texts.get("back"), done=now_us, kept=kept)


@router.post("/leaks/undo")
async def undo(request: Request, principal: Annotated[Principal, Depends(guard.operator)]) -> Response:
    """Gives the leaks that the person changed at a time their former values back."""
    form = await request.form()
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    at_us = queries.whole(texts.get("at"), "at", default=None, least=0, most=2**62)
    if at_us is None:
        raise queries.bad("at", "say what to undo")
    now_us = guard.now_us()
    kept = await run_in_threadpool(_undo, request.app.state.database, at_us, by=principal.name, now_us=now_us)
    return _back(texts.get("back"), undone=now_us, kept=kept)


def done(connection: Connection, request: Request, principal: Principal, now_us: int) -> views_leaks.Done | None:
    """What the address says that this person did a moment ago, as the log tells it."""
    for name in ("done", "undone"):
        at_us = queries.whole(request.query_params.get(name), name, default=None, least=0, most=2**62)
        if at_us is None or not 0 <= now_us - at_us < UNDO:
            continue
        kept = queries.whole(request.query_params.get("kept"), "kept", default=0, least=0, most=MOST_MATCHING) or 0
        steps = steps_of(connection, at_us, principal.name)
        left = f" {plural(kept, 'leak')} stayed as {'it was' if kept == 1 else 'they were'}." if kept else ""
        if name == "undone":
            words = f"{_leaks(len(steps))} as before." if steps else "Nothing was undone."
            return views_leaks.Done(text=words + left)
        if not steps:
            return views_leaks.Done(text="Nothing changed." + left)
        undoable = any(not step.overtaken for step in steps)
        return views_leaks.Done(text=_said(steps, at_us) + left, at_us=at_us if undoable else None)
    return None


def _id(text: str) -> Id:
    found = read_leak_id(text)
    if found is None:
        raise queries.bad("leak", "is not the id of a leak")
    return found


def _change(texts: Mapping[str, str], principal: Principal, now_us: int) -> Change:
    """What a button of the bar means. Raises Problem 422."""

    def faster(row: Any) -> Mapping[str, Any]:
        return {"triage": "muted", "muted_rate": max(0.0, row.rate_high, FASTER * row.rate_per_hour)}

    action = texts.get("action", "")
    if action == "mute-faster":
        return faster
    meanings: Mapping[str, Mapping[str, Any]] = {
        "acknowledge": {"triage": "acknowledged"},
        "renew": {"triage": "new"},
        "mute-day": {"triage": "muted", "muted_until_us": now_us + DAY},
        "mute-week": {"triage": "muted", "muted_until_us": now_us + 7 * DAY},
        "assign": {"assignee": texts.get("assignee", "")},
        "assign-me": {"assignee": principal.name},
        "note": {"note": texts.get("note", "").replace("\r\n", "\n")},
        "resolve": {"state": "resolved"},
        "reopen": {"state": "leaking"},
    }
    if action not in meanings:
        raise queries.bad("action", f"must be one of {', '.join((*meanings, 'mute-faster'))}")
    return lambda _row: meanings[action]


def _matching(request: Request, back: str | None) -> Matching:
    """What the page shows that the form came from, and what its next pages show."""
    parts = urlsplit(guard.local_path(back))
    if parts.path != "/leaks":
        raise queries.bad("back", "must be the page whose leaks are meant")
    query = leaks_query(dict(parse_qsl(parts.query)))
    sort = queries.order(query.sort, LEAK_SORTS, SORT)
    return Matching(query, sort, request.app.state.catalogue)


def _apply(database: Database, chosen: Sequence[Id] | Matching, change: Change, *, by: str, now_us: int) -> int:
    """How many stayed as they were, since they are gone or can't be changed so."""
    with database.write() as connection:
        if isinstance(chosen, Matching):
            wanted = leak_filter(connection, chosen.query, chosen.catalogue)
            ids = matching_leaks(connection, wanted, sort=chosen.sort, limit=MOST_MATCHING, now_us=now_us)
        else:
            ids = list(chosen)
        rows = rows_by_id(connection, ids, now_us)
        wished = {one: change(rows[one]) if one in rows else {} for one in ids}
        return change_each(connection, rows, wished, by=by, now_us=now_us)


def _undo(database: Database, at_us: int, *, by: str, now_us: int) -> int:
    with database.write() as connection:
        return take_back(connection, steps_of(connection, at_us, by), by=by, now_us=now_us)


def _back(text: str | None, **more: int) -> Response:
    """To the page of leaks as it was, or that of one, whatever else the form says."""
    parts = urlsplit(guard.local_path(text))
    one = read_leak_id(parts.path.removeprefix("/leaks/"))
    path = "/leaks" if one is None else f"/leaks/{one[0]}-{one[1]}"
    said = parse_qsl(parts.query) if parts.path == path else []
    query = [(name, value) for name, value in said if name not in ("done", "undone", "kept")]
    query += [(name, str(value)) for name, value in more.items() if value]
    return RedirectResponse(f"{path}?{urlencode(query)}", 303)


def _said(steps: Sequence[Step], at_us: int) -> str:
    """In words, from what changed of the first; all changed alike, but for what was so already."""
    changes: dict[str, Any] = {}
    for step in steps:
        changes |= step.changes
    leaks = plural(len(steps), "leak")
    if changes.get("state") == "resolved":
        return f"{leaks} resolved."
    if changes.get("state") == "leaking":
        return f"{leaks} opened again."
    if changes.get("muted_until"):
        until_us = queries.moment(changes["muted_until"], "muted_until") or at_us
        return f"{leaks} muted for {duration((from_us(until_us) - from_us(at_us)).total_seconds())}."
    if changes.get("muted_above_rate_per_hour") is not None:
        return f"{leaks} muted until {'it grows' if len(steps) == 1 else 'they grow'} faster."
    if "assignee" in changes:
        who = changes["assignee"]
        return f"{leaks} assigned to {who}." if who else f"{leaks} assigned to nobody."
    if "note" in changes:
        return f"Note {'saved on' if changes['note'] else 'taken off'} {leaks}."
    if changes.get("triage") == "new":
        return f"{_leaks(len(steps))} new again."
    return f"{leaks} {changes.get('triage', 'changed')}."


def _leaks(count: int) -> str:
    return f"{plural(count, 'leak')} {'is' if count == 1 else 'are'}"
