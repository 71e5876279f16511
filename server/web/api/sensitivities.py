"""REST: which programs are to be spoken of sooner or later than others."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from server.access.principals import Principal
from server.analysis.instants import rfc3339
from server.problems import Problem
from server.store import sensitivities as store
from server.store.database import Database
from server.web import guard, queries
from server.web.answers import json_answer
from server.web.api import schema
from server.web.api.described import answers, problem, takes
from server.web.api.sent import read_json

router = APIRouter(prefix="/api/v1/sensitivities", tags=["leaks"])


@router.get("", responses=answers(schema.SensitivityList), dependencies=[Depends(guard.reader)])
def list_sensitivities(request: Request) -> Response:
    """All of them, by program."""
    database: Database = request.app.state.database
    with database.read() as connection:
        rows = store.sensitivity_rows(connection)
    return json_answer(schema.SensitivityList([_body(row) for row in rows]))


@router.post(
    "",
    status_code=201,
    responses={
        **answers(None),
        201: answers(schema.SensitivityBody)[200],
        409: problem(f"There are {store.MOST} already"),
    },
    openapi_extra=takes(schema.SensitivityRequest),
)
async def add_sensitivity(request: Request, principal: Annotated[Principal, Depends(guard.operator)]) -> Response:
    """Set one; it takes the place of what was set for the same program and label, and holds from then on."""
    sent = await read_json(request, schema.SensitivityRequest)
    return json_answer(await run_in_threadpool(_add, request.app.state.database, sent, principal), status=201)


def _add(database: Database, sent: schema.SensitivityRequest, principal: Principal) -> schema.SensitivityBody:
    label = queries.label(sent.label) if sent.label else None
    with database.write() as connection:
        row = store.add_sensitivity(
            connection, sent.program, label, sent.level, by=principal.name, now_us=guard.now_us()
        )
    return _body(row)


@router.delete("/{sensitivity_id}", status_code=204, responses=answers(None, missing=True))
def remove_sensitivity(
    request: Request, sensitivity_id: str, principal: Annotated[Principal, Depends(guard.operator)]
) -> Response:
    """Take one back."""
    del principal
    number = int(sensitivity_id) if sensitivity_id.isascii() and sensitivity_id.isdigit() else 2**31
    database: Database = request.app.state.database
    with database.write() as connection:
        if number >= 2**31 or not store.remove_sensitivity(connection, number):
            raise Problem(404, f"There is no sensitivity {sensitivity_id[:40]!r}.")
    return Response(status_code=204)


def _body(row: Any) -> schema.SensitivityBody:
    return schema.SensitivityBody(
        id=row.sensitivity_id,
        program=row.program,
        label=None if row.label_key is None else f"{row.label_key}:{row.label_value}",
        level=row.level,
        created_at=rfc3339(row.created_us),
        created_by=row.created_by,
    )
