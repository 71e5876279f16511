"""What happened on a host, as derived when it is judged."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from server.analysis.instants import DAY, MINUTE
from server.jobs.compaction import Retention
from server.store import fleet
from server.store.database import Database
from server.store.tables import events
from tests.pushing import (
    START_US,
    V3_PRO,
    Wire,
    block_steps,
    body,
    compacted,
    host_row,
    judged,
    process,
    push,
    snapshot,
    when,
)

MINUTELY = {"interval_s": 60}


def rows(database: Database, *kinds: str) -> Sequence[Any]:
    with database.read() as connection:
        found = connection.execute(select(events).order_by(events.c.time_us, events.c.kind, events.c.key)).all()
    return [row for row in found if not kinds or row.kind in kinds]


def minutes(row: Any) -> tuple[float, float | None]:
    """When an event was and when it ended, in minutes since START."""
    until = None if row.until_us is None else (row.until_us - START_US) / MINUTE
    return (row.time_us - START_US) / MINUTE, until


def silences(database: Database) -> list[tuple[float, float | None]]:
    return [minutes(row) for row in rows(database, "silence")]


def heard(database: Database, *at: float, **more: Any) -> None:
    push(database, body(*[snapshot(minute) for minute in at], collector=MINUTELY, **more), now=100_000)
    judged(database)


def lived(name: str, pid: int, since: float, **more: Any) -> Wire:
    return process(name, pid=pid, **more) | {"started_at": when(since)}


def test_a_gap_of_more_than_three_intervals_is_a_silence(database: Database) -> None:
    heard(database, 0, 1, 5, 6, 9)
    assert silences(database) == [(1, 5)]


def test_a_gap_of_three_intervals_is_none(database: Database) -> None:
    heard(database, 0, 3)
    assert silences(database) == []


def test_a_late_snapshot_shortens_a_silence(database: Database) -> None:
    heard(database, 0, 1, 30)
    heard(database, 10)
    assert silences(database) == [(1, 10), (10, 30)]


def test_late_snapshots_that_fill_the_gap_leave_no_silence(database: Database) -> None:
    heard(database, 0, 1, 8)
    heard(database, 4)
    heard(database, 6)
    assert silences(database) == []


def test_a_silence_of_weeks_is_told(database: Database) -> None:
    heard(database, 0, 1)
    heard(database, 30_000)
    assert silences(database) == [(1, 30_000)]


def test_the_interval_is_that_of_the_snapshot_before(database: Database) -> None:
    push(database, body(snapshot(0), collector={"interval_s": 300}), now=100)
    push(database, body(snapshot(14), collector=MINUTELY), now=100)
    heard(database, 20)
    assert silences(database) == [(14, 20)]


def test_where_no_interval_is_told_the_gap_before_counts(database: Database) -> None:
    push(database, body(*[snapshot(60.0 * hour) for hour in (0, 1, 2, 3, 8)]), now=100_000)
    judged(database)
    assert silences(database) == [(0, 60), (180, 480)]


def test_a_host_without_an_interval_is_awaited_as_often_as_it_came(database: Database) -> None:
    push(database, body(snapshot(0), snapshot(60)), now=100)
    judged(database)
    row = host_row(database)
    heard_us = START_US + 60 * MINUTE
    assert fleet.is_reporting(row, heard_us + 180 * MINUTE)
    assert not fleet.is_reporting(row, heard_us + 180 * MINUTE + 1)


def test_a_boot_since_the_last_snapshot_is_a_reboot(database: Database) -> None:
    push(database, body(snapshot(0), snapshot(1), about={"booted_at": when(-600)}), now=100)
    push(database, body(snapshot(5), snapshot(6), about={"booted_at": when(4)}), now=100)
    judged(database)
    assert [minutes(row) for row in rows(database, "reboot")] == [(4, None)]


def test_a_spool_sent_after_a_boot_holds_one_reboot(database: Database) -> None:
    push(database, body(snapshot(0), snapshot(1), snapshot(5), about={"booted_at": when(4)}), now=100)
    judged(database)
    assert [minutes(row) for row in rows(database, "reboot")] == [(4, None)]


def test_all_processes_anew_are_a_reboot(database: Database) -> None:
    names = ("init", "sshd", "cron")
    before = snapshot(0, *[lived(name, pid, -600) for pid, name in enumerate(names, 1)])
    after = snapshot(5, *[lived(name, pid, 4 + pid / 60) for pid, name in enumerate(names, 1)])
    push(database, body(before, after), now=100)
    judged(database)
    assert [(row.kind, minutes(row)[0]) for row in rows(database, "reboot", "restart")] == [("reboot", 4 + 1 / 60)]


def test_a_program_that_went_after_hours_and_came_back_was_restarted(database: Database) -> None:
    push(
        database, body(snapshot(0, lived("java", 7, -120), lived("init", 1, -600)), snapshot(1, lived("init", 1, -600)))
    )
    judged(database)
    push(database, body(snapshot(2, lived("java", 9, 1.5), lived("init", 1, -600))), now=9)
    judged(database)
    (row,) = rows(database, "restart")
    assert minutes(row)[0] == 1.5
    assert row.detail == {"program": "java", "pid_before": 7, "pid": 9}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([lived("java", 7, -30)], [lived("java", 9, 0.5)]),  # short-lived
        (
            [lived("httpd", 1, -900), lived("httpd", 7, -120)],
            [lived("httpd", 1, -900), lived("httpd", 9, 0.5)],
        ),  # a worker
        ([lived("java", 7, -120)], [lived("java", 7, -120, user="app")]),  # it told more of itself
        ([lived("java", 7, -120)], [lived("node", 9, 0.5)]),
    ],
)
def test_what_is_no_restart(database: Database, before: list[Wire], after: list[Wire]) -> None:
    push(database, body(snapshot(0, *before), snapshot(1, *after)))
    judged(database)
    assert rows(database) == []


def test_restarts_are_bounded_by_host_and_day(database: Database) -> None:
    for hour in range(0, 72, 2):
        push(database, body(snapshot(60.0 * hour, lived("java", 1, 60 * hour - 100)), collector={"interval_s": 7200}))
        judged(database)
    days = [row.seen_us // (24 * 60 * MINUTE) for row in rows(database, "restart")]
    assert len(days) == 35
    many = [snapshot(5_000, *[lived(f"p{i}", i, 0) for i in range(40)])]
    many += [snapshot(5_001, *[lived(f"p{i}", 100 + i, 5_000.5) for i in range(40)], lived("init", 99, 0))]
    many[0]["processes"].append(lived("init", 99, 0))
    push(database, body(*many))
    judged(database)
    assert len(rows(database, "restart")) == 35 + 20


def test_a_limit_that_moves_is_told_once_for_a_program(database: Database) -> None:
    before = [lived("java", pid, -120, limit=1024) for pid in (1, 2)]
    after = [lived("java", pid, -120, limit=4096) for pid in (1, 2)]
    push(database, body(snapshot(0, *before), snapshot(1, *after), snapshot(2, *after)))
    judged(database)
    (row,) = rows(database, "limit")
    assert (minutes(row)[0], row.detail) == (1, {"program": "java", "before": 1024, "after": 4096})


def test_a_restart_with_another_limit_tells_both(database: Database) -> None:
    stays = lived("init", 1, -600)
    before, after = lived("java", 7, -120, limit=1024), lived("java", 9, 0.5, limit=65_536)
    push(database, body(snapshot(0, before, stays), snapshot(1, after, stays)))
    judged(database)
    assert [(row.kind, minutes(row)[0]) for row in rows(database)] == [("limit", 0.5), ("restart", 0.5)]


def test_what_was_installed_updated_and_removed_is_told_once(database: Database) -> None:
    newer, other = {**V3_PRO, "version": "5.1"}, {"name": "WinZip", "version": "8"}
    for minute, software in ((0, [V3_PRO]), (1, [newer, other]), (2, [newer, other]), (3, [newer])):
        push(database, body(snapshot(minute), inventory={"software": software}))
        judged(database)
        judged(database)
    assert [(minutes(row)[0], row.detail["change"], row.detail["name"]) for row in rows(database)] == [
        *sorted([(1, "updated", V3_PRO["name"]), (1, "installed", "WinZip")], key=lambda one: keys(database)[one[2]]),
        (3, "removed", "WinZip"),
    ]
    updated = next(row for row in rows(database) if row.detail["change"] == "updated")
    assert (updated.detail["before"], updated.detail["after"]) == ("5.0", "5.1")


def keys(database: Database) -> dict[str, str]:
    return {row.detail["name"]: row.key for row in reversed(rows(database))}


def test_the_first_list_installs_nothing(database: Database) -> None:
    push(database, body(snapshot(0), inventory={"software": [V3_PRO]}))
    judged(database)
    many = [{"name": f"driver {i}"} for i in range(300)]
    push(database, body(snapshot(1), inventory={"drivers": many}))
    judged(database)
    assert rows(database) == []


def test_an_upgrade_of_everything_is_bounded(database: Database) -> None:
    for minute in (0, 1):
        software = [{"name": f"package {i:03}", "version": str(minute)} for i in range(300)]
        push(database, body(snapshot(minute), inventory={"software": software}))
        judged(database)
    assert len(rows(database)) == 51
    assert [row.detail["count"] for row in rows(database) if row.detail["change"] == "more"] == [250]


def test_events_go_with_their_host(database: Database) -> None:
    heard(database, 0, 30)
    with database.write() as connection:
        fleet.forget_host(connection, host_row(database).host_id)
    assert rows(database) == []


def test_what_is_coarse_already_keeps_what_was_told_of_it(database: Database) -> None:
    short = Retention(full=DAY, ten_minutes=30 * DAY, hour=730 * DAY)
    heard(database, 0, 1, 30, 31)
    heard(database, *range(3_000, 3_003))
    compacted(database, retention=short)
    heard(database, 3_003)
    compacted(database, retention=short)
    assert any(step for _, step in block_steps(database))
    told = silences(database)
    assert told == [(1, 30), (31, 3_000)]
    heard(database, 20)  # is lost in a bucket of ten minutes: nothing can be told anew
    compacted(database, retention=short)
    heard(database, 3_004)
    assert silences(database)[-1] == (31, 3_000)
