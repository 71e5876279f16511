"""The leaks of the fleet as lists and groups, one leak with its log, and what people make of it. What judging says of a
leak is written elsewhere; here only what people say is."""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from server.analysis.instants import maybe_rfc3339
from server.problems import Fault, Problem
from server.store.cursors import Key, read_page
from server.store.fleet import hosts_labelled
from server.store.leak_signatures import names_leak, signatures_of_leaks
from server.store.tables import host_state, hosts, leak_actions, leak_details, leaks

STATUSES = ("open", "resolved", "all", "quiet")
TRIAGES = ("new", "acknowledged", "muted")
PHASES = ("detected", "growing", "at_limit", "returned")
MOST_ACTIONS = 500  # of a leak; the oldest go
LONGEST_NOTE = 4_096
LONGEST_ASSIGNEE = 200
FAR = 2**62  # where no time is known

Id = tuple[int, int]  # host_id, leak_no
Group = tuple[str, str | None, str | None]  # program_key, type, object


@dataclass(frozen=True, slots=True)
class LeakFilter:
    """What a list of leaks is narrowed to. `search`: part of the program's, the host's or the object's name;
    `program`: the whole name, without case on Windows. Of `type`, `object` and `assignee` None means any, "" none.
    `types`: what signatures are about, as `leak_signatures.types_of` tells; narrows which of them name a leak."""

    status: str = "open"
    host_id: int | None = None
    search: str = ""
    program: str = ""
    type: str | None = None
    object: str | None = None
    signature: str = ""
    triage: str = ""
    assignee: str | None = None
    phase: str = ""
    labels: Sequence[tuple[str, str]] = ()
    group: Group | None = None
    types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeakPage:
    """`rows`: leaks (without `evidence` and `track`) with `fullest`, the process nearest to its limit, `name`,
    `labels`, `os_family`, `shown_us` of their hosts and `triage_now`; `signatures`: (id, level) by (host_id, leak_no);
    `total`: all that match."""

    rows: Sequence[Any]
    signatures: Mapping[Id, list[tuple[str, str]]]
    total: int
    next: str | None


def leak_id(row: Any) -> str:
    """How a leak is called outside: `17-3`."""
    return f"{row.host_id}-{row.leak_no}"


def read_leak_id(text: str) -> Id | None:
    """What `leak_id` wrote, or None."""
    host, _, number = text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in (host, number)):
        return None
    return int(host), int(number)


SAID = or_(leaks.c.standing, leaks.c.quieted)  # late data has not undone it


def triage_at(now_us: int) -> ColumnElement[str]:
    """The triage that holds by the server's clock: muting ends by itself, and the leak is new again."""
    lasts = or_(leaks.c.muted_until_us.is_(None), leaks.c.muted_until_us > literal(now_us, BigInteger))
    slow = or_(leaks.c.muted_rate.is_(None), leaks.c.rate_per_hour <= leaks.c.muted_rate)
    return case((and_(leaks.c.triage == "muted", ~and_(lasts, slow)), "new"), else_=leaks.c.triage)


_SAME = and_(leak_details.c.host_id == leaks.c.host_id, leak_details.c.leak_no == leaks.c.leak_no)
_FULLEST = leak_details.c.track["fullest"].label("fullest")  # analysis.leaking.Fullest, or None
_OF_HOST = (
    hosts.c.name,
    hosts.c.name_key,
    host_state.c.labels,
    host_state.c.os_family,
    host_state.c.shown_us,
    host_state.c.interval_s,
    host_state.c.cadence_s,
)


