"""`/hosts/{host}/compare`: two moments of one program side by side, what grew most first."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from server.access.principals import Principal
from server.analysis.comparing import Change, Held
from server.analysis.instants import from_us, rfc3339
from server.store import fleet
from server.store.database import Database
from server.web import guard, views_import
from server.web.api.compare import comparison, wanted_of
from server.web.pages import shell as shells
from server.web.render import segment

router = APIRouter(include_in_schema=False)

FIRST = 200


@router.get("/hosts/{host}/compare")
def compare_page(
    request: Request,
    host: str,
    principal: Annotated[Principal, Depends(guard.reader)],
    program: str | None = None,
    pid: str | None = None,
    a: str | None = None,
    b: str | None = None,
) -> Response:
    database: Database = request.app.state.database
    wanted = wanted_of(program, pid, a, b)
    found = comparison(database, host, wanted)
    with database.read() as connection:
        simulated = fleet.has_simulated(connection)
    whom = {"program": wanted.program or "", "pid": "" if wanted.pid is None else str(wanted.pid)}
    whom = {name: value for name, value in whom.items() if value}
    times = {name: rfc3339(one.time_us) for name, one in (("a", found.a), ("b", found.b)) if one is not None}
    api = f"/api/v1/hosts/{segment(found.row.name)}/compare"
    return shells.answer(
        request,
        views_import.CompareView(
            shell=shells.shell(request, principal, nav="fleet", simulated=simulated),
            host=found.row.name,
            program=wanted.program,
            pid=wanted.pid,
            moments=tuple(rfc3339(moment) for moment in found.moments),
            a=_moment(found.a),
            b=_moment(found.b),
            types=_changes(found.types),
            objects=_changes(found.objects[:FIRST]),
            objects_total=len(found.objects),
            json_url=f"{api}?{urlencode({**whom, **times})}",
            csv_url=f"{api}?{urlencode({**whom, **times, 'format': 'csv'})}",
        ),
    )


def _moment(found: Held | None) -> views_import.CompareMoment | None:
    if found is None:
        return None
    return views_import.CompareMoment(
        time=from_us(found.time_us),
        value=rfc3339(found.time_us),
        handles=found.handles,
        pids=found.pids,
        types=found.types is not None,
        objects=found.objects is not None,
    )


def _changes(found: Sequence[Change]) -> tuple[views_import.CompareRow, ...]:
    return tuple(
        views_import.CompareRow(
            type=one.type, name=one.name, before=one.before, after=one.after, difference=one.difference
        )
        for one in found
    )
