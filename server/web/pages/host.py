"""`/hosts/{host}`: what is wrong with it, its handles over time, its processes at a moment, what it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from server.access.principals import Principal
from server.analysis.catalogue import Signature
from server.analysis.facts import Item
from server.analysis.frames import UNKNOWN, Frame, union, with_last_looks
from server.analysis.instants import DAY, MINUTE, SECOND, from_us, rfc3339
from server.analysis.names import folds_case, program_key
from server.analysis.readings import Machine
from server.analysis.series import Chart, Line, Query
from server.analysis.signatures import Match
from server.store import fleet, history, judgements
from server.store.database import Database
from server.store.leak_signatures import types_of
from server.store.leaks import LeakFilter, list_leaks
from server.web import guard, queries, views
from server.web.api import bodies, schema
from server.web.api.hosts import require_host
from server.web.colours import assign
from server.web.pages import asking, overlays
from server.web.pages import shell as shells
from server.web.pages.events import host_events
from server.web.pages.findings import findings, worst_first
from server.web.pages.fleet import coverage
from server.web.pages.leak_rows import leak_row
from server.web.pages.processes import process_table
from server.web.render import segment as escaped
from server.web.views_chart import Overlay

router = APIRouter(include_in_schema=False)

POINTS = 800
LINES = 8
MOST_LEAKS = 20
LOOK_BACK = 30 * MINUTE  # for what a process held by type and name when it was last looked at
_MOST_COST = 10**12  # beyond it what a collector says of itself is no measure of anything
SPLITS: Mapping[str, views.By] = {"total": "total", "program": "program", "type": "type", "process": "process"}


@dataclass(frozen=True, slots=True)
class _Asked:
    """The page's query, resolved to what is shown."""

    by: views.By
    program: str | None
    range: str
    from_us: int
    to_us: int


@router.get("/hosts/{host}")
def host_page(request: Request, host: str, principal: Annotated[Principal, Depends(guard.reader)]) -> Response:
    query = _query(request)
    at_us = queries.moment(query.at, "at", zone_needed=False)
    now_us = guard.now_us()
    catalogue: Mapping[str, Signature] = request.app.state.catalogue
    database: Database = request.app.state.database
    with database.read() as connection:
        row = require_host(connection, host)
        oldest_us = history.oldest_us(connection, row.host_id)
        asked = _resolve(query, row, now_us, oldest_us)
        drawn = _draw(connection, row, asked)
        leaks = list_leaks(
            connection,
            LeakFilter(host_id=row.host_id, types=types_of(catalogue)),
            sort="left",
            limit=MOST_LEAKS,
            cursor=None,
            now_us=now_us,
        )
        found = judgements.matches_of(connection, row.host_id)
        inventory = judgements.inventory_of(connection, row.host_id)
        asked_for = asking.of_names(connection, row, found, catalogue)
        moment = row.shown_us if at_us is None else at_us
        events = host_events(connection, row, now_us)
        frame = None if moment is None else processes_at(connection, row.host_id, moment)
        simulated = fleet.has_simulated(connection)
    facts = _facts(row, now_us)
    colours = assign(str(line.key["program"]) for line in drawn.lines) if asked.by == "program" else {}
    processes = [] if frame is None else bodies.process_bodies(frame)
    view = views.HostView(
        shell=shells.shell(request, principal, nav="fleet", simulated=simulated),
        query=query,
        host=facts,
        chart=_chart(row, asked, drawn, colours=colours, processes=processes, leaks=leaks.rows, oldest_us=oldest_us),
        processes=process_table(
            processes,
            query,
            time_us=None if frame is None else int(frame.shown[0]),
            growing=leaks.rows,
            colours=colours,
            api=f"/api/v1/hosts/{escaped(row.name)}/processes",
            fold=folds_case(row.os_family),
        ),
        findings=worst_first(
            (*asked_for, *findings(row, facts, leaks.rows, found, processes, catalogue=catalogue, now_us=now_us))
        ),
        leaks=tuple(
            leak_row(one, leaks.signatures.get((one.host_id, one.leak_no), []), catalogue, now_us=now_us)
            for one in leaks.rows
        ),
        matches=tuple(match_view(signature, match, catalogue, row) for signature, match in found.items()),
        software=_software(inventory, query.software),
        software_total=sum(len(items) for items in inventory.values()),
        inventory_at=shells.moment(row.inventory_us),
        events=events,
    )
    return shells.answer(request, view)


