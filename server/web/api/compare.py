"""REST: two moments of one program or process side by side, by type and by name; the page shows the same."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from server.analysis.comparing import Change, Held, compare_names, compare_types, held, looked_at
from server.analysis.frames import ProcessKey
from server.analysis.instants import DAY, HOUR, rfc3339
from server.analysis.names import folds_case, program_key
from server.problems import Problem
from server.store import history
from server.store.database import Database
from server.web import guard, queries
from server.web.answers import csv_answer, json_answer, wants_csv
from server.web.api import schema
from server.web.api.described import answers
from server.web.api.hosts import require_host

router = APIRouter(prefix="/api/v1/hosts", tags=["hosts"])

Text = Annotated[str | None, Query()]

MOST_MOMENTS = 100
_REACHES = (HOUR, DAY, 30 * DAY)  # how far back moments are looked for; further only where nearer there are none
_SECTIONS = frozenset({"handles", "types", "objects"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom to compare, and when (shown times); None: the two newest moments at which types or names were told."""

    program: str | None
    pid: int | None
    a_us: int | None
    b_us: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`row`: the host; `moments`: shown times that can be compared, newest first, as far as they were looked for; None:
    there is no such moment."""

    row: Any
    wanted: Wanted
    moments: Sequence[int]
    a: Held | None
    b: Held | None
    types: Sequence[Change]
    objects: Sequence[Change]


@router.get(
    "/{host}/compare",
    responses=answers(schema.CompareBody, csv=True, missing=True),
    dependencies=[Depends(guard.reader)],
)
def compare(
    request: Request,
    host: str,
    program: Text = None,
    pid: Text = None,
    a: Annotated[str | None, Query(description="RFC 3339; the earlier moment, or at most one before it")] = None,
    b: Annotated[str | None, Query(description="RFC 3339; the later moment")] = None,
) -> Response:
    """What a program held at two moments, by type and by name, what grew most first. Left out, `a` and `b` are the two
    newest moments at which types or names were told. Also as CSV."""
    found = comparison(request.app.state.database, host, wanted_of(program, pid, a, b))
    if found.a is None or found.b is None:
        raise Problem(404, "There are no two moments to compare: types or names were told once at most.")
    if wants_csv(request):
        rows = [(one.type, one.name, one.before, one.after, one.difference) for one in (*found.types, *found.objects)]
        return csv_answer(("type", "name", "a", "b", "difference"), rows, name="compare", next_cursor=None)
    return json_answer(
        schema.CompareBody(
            host=found.row.name,
            program=found.wanted.program,
            pid=found.wanted.pid,
            a=_moment(found.a),
            b=_moment(found.b),
            types=[_change(one) for one in found.types],
            objects=[_change(one) for one in found.objects],
        )
    )


def wanted_of(program: str | None, pid: str | None, a: str | None, b: str | None) -> Wanted:
    """Problem 422 where neither program nor pid is given, or something can't be."""
    wanted = Wanted(
        program=queries.plain(program, "program") or None,
        pid=queries.whole(pid, "pid", default=None, least=0, most=2**53 - 1),
        a_us=queries.moment(a, "a"),
        b_us=queries.moment(b, "b"),
    )
    if wanted.program is None and wanted.pid is None:
        raise queries.bad("program", "say which program, or which process by its pid")
    return wanted


def comparison(database: Database, host: str, wanted: Wanted) -> Comparison:
    """Raises Problem 404 where there is no such host."""
    with database.read() as connection:
        row = require_host(connection, host)
        chosen = _chooser(wanted, fold=folds_case(row.os_family))
        newest_us = row.shown_us if row.shown_us is not None else 0
        end_us = newest_us if wanted.b_us is None else max(newest_us, wanted.b_us)
        moments = _moments(connection, row.host_id, end_us, chosen)
        b_us = wanted.b_us if wanted.b_us is not None else next(iter(moments), None)
        earlier = (moment for moment in moments if b_us is not None and moment < b_us)
        a_us = wanted.a_us if wanted.a_us is not None else next(earlier, None)
        a, b = (_held_at(connection, row.host_id, at, chosen) for at in (a_us, b_us))
    both = a is not None and b is not None
    types = compare_types(a, b) if both else []  # type: ignore[arg-type]  # as just checked
    objects = compare_names(a, b) if both else []  # type: ignore[arg-type]
    return Comparison(row, wanted, moments, a, b, types, objects)


def _chooser(wanted: Wanted, *, fold: bool) -> Callable[[ProcessKey], bool]:
    key = None if wanted.program is None else program_key(wanted.program, fold=fold)

    def chosen(process: ProcessKey) -> bool:
        if wanted.pid is not None and process.pid != wanted.pid:
            return False
        return key is None or program_key(process.program, fold=fold) == key

    return chosen


def _moments(connection: Connection, host_id: int, end_us: int, chosen: Callable[[ProcessKey], bool]) -> list[int]:
    """Those at which types or names were told, newest first."""
    found: set[int] = set()
    for reach in _REACHES:
        found = set(_told(connection, host_id, end_us - reach, end_us, chosen))
        if len(found) > 1:
            break
    return sorted(found, reverse=True)[:MOST_MOMENTS]


def _told(
    connection: Connection, host_id: int, from_us: int, to_us: int, chosen: Callable[[ProcessKey], bool]
) -> Iterator[int]:
    for frame in history.read_frames(connection, host_id, from_us, to_us, sections=_SECTIONS):
        yield from looked_at(frame, chosen)


def _held_at(
    connection: Connection, host_id: int, at_us: int | None, chosen: Callable[[ProcessKey], bool]
) -> Held | None:
    frame = None if at_us is None else history.frame_at(connection, host_id, at_us)
    return None if frame is None else held(frame, chosen)


def _moment(found: Held) -> schema.CompareMoment:
    return schema.CompareMoment(time=rfc3339(found.time_us), pids=list(found.pids), handles=found.handles)


def _change(one: Change) -> schema.ChangeBody:
    return schema.ChangeBody(one.type, one.name, one.before, one.after, one.difference)
