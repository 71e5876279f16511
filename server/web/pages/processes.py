"""The process table of a host page: filtered, sorted, cut."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from server.analysis.instants import from_us, rfc3339
from server.analysis.names import program_key
from server.web import queries, views
from server.web.api import schema

FIRST = 60
_SORTS = ("program", "pid", "handles", "growth", "limit", "used", "user", "started")


def process_table(
    processes: Sequence[schema.ProcessBody],
    query: views.HostQuery,
    *,
    time_us: int | None,
    growing: Sequence[Any],
    colours: Mapping[str, int],
    api: str,
    fold: bool,
) -> views.Processes:
    """`growing`: the host's rows of leaks; `colours` by program; `fold` compares programs without case."""
    grows = {program_key(one.program, fold=fold): one for one in growing}
    coloured = {program_key(program, fold=fold): colour for program, colour in colours.items()}
    keys = [program_key(one.program, fold=fold) for one in processes]
    rows = [_row(one, grows.get(key), coloured.get(key)) for one, key in zip(processes, keys, strict=True)]
    needle = query.search.casefold()
    rows = [row for row in rows if needle in f"{row.program}\n{row.user or ''}".casefold()]
    order = queries.order(query.sort, _SORTS, "-handles")
    rows.sort(key=_key(order.removeprefix("-")), reverse=order.startswith("-"))
    parameters = {"at": rfc3339(time_us)} if time_us is not None else {}
    return views.Processes(
        time=None if time_us is None else from_us(time_us),
        rows=tuple(rows if query.all else rows[:FIRST]),
        total=len(rows),
        json_url=f"{api}?{urlencode(parameters)}",
        csv_url=f"{api}?{urlencode({**parameters, 'format': 'csv'})}",
    )


def _row(process: schema.ProcessBody, growing: Any, colour: int | None) -> views.ProcessRow:
    types = None
    if process.types is not None:
        ranked = sorted(process.types.items(), key=lambda pair: -pair[1])
        types = tuple(views.TypeCount(type=kind, count=count) for kind, count in ranked if count)
    objects = None
    if process.objects is not None:
        objects = tuple(
            views.ObjectCount(
                type=one.type, name=one.name, count=one.count, distinct=one.distinct, estimated=one.estimated
            )
            for one in sorted(process.objects, key=lambda one: -one.count)
        )
    return views.ProcessRow(
        pid=process.pid,
        program=process.program,
        started_at=None if process.started_at is None else datetime.fromisoformat(process.started_at),
        user=process.user,
        version=process.version,
        handles=process.handles,
        limit=process.limit,
        types=types,
        objects=objects,
        rate_per_hour=growing.rate_per_hour if growing else None,
        growing_since=from_us(growing.started_us) if growing else None,
        colour=colour,
    )


def _key(order: str) -> Callable[[views.ProcessRow], tuple[Any, ...]]:
    def used(row: views.ProcessRow) -> float:
        return row.handles / row.limit if row.handles is not None and row.limit else -1.0

    keys: Mapping[str, Callable[[views.ProcessRow], Any]] = {
        "program": lambda row: row.program.casefold(),
        "pid": lambda row: row.pid,
        "handles": lambda row: -1 if row.handles is None else row.handles,
        "growth": lambda row: row.rate_per_hour or 0.0,
        "limit": lambda row: -1 if row.limit is None else row.limit,
        "used": used,
        "user": lambda row: (row.user or "").casefold(),
        "started": lambda row: 0.0 if row.started_at is None else row.started_at.timestamp(),
    }
    return lambda row: (keys[order](row), row.program, row.pid)
