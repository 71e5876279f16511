"""Judged by the hour, by the day or in one go: the same leaks with the same times."""

import random
from typing import Any

import numpy as np
import pytest

from server.store.database import Database
from server.store.tables import leaks
from server.store.verdicts import whole_leaks
from tests.jobs.test_any_order import forget_all
from tests.pushing import Wire, body, host_row, judged, process, push, snapshot

DAYS, EVERY = 8, 30
NOT_TOLD = {"leak_no", "host_id"}


def told(minute: int, turn: int) -> Wire:
    noise = random.Random(f"{minute} {turn}")
    day, hours = minute // 1440, minute / 60
    rhythm = int(40 + 40 * np.sin(hours / 24 * 2 * np.pi))
    processes = [
        process("slow", pid=1, handles=300 + int(max(hours - 50, 0) * 1.5) + noise.randrange(5)),
        process("nightly", pid=2, handles=500 + 9 * max(day - 3 + (minute % 1440 > 200), 0), types={"file": 20 + day}),
        process("rhythmic", pid=3, handles=200 + rhythm + int(max(hours - 80, 0))),
        process("calm", pid=4, handles=80 + rhythm + noise.randrange(9)),
        process("still", pid=5, handles=7, types={"socket": 7}),
        process("full", pid=6, handles=min(400 + int(max(hours - 150, 0) * 60), 1020), limit=1024),
    ]
    if not 60 < hours < 75:
        processes.append(process("away", pid=7, handles=100 + int(hours)))
    return snapshot(minute, *processes)


def outcome(database: Database) -> list[dict[str, Any]]:
    host_id = host_row(database).host_id
    with database.read() as connection:
        found = connection.execute(whole_leaks().where(leaks.c.host_id == host_id, leaks.c.standing)).mappings()
        rows = [{name: value for name, value in leak.items() if name not in NOT_TOLD} for leak in found]
    return sorted(rows, key=lambda leak: (leak["program_key"], leak["detected_us"]))


def judged_every(database: Database, hours: int, minutes: list[int], turn: int) -> list[dict[str, Any]]:
    forget_all(database)
    each = hours * 60
    for start in range(0, DAYS * 1440, each):
        taken = [told(minute, turn) for minute in minutes if start <= minute < start + each]
        if taken:
            push(database, body(*taken, collector={"interval_s": 60 * EVERY}), now=DAYS * 1440 + 100.0)
            judged(database)
    return outcome(database)


@pytest.mark.parametrize(("database_url", "turn"), [("sqlite", 1), ("postgresql", 2)], indirect=["database_url"])
def test_how_many_hours_are_judged_at_a_time_makes_no_difference(database: Database, turn: int) -> None:
    drawn = random.Random(turn)
    away = drawn.randrange(100, 140) * 60  # the host is off for some hours
    minutes = [minute for minute in range(0, DAYS * 1440, EVERY) if not away <= minute < away + 60 * turn * 5 + 30]
    at_once = judged_every(database, 24 * DAYS, minutes, turn)
    assert {leak["program_key"] for leak in at_once} >= {"slow", "full"}
    for hours in (1, 7, 24):
        assert judged_every(database, hours, minutes, turn) == at_once