def _sorts(*, descends: bool) -> Mapping[str, Sequence[tuple[ColumnElement[Any], type]]]:
    """By name of the order, its columns and their kinds; what has no end in sight comes last either way, and what
    stands at its limit has no time left."""
    full = and_(leaks.c.phase == "at_limit", leaks.c.state == "leaking")
    known = func.coalesce(leaks.c.exhausted_us, literal(-FAR if descends else FAR, BigInteger))
    left = case((full, literal(0, BigInteger)), else_=known)
    return {
        "detected": ((leaks.c.detected_us, int),),
        "started": ((leaks.c.started_us, int),),
        "rate": ((leaks.c.rate_per_hour, float),),
        "handles": ((func.coalesce(leaks.c.handles, -1), int),),
        "left": ((left, int),),
        "host": ((hosts.c.name_key, str), (leaks.c.program_key, str)),
        "program": ((leaks.c.program_key, str), (hosts.c.name_key, str)),
        "last_seen": ((leaks.c.last_seen_us, int),),
    }


LEAK_SORTS = tuple(_sorts(descends=False))


def order_of(sort: str) -> list[Key]:
    """`sort`: one of LEAK_SORTS, with `-` before it for descending."""
    descends = sort.startswith("-")
    keys = [Key(column, kind, descends) for column, kind in _sorts(descends=descends)[sort.removeprefix("-")]]
    return [*keys, Key(leaks.c.host_id, int, False), Key(leaks.c.leak_no, int, False)]


def list_leaks(
    connection: Connection, wanted: LeakFilter, *, sort: str = "-detected", limit: int, cursor: str | None, now_us: int
) -> LeakPage:
    """A page of leaks. `sort` is one of LEAK_SORTS, with `-` before it for descending; Problem 422 for a bad cursor."""
    keys = order_of(sort)
    conditions = conditions_of(connection, wanted, now_us)
    # first which ones, from what is quickly read of each
    which = select(leaks.c.host_id, leaks.c.leak_no).where(*conditions)
    if sort.removeprefix("-") in ("host", "program"):
        which = which.join(hosts, hosts.c.host_id == leaks.c.host_id)
    found, next_cursor = read_page(connection, which, keys, sort=sort, limit=limit, cursor=cursor)
    rows = rows_of(connection, [(row.host_id, row.leak_no) for row in found], now_us)
    whole = cursor is None and next_cursor is None
    return LeakPage(
        rows=rows,
        signatures=signatures_of_leaks(connection, rows, wanted.types),
        total=len(rows) if whole else count_leaks(connection, wanted, now_us),
        next=next_cursor,
    )


def count_leaks(connection: Connection, wanted: LeakFilter, now_us: int) -> int:
    """All that match."""
    conditions = conditions_of(connection, wanted, now_us)
    return connection.scalar(select(func.count()).select_from(leaks).where(*conditions)) or 0


def rows_of(connection: Connection, ids: Sequence[Id], now_us: int) -> Sequence[Any]:
    """These leaks as rows of a list, in this order."""
    if not ids:
        return []
    query = (
        select(leaks, _FULLEST, *_OF_HOST, triage_at(now_us).label("triage_now"))
        .join(leak_details, _SAME)
        .join(hosts, hosts.c.host_id == leaks.c.host_id)
        .join(host_state, host_state.c.host_id == leaks.c.host_id)
        # the hosts as well: SQLite finds no index by pairs
        .where(leaks.c.host_id.in_({one[0] for one in ids}), tuple_(leaks.c.host_id, leaks.c.leak_no).in_(ids))
        .where(SAID)
    )
    found = {(row.host_id, row.leak_no): row for row in connection.execute(query)}
    return [found[one] for one in ids if one in found]


