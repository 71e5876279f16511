"""`/settings/detection`: which programs are spoken of sooner or later than others."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from server.access.principals import Principal
from server.analysis.instants import from_us
from server.problems import Problem
from server.store import fleet, leak_counts
from server.store.database import Database
from server.store.sensitivities import add_sensitivity, hidden_by, remove_sensitivity, sensitivity_rows
from server.web import guard, queries, views_leaks
from server.web.pages import shell as shells
from server.web.render import render, url

router = APIRouter(include_in_schema=False)

PATH = "/settings/detection"
_LIKE: Mapping[str, str] = {
    "quiet": "is not reported any more",
    "low": "is reported when it grew two days before as well, or stands at its limit",
    "normal": "is judged as all others",
    "high": "is reported as soon as it grows for a day on end",
}


@router.get(PATH)
def detection_page(request: Request, principal: Annotated[Principal, Depends(guard.reader)]) -> Response:
    """The form is filled in as the address says."""
    said = {name: queries.plain(request.query_params.get(name), name) for name in ("program", "label", "level")}
    form = views_leaks.SensitivityForm(**(said | {"level": said["level"] or "quiet"}))
    return _page(request, principal, form, removed=request.query_params.get("removed") == "1")


@router.post(PATH)
async def add(request: Request, principal: Annotated[Principal, Depends(guard.operator)]) -> Response:
    """Back to the page, which says what holds now; what is wrong is said at the form."""
    form = await request.form()
    said = {name: str(form.get(name) or "").strip() for name in ("program", "label", "level")}
    try:
        number = await run_in_threadpool(_add, request.app.state.database, said, principal)
    except Problem as problem:
        fault = problem.errors[0] if problem.errors else None
        typed = views_leaks.SensitivityForm(
            **{name: value[:1_024] for name, value in said.items()},
            error=f"The {fault.path} {fault.detail}." if fault else problem.detail,
            fault=fault.path if fault else "",
        )
        return await run_in_threadpool(_page, request, principal, typed, status=problem.status)
    return RedirectResponse(f"{PATH}?added={number}", 303)


@router.post(f"{PATH}/remove")
async def remove(request: Request, principal: Annotated[Principal, Depends(guard.operator)]) -> Response:
    """Back to the page, whose form then has what was removed, to add it again."""
    del principal
    form = await request.form()
    number = queries.whole(str(form.get("id") or ""), "id", default=None, least=0, most=2**31 - 1)
    query = await run_in_threadpool(_remove, request.app.state.database, -1 if number is None else number)
    return RedirectResponse(url(PATH, query), 303)


def _add(database: Database, said: Mapping[str, str], principal: Principal) -> int:
    label = queries.label(said["label"]) if said["label"] else None
    with database.write() as connection:
        row = add_sensitivity(
            connection, said["program"], label, said["level"], by=principal.name, now_us=guard.now_us()
        )
    number: int = row.sensitivity_id
    return number


def _remove(database: Database, number: int) -> Mapping[str, str]:
    with database.write() as connection:
        row = next((row for row in sensitivity_rows(connection) if row.sensitivity_id == number), None)
        if row is None:
            return {}
        remove_sensitivity(connection, number)
    return {"program": row.program, "label": _label(row.label_key, row.label_value), "level": row.level, "removed": "1"}


def _label(key: str | None, value: str | None) -> str:
    return "" if key is None else f"{key}:{value}"


def _page(
    request: Request,
    principal: Principal,
    form: views_leaks.SensitivityForm,
    *,
    removed: bool = False,
    status: int = 200,
) -> Response:
    database: Database = request.app.state.database
    with database.read() as connection:
        hidden = hidden_by(connection)
        rows = tuple(
            views_leaks.SensitivityRow(
                id=row.sensitivity_id,
                program=row.program,
                level=row.level,
                label=_label(row.label_key, row.label_value),
                created_at=from_us(row.created_us),
                created_by=row.created_by,
                hidden=hidden.get(row.sensitivity_id, 0),
            )
            for row in sensitivity_rows(connection)
        )
        simulated = fleet.has_simulated(connection)
        programs = tuple(leak_counts.leaking_names(connection))
        labels = tuple(f"{key}:{value}" for key, value, _ in fleet.label_choices(connection))
    added = next((row for row in rows if str(row.id) == request.query_params.get("added")), None)
    view = views_leaks.DetectionView(
        shell=shells.shell(request, principal, nav="", simulated=simulated),
        rows=rows,
        form=form,
        programs=programs,
        labels=labels,
        may_change=principal.may_operate(),
        said=_removed(form) if removed and form.program else None if added is None else _saved(added),
        added=added,
    )
    return HTMLResponse(render(view), status)


def _saved(row: views_leaks.SensitivityRow) -> str:
    return f"Saved: {_whom(row.program, row.label)} {_LIKE[row.level]}."


def _removed(form: views_leaks.SensitivityForm) -> str:
    return f"Removed the setting of {_whom(form.program, form.label)}. To have it back, add it again."


def _whom(program: str, label: str) -> str:
    return f"{program} on hosts with {label}" if label else program
