"""A host whose clock is wrong is known by `sent_at`: its skew is held, and taken off the times shown and judged."""

import pytest

from server.analysis.instants import MINUTE, SECOND
from server.problems import Problem
from server.store import history
from server.store.database import Database
from tests.pushing import START_US, Wire, body, compacted, host_row, lines, process, push, snapshot, times_of, when


def ahead(now: float, seconds: float, *more: Wire, handles: int = 10) -> Wire:
    """What a host sends `now` minutes after START whose clock is ahead: one snapshot of that moment, and `more`."""
    here = now + seconds / 60
    return body(*more, snapshot(here, process(handles=handles)), sent_at=when(here))


def held(database: Database) -> int:
    skew: int = host_row(database).skew_s
    return skew


@pytest.mark.parametrize("seconds", [0, 29.9, -29.9])
def test_a_small_skew_counts_as_none(database: Database, seconds: float) -> None:
    taken = push(database, ahead(0, seconds), now=0)
    assert taken.skew_s == pytest.approx(seconds, abs=0.001)
    assert (held(database), times_of(database)) == (0, [when(seconds / 60)])


@pytest.mark.parametrize("seconds", [30, 3_600, -30, -90_000])
def test_a_large_one_is_held_and_taken_off(database: Database, seconds: int) -> None:
    assert push(database, ahead(10, seconds), now=10).skew_s == seconds
    row = host_row(database)
    assert (row.skew_s, row.shown_us, times_of(database)) == (seconds, START_US + 10 * MINUTE, [when(10)])


def test_it_is_renewed_only_when_it_moves_by_30_s(database: Database) -> None:
    found = []
    for minute, seconds in enumerate([100, 129, 71, 130, 101, 160, 29, 0]):
        push(database, ahead(minute, seconds), now=minute)
        found.append(held(database))
    assert found == [100, 100, 100, 130, 130, 160, 0, 0]


def test_identity_goes_by_the_times_as_sent(database: Database) -> None:
    push(database, ahead(10, 3_600), now=10)
    again = push(database, body(snapshot(70), sent_at=when(71)), now=71)
    assert (again.accepted, again.duplicates) == (0, 1)


def test_a_snapshot_keeps_the_skew_of_its_push(database: Database) -> None:
    push(database, ahead(10, 3_600, handles=1), now=10)
    push(database, ahead(20, 0, handles=2), now=20)
    assert times_of(database) == [when(10), when(20)]


@pytest.mark.parametrize("sealed", [False, True])
def test_the_processes_of_a_moment_go_by_shown_times(database: Database, sealed: bool) -> None:
    for minute in range(0, 30, 10):
        push(database, ahead(minute, 86_400, handles=minute), now=minute)
    push(database, ahead(6_000, 86_400), now=6_000)
    if sealed:
        compacted(database)
    with database.read() as connection:
        frame = history.frame_at(connection, host_row(database).host_id, START_US + 15 * MINUTE)
    assert frame is not None
    assert (int(frame.shown[0]), int(frame.handles.last[0, 0])) == (START_US + 10 * MINUTE, 10)


def test_sealing_keeps_shown_times(database: Database) -> None:
    for minute in range(0, 300, 7):
        push(database, ahead(minute, -7_000 if minute < 100 else 4_000, handles=minute), now=minute)
    before = lines(database)
    push(database, ahead(9_000, 4_000), now=9_000)
    compacted(database)
    assert list(lines(database)[()].items())[:-1] == list(before[()].items())


def test_the_moment_is_found_where_blocks_overlap(database: Database) -> None:
    """A clock set by hours puts two blocks over the same stretch of shown time."""
    for minute in range(0, 240, 10):
        push(database, ahead(minute, 7_200 if minute % 20 else 0, handles=minute), now=minute)
    push(database, ahead(9_000, 0), now=9_000)
    compacted(database)
    with database.read() as connection:
        host_id = host_row(database).host_id
        for minute in range(0, 240, 10):
            frame = history.frame_at(connection, host_id, START_US + (minute + 5) * MINUTE)
            assert frame is not None
            assert int(frame.handles.last[0, 0]) == minute


def test_without_sent_at_times_stand_as_they_are(database: Database) -> None:
    push(database, ahead(10, 3_600), now=10)
    push(database, body(snapshot(5)), now=10)
    assert times_of(database) == [when(5), when(10)]
    assert held(database) == 3_600


def test_without_sent_at_a_time_ahead_is_refused_whole(database: Database) -> None:
    push(database, body(snapshot(0)))
    sent = body(snapshot(1), snapshot(16))
    with pytest.raises(Problem) as caught:
        push(database, sent, now=10)
    assert (caught.value.status, caught.value.errors[0].path) == (422, "snapshots[1].time")
    assert times_of(database) == [when(0)]
    push(database, body(snapshot(15)), now=10)
    assert times_of(database) == [when(0), when(15)]


def test_a_clock_set_back_loses_nothing_and_shows_no_future(database: Database) -> None:
    """Snapshots were spooled while the clock was a day ahead; now it is right again."""
    spooled = [snapshot(1_440 + minute, process(handles=minute)) for minute in range(5)]
    taken = push(database, body(*spooled, sent_at=when(60)), now=60)
    assert taken.accepted == 5
    assert held(database) == 0
    assert host_row(database).shown_us <= START_US + 60 * MINUTE
    assert [value[0] for value in lines(database)[()].values()] == [0, 1, 2, 3, 4]
    push(database, ahead(61, 0), now=61)
    assert len(times_of(database)) == 6


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:00", "2250-01-01T00:00:00Z"])
def test_a_clock_that_is_centuries_off_is_taken_too(database: Database, time: str) -> None:
    far = {**snapshot(0), "time": time}
    assert push(database, body(far, host="a", sent_at=when(0)), now=0).accepted == 1
    assert push(database, body(far, host="b", sent_at=time), now=0).accepted == 1
    for host in "ab":
        assert abs(host_row(database, host).shown_us - START_US) <= SECOND


def test_a_dead_battery_in_1970_is_taken(database: Database) -> None:
    sent = body({**snapshot(0), "time": "1970-01-01T00:00:05Z"}, sent_at="1970-01-01T00:00:06Z")
    assert push(database, sent, now=0).accepted == 1
    assert abs(host_row(database).shown_us - START_US) <= 2 * SECOND