def conditions_of(connection: Connection, wanted: LeakFilter, now_us: int) -> list[ColumnElement[bool]]:
    """Of a query over `leaks`."""
    quiet = wanted.status == "quiet"
    found: list[ColumnElement[bool]] = [leaks.c.quieted, ~leaks.c.standing] if quiet else [leaks.c.standing]
    if wanted.status != "all":
        found.append(leaks.c.state == ("resolved" if wanted.status == "resolved" else "leaking"))
    if wanted.host_id is not None:
        found.append(leaks.c.host_id == wanted.host_id)
    if wanted.search:
        found.append(_mentions(wanted.search))
    if wanted.program:
        keys = {wanted.program, wanted.program.casefold()}
        folding = select(host_state.c.host_id).where(host_state.c.os_family == "windows")
        exact = or_(leaks.c.program == wanted.program, leaks.c.host_id.in_(folding))
        found.append(and_(leaks.c.program_key.in_(keys), exact))
    for column, value in ((leaks.c.type, wanted.type), (leaks.c.object, wanted.object)):
        if value is not None:
            found.append(_is(column, value or None))
    if wanted.assignee is not None:
        found.append(_is(leaks.c.assignee, wanted.assignee or None))
    if wanted.signature:
        found.append(names_leak(connection, wanted.signature, wanted.types))
    if wanted.triage:
        found.append(triage_at(now_us) == wanted.triage)
    if wanted.phase:
        found.append(leaks.c.phase == wanted.phase)
    found += [leaks.c.host_id.in_(hosts_labelled(key, value)) for key, value in wanted.labels]
    if wanted.group is not None:
        found.append(in_group(wanted.group))
    return found


def _mentions(search: str) -> ColumnElement[bool]:
    folded, lowered = search.casefold(), search.lower()
    named = select(hosts.c.host_id).where(hosts.c.name_key.contains(folded, autoescape=True)).correlate(None)
    return or_(
        leaks.c.program_key.contains(folded, autoescape=True),
        func.lower(leaks.c.program).contains(lowered, autoescape=True),
        leaks.c.host_id.in_(named),
        func.lower(leaks.c.object).contains(lowered, autoescape=True),
    )


def _is(column: ColumnElement[Any], value: str | None) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value


def in_group(group: Group) -> ColumnElement[bool]:
    program_key, kind, name = group
    return and_(leaks.c.program_key == program_key, _is(leaks.c.type, kind), _is(leaks.c.object, name))


# --- one leak ----------------------------------------------------------------------------------------------------


def find_leak(connection: Connection, host_id: int, leak_no: int, *, now_us: int) -> Any:
    """As a row of a list, with `evidence` and `track`; None if there is none, or late data undid it."""
    one = leaks.c.host_id == host_id, leaks.c.leak_no == leak_no, SAID
    query = (
        select(leaks, leak_details.c.evidence, leak_details.c.track, _FULLEST, *_OF_HOST)
        .add_columns(triage_at(now_us).label("triage_now"))
        .join(leak_details, _SAME)
        .join(hosts, hosts.c.host_id == leaks.c.host_id)
        .join(host_state, host_state.c.host_id == leaks.c.host_id)
    )
    return connection.execute(query.where(*one)).one_or_none()


def related_to(connection: Connection, row: Any) -> tuple[int, int]:
    """How many other leaks of the same group are open, and on how many other hosts."""
    others = (in_group((row.program_key, row.type, row.object)), leaks.c.standing, leaks.c.state == "leaking")
    not_this = or_(leaks.c.host_id != row.host_id, leaks.c.leak_no != row.leak_no)
    elsewhere = func.count(leaks.c.host_id.distinct())
    return (
        connection.scalar(select(func.count()).select_from(leaks).where(*others, not_this)) or 0,
        connection.scalar(select(elsewhere).where(*others, leaks.c.host_id != row.host_id)) or 0,
    )


