"""A process that races to its limit, beside a healthy one of the same name: told with a forecast, and as gone once it
is."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from server.analysis.instants import HOUR, MINUTE
from server.analysis.leaking import Racer
from server.store.database import Database
from server.store.tables import leaks
from server.store.verdicts import whole_leaks
from tests.jobs.test_any_order import forget_all
from tests.pushing import START_US, Wire, body, judged, process, push, snapshot, when

LIMIT = 4096
BEGAN, FULL, STOPPED = 1500.0, 1534.0, 1550.0  # minutes


def told(minute: float) -> Wire:
    """Two a second from `BEGAN` on, up to its limit, until it is stopped."""
    held = min(16 + int(max(minute - BEGAN, 0) * 120), LIMIT)
    racer = process("java", pid=2, handles=held, limit=LIMIT)
    healthy = process("java", pid=1, handles=40, limit=1024)
    return snapshot(minute, healthy, *([racer] if minute < STOPPED else []))


def minutes(until: float) -> list[float]:
    """Of snapshots: every twenty minutes, every one while it matters."""
    return [m for m in range(int(until) + 1) if m % 20 == 0 or BEGAN - 30 < m < STOPPED + 30]


def sent(database: Database, moments: Iterable[float]) -> None:
    moments = list(moments)
    for at in range(0, len(moments), 200):
        push(database, body(*[told(m) for m in moments[at : at + 200]], collector={"interval_s": 60}), now=10_000.0)
    judged(database)


def found(database: Database) -> Any:
    with database.read() as connection:
        (leak,) = connection.execute(whole_leaks().where(leaks.c.standing)).all()
    return leak


def test_it_is_told_with_a_forecast_that_each_push_brings_up_to_date(database: Database) -> None:
    sent(database, minutes(BEGAN + 22))
    leak = found(database)
    assert leak.detected_us <= START_US + (BEGAN + 22) * MINUTE
    full_us = START_US + FULL * MINUTE
    assert leak.exhausted_from_us <= full_us <= leak.exhausted_to_us
    assert abs(leak.exhausted_us - full_us) <= MINUTE
    assert (leak.handles, leak.limit) == (16 + 22 * 120, LIMIT)
    assert leak.evidence["process"] == [2, int(START_US - HOUR)]
    wide = leak.exhausted_to_us - leak.exhausted_from_us
    sent(database, [BEGAN + 28])
    leak = found(database)
    assert leak.handles == 16 + 28 * 120
    assert leak.exhausted_to_us - leak.exhausted_from_us < wide


def test_at_its_limit_it_says_since_when(database: Database) -> None:
    sent(database, minutes(FULL + 6))
    leak = found(database)
    assert leak.phase == "at_limit"
    assert abs(leak.at_limit_us - START_US - FULL * MINUTE) <= MINUTE


@pytest.mark.parametrize("later", [5, 60, 6 * 60, 30 * 60])
def test_once_it_is_gone_nothing_of_a_healthy_one_is_told_of_it(database: Database, later: float) -> None:
    sent(database, minutes(FULL + 6))
    before = found(database)
    sent(database, [m for m in minutes(STOPPED + later) if m > FULL + 6])
    leak = found(database)
    assert (leak.state, leak.phase) == ("leaking", "growing")
    assert (leak.handles, leak.limit, leak.at_limit_us) == (LIMIT, LIMIT, before.at_limit_us)
    assert leak.evidence["process"][0] == 2
    assert leak.last_seen_us == START_US + (STOPPED - 1) * MINUTE
    assert leak.exhausted_us is None
    assert leak.track["doubt"] == "gone"


def test_three_days_without_it_it_is_over(database: Database) -> None:
    sent(database, minutes(STOPPED + 2 * 24 * 60))
    assert found(database).state == "leaking"
    sent(database, [m for m in minutes(STOPPED + 4 * 24 * 60) if m > STOPPED + 2 * 24 * 60])
    leak = found(database)
    assert leak.state == "resolved"
    assert leak.track["why"] == "gone"
    assert (leak.handles, leak.limit) == (LIMIT, LIMIT)


def test_what_is_said_does_not_depend_on_how_often_it_is_judged(database: Database) -> None:
    moments = minutes(STOPPED + 36 * 60)
    sent(database, moments)
    at_once = shown(found(database))
    forget_all(database)
    rest = iter(moments)
    for cut in (1200, BEGAN + 7, BEGAN + 9, FULL + 1, FULL + 20, STOPPED + 3, STOPPED + 100, STOPPED + 1000, 1e9):
        part, rest = split(rest, cut)
        sent(database, part)
    assert shown(found(database)) == at_once


def split(moments: Iterable[float], cut: float) -> tuple[list[float], Any]:
    whole = list(moments)
    return [m for m in whole if m <= cut], iter([m for m in whole if m > cut])


def shown(leak: Any) -> dict[str, Any]:
    racer = msgspec.convert(leak.track["racer"], Racer)
    return {**leak._mapping, "host_id": 0, "leak_no": 0, "racer": racer}


def test_another_of_the_same_name_that_races_takes_its_place(database: Database) -> None:
    sent(database, minutes(STOPPED + 10))
    anew = [
        snapshot(
            STOPPED + 10 + m,
            process("java", pid=1, handles=40, limit=1024),
            process("java", pid=3, handles=20 + m * 150, limit=8192, started_at=when(STOPPED + 10)),
        )
        for m in range(1, 45)
    ]
    push(database, body(*anew, collector={"interval_s": 60}), now=10_000.0)
    judged(database)
    leak = found(database)
    assert leak.evidence["process"][0] == 3
    assert (leak.handles, leak.limit) == (20 + 44 * 150, 8192)
    assert leak.exhausted_us is not None


def test_the_leaks_of_one_host_are_read_with_all_that_is_known(database: Database) -> None:
    sent(database, minutes(BEGAN + 22))
    with database.read() as connection:
        (row,) = connection.execute(select(leaks.c.program)).all()
    assert row.program == "java"
    assert found(database).track["fullest"] == {
        "pid": 2,
        "started_us": START_US - HOUR,
        "handles": 16 + 22 * 120,
        "limit": LIMIT,
    }
