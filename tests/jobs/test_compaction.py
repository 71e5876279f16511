"""Packing changes how history is stored and nothing of what it says; ageing keeps the extremes of every step."""

from collections.abc import Mapping
from typing import Any

import pytest

from server.analysis.instants import DAY, HOUR, MINUTE
from server.jobs.compaction import Retention, compact
from server.store.database import Database
from server.store.growing import fastest_programs
from tests.pushing import (
    KEEP,
    START_US,
    Lines,
    Wire,
    block_steps,
    body,
    compacted,
    everything,
    host_row,
    lines,
    process,
    push,
    recent_count,
    snapshot,
    when,
)


def busy(minute: int) -> Wire:
    """A snapshot of processes that come and go, are unreadable, are looked at now and then, and whose pids return."""
    found = [
        process(handles=100 + minute % 37, limit=1_024, types={"Event": minute, "File": 3} if minute % 30 == 0 else {}),
        process("Java", pid=2, handles=None if minute % 50 == 0 else minute * 2),
        process("svc", pid=3, handles=7, instance="Dnscache", types={"File": 5} if minute % 40 == 0 else {}),
    ]
    if minute % 90 < 40:
        objects = [{"type": "Event", "name": f"\\x-{minute % 3}00", "count": minute, "distinct": 1}]
        found.append({**process("job", pid=4, handles=minute, objects=objects), "started_at": when(minute // 90)})
    if minute % 60 < 30:
        found.append({"pid": 5, "started_at": None, "name": "old", "handles": 3})
    return snapshot(minute, *found, coverage={"processes": 9, "denied": 1})


def test_hours_and_days_say_what_the_rows_said(database: Database) -> None:
    push(database, body(*[busy(minute) for minute in range(0, 2_000, 10)], os={"family": "windows"}))
    before = everything(database)
    compacted(database)
    assert set(block_steps(database)) == {(24.0, 0), (1.0, 0)}
    assert recent_count(database) < 12
    assert everything(database) == before


def test_compacting_again_changes_nothing(database: Database) -> None:
    push(database, body(*[busy(minute) for minute in range(0, 600, 10)]))
    compacted(database)
    before = (everything(database), block_steps(database))
    compacted(database)
    assert (everything(database), block_steps(database)) == before


@pytest.mark.parametrize("newest", [150, 600, 2_000])
def test_late_snapshots_find_hours_and_days(database: Database, newest: int) -> None:
    """As if they had arrived in time: into the rows, into blocks of an hour, into a day."""
    minutes = list(range(0, 150, 10))
    push(database, body(*[busy(minute) for minute in minutes[::2]], busy(newest)))
    compacted(database)
    push(database, body(*[busy(minute) for minute in minutes[1::2]]))
    with_rows = everything(database)
    compacted(database)
    assert everything(database) == with_rows
    push(database, body(*[busy(minute) for minute in sorted({*minutes, newest})], host="in-time"))
    assert everything(database, "in-time") == with_rows


def test_a_late_snapshot_of_a_day_without_any_makes_a_block(database: Database) -> None:
    push(database, body(busy(10_000)))
    push(database, body(busy(10)))
    before = everything(database)
    compacted(database)
    assert block_steps(database) == [(24.0, 0)]
    assert everything(database) == before


def extremes(exact: Mapping[int, tuple[int, int, int]], step: int) -> dict[int, tuple[int, int, int]]:
    """Last, lowest and highest per step of what is known at full resolution."""
    buckets: dict[int, list[tuple[int, int]]] = {}
    for time, (value, _, _) in sorted(exact.items()):
        buckets.setdefault(time // step, []).append((time, value))
    return {
        bucket: (values[-1][1], min(value for _, value in values), max(value for _, value in values))
        for bucket, values in buckets.items()
    }


def coarse(drawn: Lines, step: int) -> dict[tuple[Any, ...], dict[int, tuple[int, int, int]]]:
    return {key: {time // step: values for time, values in line.items()} for key, line in drawn.items()}


@pytest.mark.parametrize(("days", "step"), [(20, 600), (120, 3_600)])
@pytest.mark.parametrize("by", ["total", "program"])
def test_coarser_steps_keep_the_extremes(database: Database, days: int, step: int, by: str) -> None:
    steady = [
        snapshot(minute, process(handles=(minute * 7) % 101), process("svc", pid=2, handles=minute % 13))
        for minute in range(0, 300, 3)
    ]
    push(database, body(*steady))
    exact = lines(database, by=by)
    push(database, body(snapshot(days * 1_440)))
    compacted(database)
    assert block_steps(database) == [(24.0, step)]
    found = coarse(lines(database, by=by), step * 1_000_000)
    for key, line in exact.items():
        wanted = extremes(line, step * 1_000_000)
        assert {bucket: found[key][bucket] for bucket in wanted} == wanted


@pytest.mark.parametrize("by", ["process", "object", "type"])
def test_coarser_steps_keep_single_lines(database: Database, by: str) -> None:
    def one(minute: int) -> Wire:
        objects = [{"type": "Event", "name": "x", "count": minute % 11, "distinct": 1}]
        return snapshot(minute, process(handles=minute, types={"Event": minute % 7 + 1}, objects=objects))

    push(database, body(*[one(minute) for minute in range(0, 300, 3)]))
    exact = lines(database, by=by)
    push(database, body(snapshot(20 * 1_440)))
    compacted(database)
    found = coarse(lines(database, by=by), 600_000_000)
    for key, line in exact.items():
        wanted = extremes(line, 600_000_000)
        assert {bucket: found[key][bucket] for bucket in wanted} == wanted


def test_history_ages_step_by_step_and_goes_after_two_years(database: Database) -> None:
    push(database, body(*[snapshot(minute, process(handles=minute)) for minute in range(0, 1_440, 5)]))
    peak = 1_435
    for days, step in [(2, 0), (14, 0), (16, 600), (89, 600), (92, 3_600), (729, 3_600)]:
        push(database, body(snapshot(days * 1_440)))
        compacted(database)
        assert block_steps(database)[0] == (24.0, step)
        assert max(high for time, (_, _, high) in lines(database)[()].items() if time < START_US + DAY) == peak
    push(database, body(snapshot(732 * 1_440)))
    compacted(database)
    assert min(lines(database)[()]) > START_US + DAY


@pytest.mark.parametrize(("days", "step"), [(20, 600), (120, 3_600)])
def test_a_late_snapshot_joins_a_coarse_block(database: Database, days: int, step: int) -> None:
    push(database, body(*[snapshot(minute, process(handles=50)) for minute in range(0, 120, 10)]))
    push(database, body(snapshot(days * 1_440)))
    compacted(database)
    assert push(database, body(snapshot(31, process(handles=900)), snapshot(33, process(handles=1)))).accepted == 2
    compacted(database)
    assert block_steps(database) == [(24.0, step)]
    found = coarse(lines(database), step * 1_000_000)[()]
    assert found[(START_US + 31 * MINUTE) // (step * 1_000_000)][1:] == (1, 900)


def test_retention_counts_from_the_hosts_own_newest(database: Database) -> None:
    """A host that fell silent keeps what it had, however late it is by the server's clock."""
    push(database, body(*[snapshot(minute) for minute in range(0, 3_000, 60)]), now=10_000_000)
    before = everything(database)
    compacted(database)
    assert everything(database) == before
    assert {step for _, step in block_steps(database)} == {0}


def test_nothing_is_made_coarser_before_it_is_judged(database: Database) -> None:
    push(database, body(*[snapshot(minute) for minute in range(0, 180, 5)]))
    compacted(database)
    push(database, body(snapshot(3, process(handles=9)), snapshot(40 * 1_440), snapshot(3_000 * 1_440)))
    before = everything(database)
    with database.write() as connection:
        while compact(connection, host_row(database).host_id, KEEP):
            pass
    assert {step for _, step in block_steps(database)} == {0}
    assert everything(database) == before
    compacted(database)
    assert min(lines(database)[()]) >= START_US + 2_999 * DAY


def test_days_are_joined_before_they_are_judged(database: Database) -> None:
    """A host that is never without a push to judge would else keep its hours."""
    push(database, body(*[snapshot(minute) for minute in range(0, 1_440, 5)], snapshot(1_600)))
    with database.write() as connection:
        compact(connection, host_row(database).host_id, KEEP)
    assert block_steps(database) == [(24.0, 0)]


def test_what_grew_over_a_day_is_noted_with_the_day_and_with_what_comes_late(database: Database) -> None:
    def grown(minute: int) -> dict[str, Any]:
        return snapshot(minute, process(handles=100 + minute), process("still", pid=2, handles=7))

    push(database, body(*[grown(minute) for minute in range(0, 1_440, 10)], snapshot(1_600)))
    compacted(database)
    with database.read() as connection:
        (found,) = fastest_programs(connection)
    assert (found.host, found.day_us, found.slope.rate_per_hour, found.slope.handles) == ("web-01", START_US, 60, 1_530)
    push(database, body(snapshot(1_435, process(handles=5_000)), snapshot(1_700)))
    compacted(database)
    with database.read() as connection:
        assert fastest_programs(connection)[0].slope.handles == 5_000


def test_a_short_retention_is_kept_to(database: Database) -> None:
    short = Retention(full=DAY, ten_minutes=2 * DAY, hour=3 * DAY)
    push(database, body(*[snapshot(minute) for minute in range(0, 6 * 1_440, 30)]))
    compacted(database, retention=short)
    steps = [step for _, step in block_steps(database)]
    assert steps == sorted(steps, reverse=True)
    assert {3_600, 600, 0} == set(steps)
    assert START_US + 2 * DAY <= min(lines(database)[()]) <= START_US + 3 * DAY + HOUR
