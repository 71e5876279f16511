"""A seeded fleet written straight into the tables, as pushes and judging would leave it: many hosts, many leaks."""

import random
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection, insert

from bench.judging.__main__ import frame_of
from server.analysis.instants import DAY, HOUR, MINUTE
from server.analysis.signatures import Level, Match, ProgramMatch
from server.jobs.compaction import block_of
from server.store import history, verdicts
from server.store.database import Database
from server.store.tables import host_labels, host_state, hosts, leak_actions, matches

MEASURED = "web-00001"  # the one host that has a history
_SITES = ("berlin", "lagos", "oslo", "quito", "seoul", "tokyo")
_ROLES = ("backup", "build", "db", "mail", "web")
_SYSTEMS = (
    ("linux", "Debian GNU/Linux 12 (bookworm)", "6.1.0"),
    ("windows", "Windows Server 2022", "10.0.20348"),
    ("macos", "macOS 15", "24.1.0"),
)
_PROGRAMS = [f"{stem}-{at}" for at in range(60) for stem in ("java", "worker", "agent", "proxy", "sync")]
_TYPES = ("socket", "file", "eventfd", "pipe", None)
_CHUNK = 2_000


def build(database: Database, *, host_count: int, leak_count: int, now_us: int, seed: int = 1) -> None:
    """`leak_count` open leaks on a third of the hosts, and a fifth as many that are resolved."""
    chance = random.Random(seed)
    with database.write() as connection:
        _add_hosts(connection, host_count, now_us, chance)
        _add_leaks(connection, host_count, leak_count, now_us, chance)
        _add_matches(connection, host_count, now_us, chance)
        _add_history(connection, now_us)


