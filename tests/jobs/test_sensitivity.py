"""What operators say of programs changes what is told of them, from the next hour that is judged on."""

import pytest
from sqlalchemy import select

from server.analysis.instants import HOUR
from server.store.database import Database
from server.store.fleet import forget_host
from server.store.sensitivities import add_sensitivity
from server.store.tables import leaks
from tests.pushing import START_US, body, host_row, judged, process, push, snapshot

EVERY = 20
HOURS = 130


def told(database: Database) -> dict[str, float]:
    """By program, hours after the first snapshot at which it was told."""
    judged(database)
    with database.read() as connection:
        found = connection.execute(select(leaks.c.program, leaks.c.detected_us).where(leaks.c.standing)).all()
    assert host_row(database).leaks == len(found)
    return {row.program: (row.detected_us - START_US) / HOUR for row in found}


def taken(database: Database, level: str | None, *, label: tuple[str, str] | None = None) -> dict[str, float]:
    if level is not None:
        with database.write() as connection:
            add_sensitivity(connection, "lea*", label, level, by="ann", now_us=1)
    sent = [snapshot(m, process("leaky", handles=100 + m // 10)) for m in range(0, HOURS * 60, EVERY)]
    push(database, body(*sent, about={"labels": {"site": "seoul"}}), now=HOURS * 60 + 100.0)
    return told(database)


def test_a_quiet_program_is_not_spoken_of(database: Database) -> None:
    assert taken(database, "quiet") == {}


def test_a_program_is_quiet_on_hosts_with_a_label_alone(database: Database) -> None:
    assert taken(database, "quiet", label=("site", "busan")).keys() == {"leaky"}


def test_a_low_level_waits_for_two_days_more(database: Database) -> None:
    late = taken(database, "low")["leaky"]
    with database.write() as connection:
        add_sensitivity(connection, "lea*", None, "normal", by="ann", now_us=2)
        forget_host(connection, host_row(database).host_id)
    assert late >= taken(database, None)["leaky"] + 24


@pytest.mark.parametrize("level", ["normal", None])
def test_steady_growth_is_told_at_the_usual_level(database: Database, level: str | None) -> None:
    assert taken(database, level).keys() == {"leaky"}


def test_a_high_level_speaks_after_a_day(database: Database) -> None:
    assert taken(database, "high")["leaky"] <= 31


def test_what_is_made_quiet_leaves_the_list(database: Database) -> None:
    assert taken(database, None).keys() == {"leaky"}
    with database.write() as connection:
        add_sensitivity(connection, "leaky", None, "quiet", by="ann", now_us=1)
    minute = HOURS * 60 + 60
    push(database, body(snapshot(minute, process("leaky", handles=1000))), now=minute + 100.0)
    assert told(database) == {}