def _query(request: Request) -> views.HostQuery:
    said = {
        name: queries.plain(request.query_params.get(name.rstrip("_")), name.rstrip("_"))
        for name in views.HostQuery.__slots__
    }
    return views.HostQuery(**said)


def _resolve(query: views.HostQuery, row: Any, now_us: int, oldest_us: int | None) -> _Asked:
    """A range reaches back from now, or from the newest snapshot of a host that has fallen silent. Where none is asked
    for it is a day, or less for a host that is younger."""
    if query.by and query.by not in SPLITS:
        raise queries.bad("by", f"must be one of {', '.join(SPLITS)}")
    if query.range and query.range not in views.RANGES:
        raise queries.bad("range", f"must be one of {', '.join(views.RANGES)}")
    usual: views.By = "total" if row.handles is not None or row.shown_us is None else "program"  # if none is known
    by: views.By = SPLITS[query.by] if query.by else "process" if query.program else usual
    if by == "process" and not query.program:
        by = "program"
    end_us: int = row.shown_us if fleet.is_silent(row, now_us) else now_us
    from_us = queries.moment(query.from_, "from", zone_needed=False)
    to_us = queries.moment(query.to, "to", zone_needed=False)
    if from_us is None and to_us is None:
        chosen = query.range or _fitting(end_us, oldest_us)
        return _Asked(by, query.program or None, chosen, end_us - views.RANGES[chosen] * SECOND, end_us)
    to_us = end_us if to_us is None else to_us
    from_us = to_us - DAY if from_us is None else from_us
    if from_us >= to_us:
        raise queries.bad("from", "must lie before to")
    return _Asked(by, query.program or None, "", from_us, to_us)


def _fitting(end_us: int, oldest_us: int | None) -> str:
    """The shortest range that holds all of the history, a day at most."""
    age_us = DAY if oldest_us is None else end_us - oldest_us
    return next((name for name in ("1h", "6h") if age_us <= views.RANGES[name] * SECOND), "24h")


def _draw(connection: Connection, row: Any, asked: _Asked) -> Chart:
    query = Query(by=asked.by, program=asked.program, top=LINES, points=POINTS, fold=folds_case(row.os_family))
    return history.read_chart(connection, row.host_id, asked.from_us, asked.to_us, query)


