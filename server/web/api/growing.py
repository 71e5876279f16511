"""REST: which programs of the fleet grew fastest."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from server.analysis.instants import rfc3339
from server.analysis.slopes import MOST
from server.store.database import Database
from server.store.growing import Growing, fastest_programs
from server.web import guard, queries
from server.web.answers import csv_answer, json_answer, wants_csv
from server.web.api import schema
from server.web.api.described import answers

router = APIRouter(prefix="/api/v1/programs", tags=["hosts"], dependencies=[Depends(guard.reader)])

_COLUMNS = ("host", "program", "rate_per_hour", "handles", "day")


@router.get("/growing", responses=answers(schema.GrowingList, csv=True))
def growing(request: Request, limit: Annotated[str | None, Query(description=f"at most {MOST}")] = None) -> Response:
    """The programs that grew fastest over the last whole day (in UTC) of their host, by the line that fits their
    handles best. No verdict: what leaks is among the leaks. Also as CSV."""
    most = queries.whole(limit, "limit", default=MOST, least=1, most=MOST) or MOST
    database: Database = request.app.state.database
    with database.read() as connection:
        items = [_body(one) for one in fastest_programs(connection, most)]
    if wants_csv(request):
        cells = [[one.host, one.program, one.rate_per_hour, one.handles, one.day] for one in items]
        return csv_answer(_COLUMNS, cells, name="growing", next_cursor=None)
    return json_answer(schema.GrowingList(items))


def _body(one: Growing) -> schema.GrowingBody:
    return schema.GrowingBody(
        host=one.host,
        program=one.slope.program,
        rate_per_hour=one.slope.rate_per_hour,
        handles=one.slope.handles,
        day=rfc3339(one.day_us),
    )
