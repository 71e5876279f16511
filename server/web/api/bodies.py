"""From the store's rows to what REST answers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from server.analysis.facts import Item
from server.analysis.frames import ABSENT, UNKNOWN, Frame, Ints
from server.analysis.instants import maybe_rfc3339, rfc3339
from server.analysis.names import program_key
from server.analysis.readings import MOST_SUM, Beyond, Machine, Unread
from server.analysis.series import Chart
from server.analysis.signatures import Match
from server.store.fleet import is_reporting
from server.web.api import schema


def os_body(row: Any) -> schema.OsBody:
    return schema.OsBody(row.os_family, row.os_name, row.os_version, row.service_pack)


def levels(found: Iterable[tuple[str, str]]) -> list[schema.LevelBody]:
    return [schema.LevelBody(signature, level) for signature, level in found]


def collector_body(row: Any) -> schema.CollectorBody:
    said: Mapping[str, Any] = row.collector
    return schema.CollectorBody(said.get("version"), said.get("source"), row.interval_s, said.get("cost"))


def host_body(row: Any, signatures: Sequence[tuple[str, str]], now_us: int) -> schema.HostBody:
    return schema.HostBody(
        name=row.name,
        os=os_body(row),
        last_seen_at=maybe_rfc3339(row.shown_us),
        reporting=is_reporting(row, now_us),
        handles=row.handles,
        processes=row.processes,
        coverage=coverage_body(row),
        worst_program=row.worst_program,
        worst_handles=row.worst_handles,
        leaks=row.leaks,
        signatures=levels(signatures),
        labels=row.labels,
        collector=collector_body(row),
    )


def machine_of(row: Any) -> Machine | None:
    machine = Machine() if row.machine is None else msgspec.convert(row.machine, Machine)
    return None if machine == Machine() else machine


def unread_of(row: Any) -> Unread:
    beyond = Beyond() if row.machine is None else msgspec.convert(row.machine, Beyond)
    return beyond.unread or Unread()


def coverage_body(row: Any) -> schema.CoverageBody:
    unread = unread_of(row)
    return schema.CoverageBody(row.processes, row.denied, unread.types_denied, unread.unnamed, unread.broken)


def item_body(item: Item) -> schema.ItemBody:
    return schema.ItemBody(item.name, item.vendor, item.version)


def match_body(match: Match, host: Any) -> schema.MatchBody:
    """`host`: a row with the host's name and system."""
    return schema.MatchBody(
        host=host.name,
        os=os_body(host),
        level=match.level,
        applies_to=match.applies_to,
        program=match.program,
        pid=match.pid,
        handles=match.handles,
        distinct=match.distinct,
        estimated=match.estimated,
        rate_per_hour=_rounded(match.rate_per_hour),
        first_seen_at=maybe_rfc3339(match.first_seen_us),
        last_seen_at=maybe_rfc3339(match.last_seen_us),
        peak=match.peak,
        software=None if match.software is None else item_body(match.software),
        changed=match.changed,
        programs=[
            schema.MatchedProgram(
                program=one.program,
                pid=one.pid,
                level=one.level,
                handles=one.handles,
                distinct=one.distinct,
                estimated=one.estimated,
                rate_per_hour=_rounded(one.rate_per_hour),
            )
            for one in match.programs
        ],
    )


def process_bodies(frame: Frame) -> list[schema.ProcessBody]:
    """The processes of a frame of one column, most handles first."""
    types: dict[int, dict[str, int]] = {}
    for row, (owner, kind) in enumerate(frame.type_rows):
        if frame.types.last[row, 0] >= 0:
            types.setdefault(owner, {})[kind] = int(frame.types.last[row, 0])
    objects: dict[int, list[schema.ObjectBody]] = {}
    for row, (owner, kind, name) in enumerate(frame.object_rows):
        count = int(frame.objects.last[row, 0])
        if count >= 0:
            distinct = int(frame.distinct[row, 0])
            body = schema.ObjectBody(
                kind, name, count, None if distinct < 0 else distinct, bool(frame.estimated[row, 0])
            )
            objects.setdefault(owner, []).append(body)
    present = [row for row in range(len(frame.processes)) if frame.handles.last[row, 0] != ABSENT]
    present.sort(key=lambda row: (-int(frame.handles.last[row, 0]), frame.processes[row].pid))
    return [
        _process_body(frame, row, types.get(row), objects.get(row, [] if frame.looked[row, 0] else None))
        for row in present
    ]


def _process_body(
    frame: Frame, row: int, types: dict[str, int] | None, objects: list[schema.ObjectBody] | None
) -> schema.ProcessBody:
    process = frame.processes[row]
    handles, limit = int(frame.handles.last[row, 0]), int(frame.limits[row, 0])
    return schema.ProcessBody(
        pid=process.pid,
        started_at=maybe_rfc3339(process.started_us),
        name=process.name,
        program=process.program,
        user=process.user,
        exe=process.exe,
        version=process.version,
        handles=None if handles < 0 else handles,
        limit=None if limit < 0 else limit,
        types=types,
        objects=objects,
    )


def program_bodies(processes: Sequence[schema.ProcessBody], *, fold: bool, most: int) -> list[schema.ProgramBody]:
    """The programs of a snapshot, most handles first."""
    found: dict[str, schema.ProgramBody] = {}
    for process in processes:
        key = program_key(process.program, fold=fold)
        one = found.setdefault(key, schema.ProgramBody(process.program, None, 0))
        one.processes += 1
        if process.handles is not None:
            one.handles = min((one.handles or 0) + process.handles, MOST_SUM)
    return sorted(found.values(), key=lambda one: (-(one.handles or -1), one.program))[:most]


def series_body(chart: Chart) -> schema.SeriesList:
    return schema.SeriesList(
        times=[rfc3339(time) for time in chart.times.tolist()],
        series=[
            schema.SeriesBody(line.key, _known(line.last), _known(line.low), _known(line.high)) for line in chart.lines
        ],
        left_out=chart.left_out,
    )


def series_json(chart: Chart) -> bytes:
    """The same as JSON, as many lines are encoded: without an object for a gap, and what is exact but once."""
    lines = []
    for line in chart.lines:
        last = _array(line.last)
        low = last if line.low is line.last else _array(line.low)
        high = last if line.high is line.last else _array(line.high)
        lines.append({"key": line.key, "last": last, "min": low, "max": high})
    times = [rfc3339(time) for time in chart.times.tolist()]
    return msgspec.json.encode({"times": times, "series": lines, "left_out": chart.left_out})


def _array(values: Ints) -> msgspec.Raw:
    """Counts are never negative, so that a minus stands in gaps alone, which are all UNKNOWN."""
    return msgspec.Raw(msgspec.json.encode(values.tolist()).replace(b"-1", b"null"))


def _known(values: Ints) -> list[int | None]:
    return [None if value <= UNKNOWN else value for value in values.tolist()]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