def _chart(
    row: Any,
    asked: _Asked,
    drawn: Chart,
    *,
    colours: Mapping[str, int],
    processes: Sequence[schema.ProcessBody],
    leaks: Sequence[Any],
    oldest_us: int | None,
) -> views.Chart:
    parameters = {
        "from": rfc3339(asked.from_us // SECOND * SECOND),
        "to": rfc3339(-(-asked.to_us // SECOND) * SECOND),
        "by": asked.by,
        **({"program": asked.program} if asked.program else {}),
        "top": LINES,
        "points": POINTS,
    }
    known = [line for line in drawn.lines if (line.high >= 0).any()]
    others = assign(_label(line) for line in known)
    limits = {one.limit for one in processes if one.limit is not None and one.program == asked.program}
    overlay = _overlay(row, asked, processes, leaks)
    return views.Chart(
        by=asked.by,
        range=asked.range,
        from_=from_us(asked.from_us),
        to=from_us(asked.to_us),
        series_url=f"/api/v1/hosts/{escaped(row.name)}/series?{urlencode(parameters)}",
        program=asked.program,
        legend=tuple(
            views.LegendRow(
                key=line.key,
                label=_label(line),
                colour=colours.get(str(line.key.get("program")), others[_label(line)]) if line.key else 0,
                last=newest_of(line),
                min=int(line.low[line.low >= 0].min()) if (line.low >= 0).any() else None,
                max=int(line.high.max()),
            )
            for line in known
        ),
        limits=(views.LimitLine(label="limit of a process", value=min(limits)),) if limits else (),
        history_from=shells.moment(oldest_us),
        overlay=overlay,
        ahead_s=overlays.ahead_s(overlay, span_s=(asked.to_us - asked.from_us) // SECOND, to_s=asked.to_us // SECOND),
    )


def _overlay(row: Any, asked: _Asked, processes: Sequence[schema.ProcessBody], leaks: Sequence[Any]) -> Overlay:
    """The leaks of the chart's program, or when each of the host's began."""
    fold = folds_case(row.os_family)
    key = None if asked.program is None else program_key(asked.program, fold=fold)
    wanted = [one for one in leaks if key is None or program_key(one.program, fold=fold) == key]
    running = [one for one in processes if program_key(one.program, fold=fold) == key]
    return overlays.of_host(wanted, program=asked.program, held=running[0].handles if len(running) == 1 else None)


def _label(line: Line) -> str:
    if "pid" in line.key:
        return f"{line.key['program']} {line.key['pid']}"
    return str(line.key.get("program") or line.key.get("type") or "Total")


def newest_of(line: Line) -> int | None:
    known = line.last[line.last > UNKNOWN]
    return int(known[-1]) if len(known) else None


def processes_at(connection: Connection, host_id: int, at_us: int) -> Frame | None:
    """One column: the processes at a moment; where their types or objects were not looked at just then, those of their
    last look in the half hour before it."""
    frame = history.frame_at(connection, host_id, at_us)
    if frame is None:
        return None
    time_us = int(frame.shown[0])
    older = history.read_frames(connection, host_id, time_us - LOOK_BACK, time_us)
    alike = [one for one in older if one.step_s == frame.step_s]
    joined = union(alike) if alike else frame
    return with_last_looks(joined, int(joined.shown.argmax()))


def _facts(row: Any, now_us: int) -> views.HostFacts:
    said = row.collector
    machine = bodies.machine_of(row)
    return views.HostFacts(
        name=row.name,
        os=shells.os_view(row),
        simulated=shells.is_simulated(row.labels),
        silent=fleet.is_silent(row, now_us),
        booted_at=shells.moment(row.booted_us),
        last_seen_at=shells.moment(row.shown_us),
        handles=row.handles,
        processes=row.processes,
        coverage=coverage(row),
        labels={key: value for key, value in row.labels.items() if key != "simulated"},
        collector=views.Collector(
            version=said.get("version"),
            source=said.get("source"),
            interval_s=row.interval_s,
            cost=_cost(said.get("cost"), row.interval_s),
        ),
        skew_s=row.skew_s or None,
        open_files=_open_files(machine),
        inotify=_inotify(machine),
    )


def _open_files(machine: Machine | None) -> views.Share | None:
    table = machine.open_files if machine else None
    return None if table is None else views.Share(used=table.used, limit=table.limit)


def _inotify(machine: Machine | None) -> views.Share | None:
    """Of the user who has the most."""
    if machine is None or machine.inotify is None or not machine.inotify.users:
        return None
    most = max(machine.inotify.users, key=lambda one: one.instances)
    return views.Share(used=most.instances, limit=machine.inotify.limit, user=most.user)


def _cost(said: Mapping[str, Any] | None, interval_s: int | None) -> views.CollectorCost | None:
    """What the collector says it costs; only numbers that can be are believed."""
    if not said:
        return None

    def number(name: str) -> float | None:
        value = said.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_COST:
            return None
        return float(value)

    cpu_ms, rss_mb, read_ms = number("cpu_ms"), number("rss_mb"), number("read_ms")
    return views.CollectorCost(
        cpu_percent=cpu_ms / (interval_s * 10) if cpu_ms is not None and interval_s else None,
        rss_bytes=None if rss_mb is None else int(rss_mb * 2**20),
        reading_s=None if read_ms is None else read_ms / 1_000,
    )


def match_view(signature_id: str, match: Match, catalogue: Mapping[str, Signature], row: Any) -> views.Match:
    known = catalogue.get(signature_id)
    title = signature_id
    if known is not None:
        number = f" ({known.said.references[0].id})" if known.said.references else ""
        title = f"{known.said.short_name}{number}"
    return views.Match(
        id=signature_id,
        title=title,
        level=match.level,
        program=match.program,
        handles=match.handles,
        distinct=match.distinct,
        rate_per_hour=match.rate_per_hour,
        first_seen_at=shells.moment(match.first_seen_us),
        last_seen_at=shells.moment(match.last_seen_us),
        applies_to=shells.on_list(match.applies_to, row),
        changed=match.changed,
    )


def _software(inventory: Mapping[str, Sequence[Item]], wanted: str) -> tuple[views.Software, ...]:
    kinds = {"software": "software", "services": "service", "drivers": "driver"}
    needle = wanted.casefold()
    return tuple(
        views.Software(name=item.name, vendor=item.vendor, version=item.version, kind=cast(Any, kinds[kind]))
        for kind, items in inventory.items()
        for item in items
        if needle in f"{item.name}\n{item.vendor or ''}".casefold()
    )
