"""Whatever the order, the batches and the work done in between: the same leaks with the same times."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.store.database import Database
from server.store.tables import leaks
from server.store.verdicts import whole_leaks
from tests.jobs.test_any_order import forget_all
from tests.pushing import Wire, body, compacted, host_row, judged, process, push, snapshot

EVERY = 20  # minutes
DAYS = 9
ALL = range(0, DAYS * 1440, EVERY)
FAR = DAYS * 1440 + 100.0
NOT_TELLING = {"leak_no", "track"}


def told(minute: int) -> Wire:
    """A steady leak from the fourth day on, one that runs into its limit within hours, one of each life of a program
    that is restarted each day, and two that are fine."""
    noise = random.Random(minute)
    day = minute // 1440
    steady = 400 + noise.randrange(12) + max(minute - 3 * 1440, 0) // 6
    racing = 300 + min(max(minute - 8 * 1440 - 130, 0) * 4, 724)
    life = minute % 1440
    return snapshot(
        minute,
        process("steady", pid=1, handles=steady, types={"socket": steady - 90, "file": 90}),
        process("racing", pid=2, handles=racing, limit=1024),
        process("restarted", pid=10 + day, handles=100 + life // 8 + noise.randrange(4), started_at=at_day(day)),
        process("calm", pid=3, handles=60 + noise.randrange(9)),
        process("busy", pid=4, handles=80 + (40 if 480 < life < 1080 else 0) + noise.randrange(5)),
    )


def at_day(day: int) -> str:
    return f"2025-06-{2 + day:02}T00:00:00Z" if day else "2025-06-01T00:00:00Z"


def outcome(database: Database) -> list[dict[str, Any]]:
    judged(database)
    row = host_row(database)
    with database.read() as connection:
        found = connection.execute(whole_leaks().where(leaks.c.host_id == row.host_id, leaks.c.standing)).mappings()
        said = [{name: value for name, value in leak.items() if name not in NOT_TELLING} for leak in found]
    assert row.leaks == sum(leak["state"] == "leaking" for leak in said)
    return sorted(said, key=lambda leak: (leak["program_key"], leak["detected_us"]))


def sent(minutes: Sequence[int]) -> Wire:
    return body(*[told(minute) for minute in minutes], collector={"interval_s": 60 * EVERY})


@pytest.fixture
def in_time(database: Database) -> list[dict[str, Any]]:
    for start in range(0, len(ALL), 300):
        push(database, sent(ALL[start : start + 300]), now=FAR)
    return outcome(database)


def test_what_leaks_is_told_and_nothing_else(in_time: list[dict[str, Any]]) -> None:
    assert {leak["program"] for leak in in_time} == {"steady", "racing", "restarted"}
    (steady,) = [leak for leak in in_time if leak["program"] == "steady"]
    assert steady["type"] == "socket"
    assert abs(steady["rate_per_hour"] - 10) < 0.5
    (racing,) = [leak for leak in in_time if leak["program"] == "racing"]
    assert (racing["phase"], racing["limit"], racing["handles"]) == ("at_limit", 1024, 1024)


orders = st.tuples(
    st.randoms(use_true_random=False), st.lists(st.integers(1, 200), min_size=8), st.lists(st.sampled_from("cj-"))
)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders)
def test_leaks_do_not_depend_on_arrival(
    database: Database, in_time: list[dict[str, Any]], drawn: tuple[random.Random, list[int], list[str]]
) -> None:
    forget_all(database)
    shuffle, sizes, works = drawn
    left = list(ALL)
    # late pieces of many lengths, rather than single snapshots that are late
    pieces: list[list[int]] = []
    while left:
        length = sizes[len(pieces) % len(sizes)]
        pieces.append(left[:length])
        left = left[length:]
    shuffle.shuffle(pieces)
    for number, piece in enumerate(pieces):
        push(database, sent(piece), now=FAR)
        work = works[number % len(works)] if works else "-"
        if work == "j":
            judged(database)
        elif work == "c":
            compacted(database)
    host_id = host_row(database).host_id
    assert [leak | {"host_id": host_id} for leak in in_time] == outcome(database)
