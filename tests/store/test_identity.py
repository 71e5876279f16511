"""A snapshot is known by its host and time as sent: it counts once, and its first content stays."""

import pytest

from server.problems import Problem
from server.store.database import Database
from tests.pushing import START_US, body, compacted, host_row, lines, process, push, snapshot, times_of, when


def held(database: Database, minutes: float) -> int:
    return lines(database)[()][START_US + round(minutes * 60_000_000)][0]


def test_a_repeated_snapshot_changes_nothing(database: Database) -> None:
    assert (push(database, body(snapshot(0))).accepted, push(database, body(snapshot(1))).accepted) == (1, 1)
    again = push(database, body(snapshot(0, process(handles=99)), snapshot(1), snapshot(2)))
    assert (again.accepted, again.duplicates) == (1, 2)
    assert held(database, 0) == 10
    assert times_of(database) == [when(0), when(1), when(2)]


def test_a_time_twice_in_one_push_counts_once(database: Database) -> None:
    taken = push(database, body(snapshot(0, process(handles=1)), snapshot(0, process(handles=2)), snapshot(1)))
    assert (taken.accepted, taken.duplicates) == (2, 1)
    assert held(database, 0) == 1


def test_the_same_time_in_another_zone_is_the_same(database: Database) -> None:
    push(database, body(snapshot(0)))
    elsewhere = {**snapshot(0), "time": "2025-06-02T09:00:00+09:00"}
    assert push(database, body(elsewhere)).duplicates == 1


def test_a_microsecond_later_is_another_snapshot(database: Database) -> None:
    later = {**snapshot(0), "time": "2025-06-02T00:00:00.000001Z"}
    assert push(database, body(snapshot(0), later)).accepted == 2


def test_late_and_out_of_order_snapshots_find_their_place(database: Database) -> None:
    for minute in (30, 10, 20, 0):
        assert push(database, body(snapshot(minute, process(handles=minute)))).accepted == 1
    assert [held(database, minute) for minute in (0, 10, 20, 30)] == [0, 10, 20, 30]


def test_a_time_on_another_host_is_another_snapshot(database: Database) -> None:
    assert push(database, body(snapshot(0))).accepted == 1
    assert push(database, body(snapshot(0), host="web-02")).accepted == 1


def test_host_names_are_compared_without_case(database: Database) -> None:
    push(database, body(snapshot(0), host="Straße-01"))
    assert push(database, body(snapshot(0), host="STRASSE-01")).duplicates == 1
    push(database, body(snapshot(1), host="strasse-01"))
    assert times_of(database, "straße-01") == [when(0), when(1)]
    assert host_row(database, "strasse-01").name == "Straße-01"


@pytest.mark.parametrize("days", [0.2, 3, 20, 120])
def test_duplicates_are_told_in_every_kind_of_block(database: Database, days: float) -> None:
    """Recent rows, hours, days, ten-minute and hourly steps."""
    old = [snapshot(minute, process(handles=minute)) for minute in range(0, 180, 20)]
    push(database, body(*old))
    push(database, body(snapshot(days * 1_440)))
    compacted(database)
    before = lines(database)
    changed = [{**one, "processes": [process(handles=7_777)]} for one in old]
    taken = push(database, body(*changed))
    assert (taken.accepted, taken.duplicates) == (0, len(old))
    compacted(database)
    assert lines(database) == before


def test_a_push_is_taken_whole_or_not_at_all(database: Database) -> None:
    push(database, body(snapshot(0)))
    wrong = {**snapshot(2), "processes": [process(), process(handles=3)]}
    with pytest.raises(Problem):
        push(database, body(snapshot(1), wrong))
    assert times_of(database) == [when(0)]


def test_a_push_without_snapshots_makes_the_host_known(database: Database) -> None:
    taken = push(database, body())
    assert (taken.accepted, taken.duplicates) == (0, 0)
    assert host_row(database).shown_us is None