def actions_of(connection: Connection, host_id: int, leak_no: int) -> Sequence[Any]:
    """What people did with a leak, oldest first: `at_us`, `by`, `changes`. By nobody (""): it returned."""
    return connection.execute(
        select(leak_actions)
        .where(leak_actions.c.host_id == host_id, leak_actions.c.leak_no == leak_no)
        .order_by(leak_actions.c.action_no)
    ).all()


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of a leak at a time. kind: started, detected, returned, at_limit, resolved (told by the host's
    history, in its time), changed (by a person; `changes` by field, in the server's time)."""

    at_us: int
    kind: str
    by: str | None
    changes: Mapping[str, Any]


def log_of(row: Any, actions: Sequence[Any]) -> list[Entry]:
    """Oldest first."""
    came_back = row.phase == "returned" and all(action.by for action in actions)
    moments = [
        ("started", row.started_us),
        ("returned" if came_back else "detected", row.detected_us),
        ("at_limit", row.at_limit_us),
        ("resolved", None if row.closed_by else row.resolved_us),  # what a person resolved is among the actions
    ]
    found = [Entry(at_us, kind, None, {}) for kind, at_us in moments if at_us is not None]
    for action in actions:
        if action.by:
            found.append(Entry(action.at_us, "changed", action.by, action.changes))
        else:
            found.append(Entry(action.at_us, "returned", None, {}))
    return sorted(found, key=lambda entry: entry.at_us)


def note_return(connection: Connection, host_id: int, leak_no: int, *, at_us: int) -> None:
    """Note that what a person resolved was seen, at this shown time, to grow on."""
    _note_actions(connection, {(host_id, leak_no): {"state": "leaking"}}, by="", now_us=at_us)


# --- what people change ------------------------------------------------------------------------------------------

_FIELDS = ("triage", "muted_until_us", "muted_rate", "assignee", "note", "state")
_NAMES = {"muted_until_us": "muted_until", "muted_rate": "muted_above_rate_per_hour"}  # as the API calls them


def change_leak(
    connection: Connection, host_id: int, leak_no: int, changes: Mapping[str, Any], *, by: str, now_us: int
) -> Any:
    """As `change_leaks`, of one; the row as `find_leak` gives it, or None if there is none."""
    if not change_leaks(connection, [(host_id, leak_no)], changes, by=by, now_us=now_us):
        return find_leak(connection, host_id, leak_no, now_us=now_us)
    return None


def change_leaks(
    connection: Connection, ids: Sequence[Id], changes: Mapping[str, Any], *, by: str, now_us: int
) -> Sequence[Id]:
    """Change what people say of leaks, and note who did. Returns those that are not there; the others are changed.

    `changes`: any of `triage`, `muted_until_us`, `muted_rate`, `assignee`, `note`, `state`. `muted` set anew lasts as
    the other two say, and for ever where they are left out; either of them mutes by itself. `state` is `resolved`, or
    `leaking` for what a person resolved. Problem 422 for a bad value, 409 for a state that can't be.
    """
    # first the hosts, as judging does, which reads leaks and writes them back; one by one, since a sharded database
    # holds no rows of several shards at once, and in order, lest two wait for each other
    host_id = host_state.c.host_id
    held = select(host_state.c.shown_us).where(host_id == bindparam("this")).with_for_update()
    shown = {this: connection.scalar(held, {"this": this}) for this in sorted({one[0] for one in ids})}
    rows = {(row.host_id, row.leak_no): row for row in rows_of(connection, list(dict.fromkeys(ids)), now_us)}
    changed: dict[Id, dict[str, Any]] = {}
    for one, row in rows.items():
        values = _triage_values(row, changes, now_us) | _text_values(changes)
        if "state" in changes:
            values |= _state_values(row, changes["state"], by=by, shown_us=shown[row.host_id])
        values = {name: value for name, value in values.items() if getattr(row, name) != value}
        if values:
            changed[one] = values
    _write(connection, changed)
    _note_actions(connection, changed, by=by, now_us=now_us)
    recount(connection, {host_id for (host_id, _), values in changed.items() if "state" in values})
    return [one for one in ids if one not in rows]


def _write(connection: Connection, changed: Mapping[Id, Mapping[str, Any]]) -> None:
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for (host_id, leak_no), values in changed.items():
        alike[tuple(values)].append({"of_host": host_id, "of_leak": leak_no, **values})
    for names, rows in alike.items():
        this = leaks.c.host_id == bindparam("of_host"), leaks.c.leak_no == bindparam("of_leak")
        connection.execute(update(leaks).where(*this).values({name: bindparam(name) for name in names}), rows)


def recount(connection: Connection, host_ids: Collection[int]) -> None:
    """Bring the number of open leaks in `host_state` up to date."""
    if not host_ids:
        return
    is_open = leaks.c.host_id.in_(host_ids), leaks.c.standing, leaks.c.state == "leaking"
    counted = select(leaks.c.host_id, func.count()).where(*is_open).group_by(leaks.c.host_id)
    known = {row[0]: row[1] for row in connection.execute(counted)}
    change = update(host_state).where(host_state.c.host_id == bindparam("of_host")).values(leaks=bindparam("open"))
    connection.execute(change, [{"of_host": one, "open": known.get(one, 0)} for one in sorted(host_ids)])


def _wrong(field: str, detail: str) -> Problem:
    name = _NAMES.get(field, field)
    return Problem(422, f"{name}: {detail}.", [Fault(name, detail)])


def _triage_values(row: Any, changes: Mapping[str, Any], now_us: int) -> dict[str, Any]:
    given = {name: changes[name] for name in ("muted_until_us", "muted_rate") if name in changes}
    until, rate = given.get("muted_until_us"), given.get("muted_rate")
    if until is not None and until <= now_us:
        raise _wrong("muted_until_us", "must lie ahead")
    if rate is not None and not (math.isfinite(rate) and rate >= 0):
        raise _wrong("muted_rate", "must be a number from 0 up")
    nothing = {"muted_until_us": None, "muted_rate": None}
    mutes = until is not None or rate is not None
    if "triage" in changes:
        if changes["triage"] not in TRIAGES:
            raise _wrong("triage", f"must be one of {', '.join(TRIAGES)}")
        if changes["triage"] != "muted" and mutes:
            raise _wrong("triage", "must be muted where it is said until when")
        return {"triage": changes["triage"]} | nothing | given
    if not given:
        return {}
    if row.triage_now == "muted":
        return given
    return {"triage": "muted"} | nothing | given if mutes else {}


def _text_values(changes: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, most in (("assignee", LONGEST_ASSIGNEE), ("note", LONGEST_NOTE)):
        if name in changes:
            text = (changes[name] or "").replace("\0", "\ufffd").strip()
            if len(text) > most:
                raise _wrong(name, f"must be at most {most:,} characters")
            values[name] = text or None
    return values


def _state_values(row: Any, state: Any, *, by: str, shown_us: int | None) -> dict[str, Any]:
    if state not in ("leaking", "resolved"):
        raise _wrong("state", "must be leaking or resolved")
    if state == row.state:
        return {}
    if state == "resolved":
        closed_us = row.last_seen_us if shown_us is None else shown_us
        return {"state": "resolved", "resolved_us": closed_us, "closed_us": closed_us, "closed_by": by}
    if row.closed_by is None:
        detail = "it ended by itself, as its history shows; only what a person resolved can be opened again"
        raise Problem(409, f"state: {detail}.", [Fault("state", detail)])
    return {"state": "leaking", "resolved_us": None, "closed_us": None, "closed_by": None}


def _note_actions(connection: Connection, changed: Mapping[Id, Mapping[str, Any]], *, by: str, now_us: int) -> None:
    if not changed:
        return
    of_leak = leak_actions.c.host_id, leak_actions.c.leak_no
    counted = select(*of_leak, func.max(leak_actions.c.action_no)).where(of_leak[0].in_({one[0] for one in changed}))
    newest = {(row[0], row[1]): row[2] for row in connection.execute(counted.group_by(*of_leak))}
    rows = []
    for one, values in changed.items():
        said = {_NAMES.get(name, name): values[name] for name in _FIELDS if name in values}
        if "muted_until" in said:
            said["muted_until"] = maybe_rfc3339(said["muted_until"])
        number = newest.get(one, 0) + 1
        rows.append(
            {"host_id": one[0], "leak_no": one[1], "action_no": number, "at_us": now_us, "by": by, "changes": said}
        )
        if number > MOST_ACTIONS:
            old = leak_actions.c.action_no <= number - MOST_ACTIONS
            connection.execute(delete(leak_actions).where(of_leak[0] == one[0], of_leak[1] == one[1], old))
    connection.execute(insert(leak_actions), rows)
