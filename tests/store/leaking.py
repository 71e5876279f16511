"""Hosts and leaks written straight into the tables, as judging would."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert

from server.analysis.instants import DAY, HOUR
from server.store import leaks as store
from server.store import verdicts
from server.store.tables import host_labels, host_state, hosts, matches

NOW = 20_000 * DAY


def add_host(
    connection: Connection, host_id: int, name: str, *, family: str = "linux", labels: Mapping[str, str] | None = None
) -> None:
    connection.execute(insert(hosts).values(host_id=host_id, name=name, name_key=name.casefold(), created_us=NOW))
    nothing = {"labels": dict(labels or {}), "collector": {}, "sparkline": [], "advice": []}
    counts = {"skew_s": 0, "leaks": 0, "pushed_seq": 0, "judged_seq": 0, "sealed_us": 0, "claimed_until_us": 0}
    connection.execute(
        insert(host_state).values(host_id=host_id, os_family=family, shown_us=NOW - HOUR, **nothing, **counts)
    )
    for position, (key, value) in enumerate((labels or {}).items()):
        connection.execute(insert(host_labels).values(host_id=host_id, position=position, key=key, value=value))


def a_leak(host_id: int = 1, leak_no: int = 1, **more: Any) -> dict[str, Any]:
    """A leak of java's sockets, two days old, as a row."""
    row: dict[str, Any] = {
        "host_id": host_id,
        "leak_no": leak_no,
        "standing": True,
        "program": "java",
        "type": "socket",
        "object": None,
        "state": "leaking",
        "phase": "growing",
        "started_us": NOW - 49 * HOUR,
        "detected_us": NOW - 25 * HOUR,
        "at_limit_us": None,
        "resolved_us": None,
        "last_seen_us": NOW - HOUR,
        "handles": 1_000,
        "rate_per_hour": 10.0,
        "rate_low": 9.0,
        "rate_high": 11.0,
        "limit": None,
        "exhausted_us": None,
        "exhausted_from_us": None,
        "exhausted_to_us": None,
        "evidence": {"kind": "days", "counted": "held", "pieces": [[0, 1, 2]], "restarts": []},
        "track": {},
        "triage": "new",
        "muted_until_us": None,
        "muted_rate": None,
        "assignee": None,
        "note": None,
        "closed_us": None,
        "closed_by": None,
    } | more
    row.setdefault("started_from_us", row["started_us"])
    row.setdefault("started_to_us", row["started_us"])
    if not row["track"] and row["handles"] is not None and row["limit"] is not None:
        fullest = {"pid": 100, "started_us": None, "handles": row["handles"], "limit": row["limit"]}
        row["track"] = {"fullest": fullest}
    row.setdefault("program_key", row["program"].casefold())
    return row


def add_leaks(connection: Connection, *rows: dict[str, Any]) -> None:
    verdicts.add_leaks(connection, rows)
    store.recount(connection, {row["host_id"] for row in rows})


def add_match(connection: Connection, host_id: int, signature_id: str, level: str, *programs: str) -> None:
    """A match about these programs, the worst first."""
    columns = {"applies_to": True, "estimated": False, "detail": {"programs": [{"program": name} for name in programs]}}
    connection.execute(
        insert(matches).values(
            host_id=host_id,
            signature_id=signature_id,
            level=level,
            program=programs[0] if programs else None,
            **columns,
        )
    )
