"""Leaks of the same program, type and object template across hosts, summed up."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Float,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    select,
    true,
)

from server.analysis.instants import HOUR
from server.problems import Fault, Problem
from server.store.cursors import Key, read_page
from server.store.leak_signatures import signatures_of_groups
from server.store.leaks import FAR, Group, LeakFilter, conditions_of, triage_at
from server.store.tables import leaks

_MOST = 1e15  # sums are exact below it


@dataclass(frozen=True, slots=True)
class GroupPage:
    """`rows`: program, program_key, type, object, hosts, leaks, open, resolved, at_limit, new, acknowledged, muted,
    lost, handles, rate_per_hour, first_seen_us, first_detected_us, last_detected_us, exhausted_us (the next). What is
    held, lost and grows is that of open leaks. `signatures`: (id, the worst level) by group."""

    rows: Sequence[Any]
    signatures: Mapping[Group, list[tuple[str, str]]]
    total: int
    next: str | None


def group_id(row: Any) -> str:
    """How the group of a leak, or of a row of a GroupPage, is called outside."""
    return base64.urlsafe_b64encode(msgspec.json.encode([row.program_key, row.type, row.object])).decode().rstrip("=")


def read_group_id(text: str) -> Group:
    """What `group_id` wrote. Raises Problem 422."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        found = msgspec.json.decode(data, type=tuple[str, str | None, str | None])
    except (binascii.Error, ValueError, RecursionError, msgspec.DecodeError) as error:
        raise _no_group() from error
    if any("\0" in part for part in found if part):
        raise _no_group()
    return found


def _no_group() -> Problem:
    detail = "is not the id of a group; /api/v1/leaks/groups tells them"
    return Problem(422, f"group: {detail}.", [Fault("group", detail)])


def _lost() -> ColumnElement[float]:
    """What a leak took since it began and still holds: its rate is the net average since then."""
    grown = leaks.c.rate_per_hour * (cast(leaks.c.last_seen_us - leaks.c.started_us, Float) / HOUR)
    held = cast(leaks.c.handles, Float)
    return case((grown < 0, 0.0), (grown > held, held), else_=grown)


def _grouped(connection: Connection, wanted: LeakFilter, now_us: int) -> Subquery:
    # where all are open it isn't asked again of each, and nor is what follows from the rest: it is most of the cost
    is_open = true() if wanted.status == "open" else leaks.c.state == "leaking"

    def of_open(value: ColumnElement[Any]) -> ColumnElement[Any]:
        return value if wanted.status == "open" else case((is_open, value))

    def total(value: ColumnElement[Any]) -> ColumnElement[float]:
        return func.coalesce(func.sum(of_open(cast(value, Float))), 0.0)

    summed = (
        select(
            leaks.c.program_key,
            leaks.c.type,
            leaks.c.object,
            func.min(leaks.c.program).label("program"),
            func.count(leaks.c.host_id.distinct()).label("hosts"),
            func.count().label("leaks"),
            func.count(of_open(literal(1))).label("open"),
            func.count(case((and_(is_open, leaks.c.phase == "at_limit"), 1))).label("at_limit"),
            func.count(case((leaks.c.triage == "acknowledged", 1))).label("acknowledged"),
            func.count(case((triage_at(now_us) == "muted", 1))).label("muted"),
            total(_lost()).label("lost"),
            total(leaks.c.handles).label("handles"),
            total(leaks.c.rate_per_hour).label("rate_per_hour"),
            func.min(leaks.c.started_us).label("first_seen_us"),
            func.min(leaks.c.detected_us).label("first_detected_us"),
            func.max(leaks.c.detected_us).label("last_detected_us"),
            func.min(of_open(leaks.c.exhausted_us)).label("exhausted_us"),
        )
        .where(*conditions_of(connection, wanted, now_us))
        .group_by(leaks.c.program_key, leaks.c.type, leaks.c.object)
        .cte("summed")
        .prefix_with("MATERIALIZED")  # which a sharded database gathers first: what is asked of it then is up to us
    )
    found = summed.c
    return select(
        summed,
        func.count().over().label("groups"),
        (found.leaks - found.open).label("resolved"),
        (found.leaks - found.acknowledged - found.muted).label("new"),
    ).subquery()


def count_groups(connection: Connection, wanted: LeakFilter, now_us: int) -> int:
    each = select(leaks.c.program_key, leaks.c.type, leaks.c.object).where(*conditions_of(connection, wanted, now_us))
    found = each.distinct().cte("each_group").prefix_with("MATERIALIZED")
    return connection.scalar(select(func.count()).select_from(found)) or 0


def _sorts(grouped: Subquery, *, descends: bool) -> Mapping[str, Sequence[tuple[ColumnElement[Any], type]]]:
    found = grouped.c

    def whole(value: ColumnElement[Any]) -> ColumnElement[Any]:
        """In thousandths, so that sums taken in another order compare as the same."""
        return cast(func.round(case((value > _MOST, _MOST), else_=value) * 1_000), BigInteger)

    known = func.coalesce(found.exhausted_us, literal(-FAR if descends else FAR, BigInteger))
    left = case((found.at_limit > 0, literal(0, BigInteger)), else_=known)
    return {
        "hosts": ((found.hosts, int), (found.open, int)),
        "leaks": ((found.leaks, int),),
        "lost": ((whole(found.lost), int),),
        "handles": ((whole(found.handles), int),),
        "rate": ((whole(found.rate_per_hour), int),),
        "first_seen": ((found.first_seen_us, int),),
        "detected": ((found.last_detected_us, int),),
        "left": ((left, int),),
        "program": (),
    }


GROUP_SORTS = ("hosts", "leaks", "lost", "handles", "rate", "first_seen", "detected", "left", "program")


def leak_groups(
    connection: Connection, wanted: LeakFilter, *, sort: str = "-hosts", limit: int, cursor: str | None, now_us: int
) -> GroupPage:
    """A page of groups. `sort` is one of GROUP_SORTS, with `-` before it for descending; Problem 422 for a bad
    cursor."""
    grouped = _grouped(connection, wanted, now_us)
    found, descends = grouped.c, sort.startswith("-")
    keys = [Key(column, kind, descends) for column, kind in _sorts(grouped, descends=descends)[sort.removeprefix("-")]]
    keys.append(Key(found.program_key, str, sort == "-program"))
    for name in (found.type, found.object):  # one without a type is another than one whose type is empty
        keys += [Key(case((name.is_(None), 0), else_=1), int, False), Key(func.coalesce(name, ""), str, False)]
    rows, next_cursor = read_page(connection, select(grouped), keys, sort=sort, limit=limit, cursor=cursor)
    total = rows[0].groups if rows else count_groups(connection, wanted, now_us)
    conditions = conditions_of(connection, wanted, now_us)
    return GroupPage(
        rows=rows,
        signatures=signatures_of_groups(connection, rows, conditions, wanted.types),
        total=total,
        next=next_cursor,
    )
