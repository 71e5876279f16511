"""The leaks of one host as judging reads and leaves them; what people said of a leak stays with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, Table, bindparam, insert, select, update

from server.analysis.evidence import Evidence
from server.analysis.instants import DAY
from server.analysis.leaking import Leak, Track
from server.store.leaks import note_return
from server.store.tables import host_state, leak_details, leaks

_NEAR = 7 * DAY  # within which a leak told at another time is the same one


@dataclass(frozen=True, slots=True)
class Told:
    """A leak as it was recorded."""

    leak_no: int
    leak: Leak
    closed_us: int | None


def told_leaks(connection: Connection, host_id: int) -> list[Told]:
    """The leaks that stand, in the order in which they were told."""
    rows = connection.execute(
        whole_leaks().where(leaks.c.host_id == host_id, leaks.c.standing).order_by(leaks.c.detected_us, leaks.c.leak_no)
    )
    return [Told(row.leak_no, _leak(row), row.closed_us) for row in rows]


def whole_leaks() -> Select[Any]:
    """Leaks with what is long of them."""
    same = (leak_details.c.host_id == leaks.c.host_id) & (leak_details.c.leak_no == leaks.c.leak_no)
    return select(leaks, leak_details.c.evidence, leak_details.c.track).join(leak_details, same)


def _leak(row: Any) -> Leak:
    said = {name: getattr(row, name) for name in _COLUMNS}
    if row.closed_us is not None:  # the history knows of no end
        said["resolved_us"] = None
    return Leak(
        **said,
        track=msgspec.convert(row.track, Track),
        evidence=msgspec.convert(row.evidence, Evidence),
        phase=row.phase,
    )


_COLUMNS = (
    "program",
    "type",
    "object",
    "started_us",
    "started_from_us",
    "started_to_us",
    "detected_us",
    "at_limit_us",
    "resolved_us",
    "last_seen_us",
    "handles",
    "rate_per_hour",
    "rate_low",
    "rate_high",
    "limit",
    "exhausted_us",
    "exhausted_from_us",
    "exhausted_to_us",
)


def record_leaks(connection: Connection, host_id: int, found: Sequence[Leak]) -> int:
    """Record what was found in the place of what was told before; how many are open. What is no longer said leaves the
    lists, and comes back as the same leak should it be said again. What a person resolved stays so until the program
    was seen to grow wholly after that."""
    rows = connection.execute(whole_leaks().where(leaks.c.host_id == host_id).order_by(leaks.c.leak_no)).all()
    numbers = _matched(rows, found)
    by_number = {row.leak_no: row for row in rows}
    next_no = max(by_number, default=0) + 1
    still_open = 0
    new: list[dict[str, Any]] = []
    changes = _Changes(host_id)
    for leak, number in zip(found, numbers, strict=True):
        row = None if number is None else by_number[number]
        values = _values(leak, row)
        still_open += values["state"] == "leaking"
        if row is None:
            new.append({"host_id": host_id, "leak_no": next_no, "triage": "new", **values})
            next_no += 1
        elif changed := {name: value for name, value in values.items() if getattr(row, name) != value}:
            changes.add(row.leak_no, changed)
            if row.closed_us is not None and "closed_us" in changed:
                note_return(connection, host_id, row.leak_no, at_us=leak.last_seen_us)
    changes.write(connection)
    add_leaks(connection, new)
    gone = [row.leak_no for row in rows if row.standing and row.leak_no not in numbers]
    if gone:
        undone = (leaks.c.host_id == host_id) & leaks.c.leak_no.in_(gone)
        connection.execute(update(leaks).where(undone).values(standing=False))
    return still_open


class _Changes:
    """What changes of a host's leaks; of those of which the same does, in one go."""

    def __init__(self, host_id: int) -> None:
        self._host_id = host_id
        self._by_columns: dict[tuple[Table, tuple[str, ...]], list[dict[str, Any]]] = {}

    def add(self, leak_no: int, values: Mapping[str, Any]) -> None:
        for table, part in zip((leaks, leak_details), _parted(values), strict=True):
            if part:
                said = {f"new_{name}": value for name, value in part.items()}
                said |= {"of_host": self._host_id, "of_leak": leak_no}
                self._by_columns.setdefault((table, tuple(part)), []).append(said)

    def write(self, connection: Connection) -> None:
        for (table, names), said in self._by_columns.items():
            this = (table.c.host_id == bindparam("of_host")) & (table.c.leak_no == bindparam("of_leak"))
            new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
            connection.execute(update(table).where(this).values(new), said)


_LONG = ("evidence", "track")


def _parted(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What goes into `leaks`, and what into `leak_details`."""
    short = {name: value for name, value in values.items() if name not in _LONG}
    return short, {name: values[name] for name in _LONG if name in values}


def add_leaks(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """New leaks, each with its `evidence` and `track`."""
    if rows:
        parted = [_parted(row) for row in rows]
        connection.execute(insert(leaks), [short for short, _ in parted])
        long = [
            {"host_id": row["host_id"], "leak_no": row["leak_no"], **details}
            for row, (_, details) in zip(rows, parted, strict=True)
        ]
        connection.execute(insert(leak_details), long)


def note_near_limit(connection: Connection, host_id: int, near: Sequence[Mapping[str, object]]) -> None:
    """What stands near its limit without a leak, the nearest first."""
    connection.execute(update(host_state).where(host_state.c.host_id == host_id).values(near_limit=list(near)))


def _matched(rows: Sequence[Any], found: Sequence[Leak]) -> list[int | None]:
    """By leak, the number under which it is known: that of the same hour, else of the nearest not yet taken."""
    free = {row.leak_no: (row.program_key, row.track["hour_us"]) for row in rows}
    numbers: list[int | None] = [None] * len(found)
    for exact in (True, False):
        for at, leak in enumerate(found):
            if numbers[at] is not None:
                continue
            key, hour_us = leak.track.program, leak.track.hour_us
            near = [
                (abs(known_us - hour_us), number)
                for number, (program_key, known_us) in free.items()
                if program_key == key and abs(known_us - hour_us) <= (0 if exact else _NEAR)
            ]
            if near:
                numbers[at] = min(near)[1]
                del free[min(near)[1]]
    return numbers


def _values(leak: Leak, row: Any) -> dict[str, Any]:
    track = leak.track
    phase, resolved_us = leak.phase, leak.resolved_us
    said: Mapping[str, Any] = {name: getattr(leak, name) for name in _COLUMNS}
    closed: dict[str, Any] = {}
    if row is not None and row.closed_us is not None:
        if track.grew_us >= row.closed_us:
            track = msgspec.structs.replace(track, reopened=True)
            phase = "returned" if phase != "at_limit" else phase
            closed = {"closed_us": None, "closed_by": None}
        else:
            resolved_us = row.closed_us
    return {
        **said,
        **closed,
        "program_key": track.program,
        "standing": True,
        "quieted": False,
        "state": "leaking" if resolved_us is None else "resolved",
        "phase": phase,
        "resolved_us": resolved_us,
        "evidence": msgspec.to_builtins(leak.evidence),
        "track": msgspec.to_builtins(track),
    }
