"""A machine whose processes live for a minute: its history stays in blocks that fit in memory, and says the same."""

from typing import Any

import pytest

from server.analysis.instants import DAY
from server.jobs.compaction import Retention
from server.store import history
from server.store.blocks import unpack
from server.store.database import Database
from tests.pushing import Wire, block_steps, body, compacted, everything, host_row, process, push, snapshot

MOST = 150


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_CELLS", MOST)


def building(minute: int) -> Wire:
    """Two processes that stay, and three that are seen in this snapshot alone."""
    compilers = [process("cc1", pid=1_000 + 3 * minute + number, handles=7) for number in range(3)]
    objects = [{"type": "Event", "name": f"\\{minute % 7}", "count": minute}]
    stays = process("svc", pid=2, handles=minute, types={"File": minute}, objects=objects)
    return snapshot(minute, process(handles=100 + minute), stays, *compilers)


def cells(database: Database) -> list[int]:
    host_id = host_row(database).host_id
    with database.read() as connection:
        spans = history.block_spans(connection, host_id)
        return [unpack(history.read_block(connection, host_id, row.start_us).body).cells for row in spans]


def test_blocks_stay_small_and_say_what_the_rows_said(database: Database) -> None:
    push(database, body(*[building(minute) for minute in range(0, 1_800, 15)]))
    before = everything(database)
    compacted(database)
    assert len(block_steps(database)) > 24
    assert max(cells(database)) <= MOST
    assert everything(database) == before


def test_late_snapshots_find_their_place_in_a_split_hour(database: Database) -> None:
    minutes = range(0, 120, 3)
    push(database, body(*[building(minute) for minute in minutes if minute % 2]))
    compacted(database)
    push(database, body(*[building(minute) for minute in minutes if not minute % 2]))
    compacted(database)
    assert max(cells(database)) <= MOST
    packed = everything(database)
    assert len(packed["total"][()]) == len(minutes)
    again = push(database, body(*[building(minute) for minute in minutes]))
    assert (again.accepted, again.duplicates) == (0, len(minutes))


def test_what_was_never_joined_ages_all_the_same(database: Database) -> None:
    keep = Retention(full=DAY, ten_minutes=3 * DAY, hour=30 * DAY)
    for day in range(5):
        push(database, body(*[building(minute) for minute in range(day * 1_440, (day + 1) * 1_440, 60)]))
        compacted(database, retention=keep)
    steps: dict[int, Any] = {}
    for hours, step in block_steps(database):
        steps[step] = steps.get(step, 0) + hours
    assert set(steps) == {0, 600, 3_600}
    assert max(cells(database)) <= 2 * MOST


def test_readings_are_unpacked_as_many_as_make_a_small_frame(database: Database) -> None:
    push(database, body(*[building(minute) for minute in range(60)]))
    host_id = host_row(database).host_id
    with database.read() as connection:
        frames = history.read_frames(connection, host_id, 0, 2**62)
    assert len(frames) > 1
    assert sum(len(frame.times) for frame in frames) == 60
    assert max(frame.cells for frame in frames) <= 2 * MOST
