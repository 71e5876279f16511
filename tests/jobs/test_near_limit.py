"""A program that holds nearly all it may is warned of, which is no leak."""

from collections.abc import Callable
from typing import Any

from server.store.database import Database
from tests.pushing import body, host_row, judged, process, push, snapshot

HOURS = 30


def near(database: Database, handles: Callable[[float], int]) -> list[dict[str, Any]]:
    sent = [snapshot(m, process("tight", handles=handles(m / 60), limit=1000)) for m in range(0, HOURS * 60, 20)]
    push(database, body(*sent), now=HOURS * 60 + 100.0)
    judged(database)
    row = host_row(database)
    assert row.leaks == 0
    found: list[dict[str, Any]] = row.near_limit
    return found


def test_what_stays_near_its_limit_is_told(database: Database) -> None:
    (told,) = near(database, lambda hour: 850)
    assert (told["program"], told["handles"], told["limit"]) == ("tight", 850, 1000)
    assert told["hours"] >= 24


def test_a_peak_near_the_limit_is_not(database: Database) -> None:
    assert near(database, lambda hour: 900 if int(hour) % 5 == 0 else 300) == []


def test_what_has_room_is_not(database: Database) -> None:
    assert near(database, lambda hour: 700) == []
