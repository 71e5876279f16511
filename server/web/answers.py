"""How answers leave: JSON, CSV that a spreadsheet can't be tricked with, problems, or a page for people."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.problems import Problem
from server.web.queries import bad

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def json_answer(body: Any, *, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def wants_csv(request: Request) -> bool:
    """Whether the list is asked for as CSV, by `format=csv` or by what is accepted."""
    wanted = request.query_params.get("format")
    if wanted is not None:
        if wanted not in ("csv", "json"):
            raise bad("format", "must be csv or json")
        return wanted == "csv"
    accepted = request.headers.get("accept", "")
    return "text/csv" in accepted and "application/json" not in accepted


def csv_answer(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, name: str, next_cursor: str | None
) -> Response:
    """Rows as CSV; the next page's cursor goes into a Link-like header, since CSV has no place for it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([_cell(name) for name in columns])
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    if next_cursor:
        headers["X-Next-Cursor"] = next_cursor
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def problem_answer(problem: Problem) -> Response:
    return Response(
        msgspec.json.encode(problem.body()),
        problem.status,
        media_type="application/problem+json",
        headers=dict(problem.headers),
    )


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"  # a name from a machine must not become a formula
    return value