def _add(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    for at in range(0, len(rows), _CHUNK):
        connection.execute(insert(table), rows[at : at + _CHUNK])


def _add_hosts(connection: Connection, count: int, now_us: int, chance: random.Random) -> None:
    named, states, labels = [], [], []
    for host_id in range(1, count + 1):
        role, site = chance.choice(_ROLES), chance.choice(_SITES)
        name = MEASURED if host_id == 1 else f"{role}-{host_id:05d}"
        family, system, version = chance.choices(_SYSTEMS, (6, 3, 1))[0]
        silent = chance.random() < 0.02
        shown_us = now_us - (chance.randrange(DAY) + HOUR if silent else chance.randrange(MINUTE))
        worst = chance.randrange(100, 60_000)
        named.append({"host_id": host_id, "name": name, "name_key": name.casefold(), "created_us": now_us - 90 * DAY})
        states.append(
            {
                "host_id": host_id,
                "info_us": shown_us,
                "os_family": family,
                "os_name": system,
                "os_version": version,
                "labels": {"role": role, "site": site},
                "collector": {"version": "1.0.0", "source": family, "interval_s": 60},
                "interval_s": 60,
                "newest_us": shown_us,
                "shown_us": shown_us,
                "handles": worst * 2,
                "processes": 200,
                "denied": chance.choice((0, 0, 0, 4)),
                "skew_s": 0,
                "digested_us": shown_us // HOUR * HOUR,
                "near_limit": _near(chance) if chance.random() < 0.01 else [],
                "worst_program": chance.choice(_PROGRAMS),
                "worst_handles": worst,
                "leaks": 0,
                "sparkline": [(shown_us - (47 - at) * 30 * MINUTE, worst + at) for at in range(48)],
                "advice": [],
                "pushed_seq": 10,
                "judged_seq": 10,
                "sealed_us": shown_us,
                "claimed_until_us": 0,
            }
        )
        for position, (key, value) in enumerate((("role", role), ("site", site))):
            labels.append({"host_id": host_id, "position": position, "key": key, "value": value})
    _add(connection, hosts, named)
    _add(connection, host_state, states)
    _add(connection, host_labels, labels)


def _near(chance: random.Random) -> list[dict[str, Any]]:
    return [{"program": chance.choice(_PROGRAMS), "handles": 980, "limit": 1_024, "hours": 40}]


def _add_leaks(connection: Connection, host_count: int, count: int, now_us: int, chance: random.Random) -> None:
    rows, actions = [], []
    numbers: dict[int, int] = {}
    leaking = range(1, host_count + 1, 3)
    for at in range(count + count // 5):
        # a few programs leak on hundreds of hosts, most on some
        program = chance.choice(_PROGRAMS[:10] if at % 3 == 0 else _PROGRAMS)
        host_id = 1 if at == 0 else chance.choice(leaking)
        leak_no = numbers[host_id] = numbers.get(host_id, 0) + 1
        row = _leak(host_id, leak_no, program, is_open=at < count, now_us=now_us, chance=chance)
        rows.append(row)
        if row["triage"] != "new":
            said = {"host_id": host_id, "leak_no": leak_no, "action_no": 1, "at_us": now_us - HOUR, "by": "ann"}
            actions.append({**said, "changes": {"triage": row["triage"]}})
    verdicts.add_leaks(connection, rows)
    _add(connection, leak_actions, actions)
    still: dict[int, int] = {}
    for row in rows:
        still[row["host_id"]] = still.get(row["host_id"], 0) + (row["state"] == "leaking")
    for host_id, number in still.items():
        connection.execute(host_state.update().where(host_state.c.host_id == host_id).values(leaks=number))


def _leak(
    host_id: int, leak_no: int, program: str, *, is_open: bool, now_us: int, chance: random.Random
) -> dict[str, Any]:
    started_us = now_us - chance.randrange(2, 40) * DAY - chance.randrange(DAY)
    kind = _TYPES[chance.randrange(4) if chance.random() < 0.8 else 4]
    handles, rate = chance.randrange(500, 60_000), chance.expovariate(1 / 50) + 0.5
    limit = chance.choice((None, 65_536, 1_048_576))
    full_us = None if limit is None else now_us + int((limit - handles) / rate * HOUR)
    triage = chance.choices(("new", "acknowledged", "muted"), (7, 2, 1))[0]
    pieces = [[started_us + at * DAY, started_us + (at + 1) * DAY, 400 + 90 * at] for at in range(28)]
    return {
        "host_id": host_id,
        "leak_no": leak_no,
        "standing": chance.random() < 0.99,
        "program": program,
        "program_key": program,
        "type": kind,
        "object": chance.choice((None, None, "/var/log/app-#.log")) if kind == "file" else None,
        "state": "leaking" if is_open else "resolved",
        "phase": chance.choices(("detected", "growing", "at_limit", "returned"), (2, 20, 1, 1))[0],
        "started_us": started_us,
        "started_from_us": started_us - HOUR,
        "started_to_us": started_us + HOUR,
        "detected_us": started_us + 30 * HOUR,
        "at_limit_us": None,
        "resolved_us": None if is_open else now_us - chance.randrange(DAY),
        "last_seen_us": now_us - chance.randrange(HOUR),
        "handles": handles,
        "rate_per_hour": rate,
        "rate_low": rate * 0.9,
        "rate_high": rate * 1.1,
        "limit": limit,
        "exhausted_us": full_us,
        "exhausted_from_us": full_us,
        "exhausted_to_us": full_us,
        "evidence": {"kind": "days", "counted": "held", "pieces": pieces, "restarts": [], "share": 0.97},
        "track": {"program": program, "type": kind, "named": None, "hour_us": started_us // HOUR * HOUR}
        | {"seen_h": 30, "since_us": started_us, "rate": rate, "base_us": started_us, "base": 400.0}
        | {"grew_us": started_us},
        "triage": triage,
        "muted_until_us": now_us + chance.randrange(-DAY, 7 * DAY) if triage == "muted" else None,
        "muted_rate": None,
        "assignee": chance.choice((None, None, None, "ann", "ben")),
        "note": None,
        "closed_us": None,
        "closed_by": None,
    }


def _add_matches(connection: Connection, host_count: int, now_us: int, chance: random.Random) -> None:
    rows = []
    for host_id in range(1, host_count + 1, 10):
        level: Level = chance.choices(("leaking", "present", "exposed", "cleared"), (1, 2, 4, 2))[0]
        match = _match(level, chance.choice(_PROGRAMS), chance.randrange(2, 20_000), now_us)
        columns = {
            "level": match.level,
            "applies_to": match.applies_to,
            "program": match.program,
            "pid": match.pid,
            "handles": match.handles,
            "distinct_objects": match.distinct,
            "estimated": match.estimated,
            "rate_per_hour": match.rate_per_hour,
            "first_seen_us": match.first_seen_us,
            "last_seen_us": match.last_seen_us,
            "software_version": "5.0",
        }
        said = {"host_id": host_id, "signature_id": match.signature_id, "detail": msgspec.to_builtins(match)}
        rows.append({**said, **columns})
    _add(connection, matches, rows)


def _match(level: Level, program: str, handles: int, now_us: int) -> Match:
    worst = ProgramMatch(
        program=program,
        image=program,
        pid=187,
        started_us=None,
        handles=handles,
        distinct=handles,
        estimated=False,
        level="leaking" if level == "leaking" else "present",
        rate_per_hour=350.0,
        named=False,
    )
    return Match(
        "v3-pro",
        level,
        applies_to=True,
        program=program,
        pid=187,
        handles=handles,
        distinct=handles,
        rate_per_hour=350.0,
        programs=(worst,) if level in ("leaking", "present") else (),
        first_seen_us=now_us - 9 * DAY,
        last_seen_us=now_us - HOUR,
    )


def _add_history(connection: Connection, now_us: int) -> None:
    """A day of one host: 200 programs, a snapshot a minute."""
    frame = frame_of(0, np.random.default_rng(1))
    frame.times += now_us // MINUTE * MINUTE - DAY - int(frame.times[0])
    span = int(frame.times[0]), int(frame.times[-1]) + MINUTE
    history.replace_blocks(connection, 1, [], [block_of(frame, span, set(frame.times.tolist()))])
