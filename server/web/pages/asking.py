"""What a host page asks a person to do: where only counts arrive, and they rise where a known leak is told by names."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from server.analysis.catalogue import Signature
from server.analysis.instants import DAY, from_us
from server.analysis.names import folds_case
from server.analysis.series import Line, Query
from server.analysis.signatures import Match
from server.store import history
from server.web import views
from server.web.render import number

IMPORTED = "import:"  # how the source of a host starts that is known by dump files
LEAST_RISE = 50
LEAST_SHARE = 0.1
POINTS = 200
WARNING = "handle monitors can hang NT 4.0 (Microsoft KB Q276525)"


def of_names(
    connection: Connection, row: Any, matches: Mapping[str, Match], catalogue: Mapping[str, Signature]
) -> tuple[views.Finding, ...]:
    """A finding for each program that a signature names, whose count rose while nobody looked at its objects. Only of
    hosts that dump files speak for, and of NT 4.0, where no collector can look by itself."""
    if row.shown_us is None or not (is_imported(row) or _is_nt_4(row)):
        return ()
    wanted = [one for name, one in catalogue.items() if one.said.match.object and not _shown(matches.get(name))]
    if not wanted:
        return ()
    fold = folds_case(row.os_family)
    from_us = row.shown_us - (30 * DAY if is_imported(row) else DAY)
    query = Query(by="program", points=POINTS, fold=fold)
    drawn = history.read_chart(connection, row.host_id, from_us, row.shown_us, query)
    found = []
    for line in drawn.lines:
        program = str(line.key["program"])
        rise = _rise(line)
        if rise is None or not any(one.names(program, program) for one in wanted):
            continue
        looked = Query(by="object", program=program, points=2, fold=fold)
        if not history.read_chart(connection, row.host_id, from_us, row.shown_us, looked).lines:
            found.append(_finding(program, rise, drawn.times.tolist()))
    return tuple(found)


def is_imported(row: Any) -> bool:
    """Whether only dump files speak for the host."""
    return str((row.collector or {}).get("source") or "").startswith(IMPORTED)


def _is_nt_4(row: Any) -> bool:
    return row.os_family == "windows" and str(row.os_version or "").startswith("4.0")


def _shown(match: Match | None) -> bool:
    return match is not None and match.level in ("present", "leaking")


def _rise(line: Line) -> tuple[int, int, int] | None:
    """First and last count, and the column of the first, where the last is well above all that were before half-way."""
    known = [(at, int(value)) for at, value in enumerate(line.last.tolist()) if value >= 0]
    if len(known) < 2:
        return None
    (start, first), (_, last) = known[0], known[-1]
    before = max(value for _, value in known[: (len(known) + 1) // 2])
    if last - before < max(LEAST_RISE, LEAST_SHARE * before):
        return None
    return first, last, start


def _finding(program: str, rise: tuple[int, int, int], times: Sequence[int]) -> views.Finding:
    first, last, start = rise
    return views.Finding(
        severity="warn",
        text=f"{program} rose from {number(first)} to {number(last)} handles, and nobody has seen on what: take one "
        f"handle -a on this machine and import it. Once only: {WARNING}",
        program=program,
        since=from_us(times[start]),
        asks_for_file=True,
    )
