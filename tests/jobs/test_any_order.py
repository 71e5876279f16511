"""Whatever the order, the batches and the work done in between: history and verdicts come out as if in time."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from server.store import judgements
from server.store.database import Database
from server.store.tables import PER_HOST, events, hosts
from tests.jobs.test_compaction import busy
from tests.pushing import NT, Wire, body, compacted, everything, hooked, host_row, judged, process, push, when

MINUTES = [0, 7, 30, 58, 61, 90, 121, 200, 259, 300, 1_430, 1_445, 1_500, 3_000]


def forget_all(database: Database) -> None:
    with database.write() as connection:
        for table in (*PER_HOST, hosts):
            connection.execute(table.delete())


def one(minute: int) -> Wire:
    """A busy host that also shows the V3 Pro signature, at first more and more; a program of it is restarted each
    hour or so, and its limit moves."""
    sent = busy(minute)
    sent["processes"] += hooked(minute, min(minute, 300) // 7 * 7)["processes"] if minute % 3 else []
    life = minute // 62
    restarted = process("restarted", pid=900 + life, limit=1024 * (1 + minute // 100))
    sent["processes"].append(restarted | {"started_at": when(62 * life - 1)})
    return sent


def told(*minutes: int) -> Wire:
    """A body with these minutes, with what holds for all of them: the interval, and the boots they were taken in."""
    boots = {"booted_at": when(210)} if all(minute >= 210 for minute in minutes) else {}
    return body(*[one(minute) for minute in minutes], os=NT, about=boots, collector={"interval_s": 600})


def batches(minutes: Sequence[int]) -> Iterator[Wire]:
    """One body for each boot."""
    for _, group in groupby(sorted(minutes, key=lambda minute: minute >= 210), key=lambda minute: minute >= 210):
        yield told(*group)


def outcome(database: Database) -> dict[str, Any]:
    judged(database)
    row = host_row(database)
    with database.read() as connection:
        match = judgements.matches_of(connection, row.host_id).get("v3-pro")
    assert match is not None
    assert (row.judged_seq, row.dirty_us) == (row.pushed_seq, None)
    verdict = (match.level, match.first_seen_us, match.last_seen_us, match.peak, match.handles, match.rate_per_hour)
    shown = (row.shown_us, row.handles, row.processes, row.worst_program, row.worst_handles, row.leaks)
    with database.read() as connection:
        happened = connection.execute(select(events).order_by(events.c.time_us, events.c.kind, events.c.key)).all()
    said = [(one.time_us, one.kind, one.key, one.seen_us, one.until_us, one.detail) for one in happened]
    assert {one.kind for one in happened} == {"silence", "reboot", "restart", "limit"}
    seen = {"shown": shown, "sparkline": row.sparkline, "happened": said, "cadence": row.cadence_s}
    return {**everything(database), **seen, "verdict": verdict}


steps = st.tuples(
    st.permutations(MINUTES), st.lists(st.integers(1, 5), min_size=14), st.lists(st.sampled_from("cj--"), min_size=14)
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_history_does_not_depend_on_arrival(database: Database, drawn: tuple[list[int], list[int], list[str]]) -> None:
    forget_all(database)
    for sent in batches(MINUTES):
        push(database, sent, now=9_000)
    in_time = outcome(database)
    forget_all(database)
    order, sizes, works = drawn
    for size, work in zip(sizes, works, strict=False):
        batch, order = order[:size], order[size:]
        for sent in batches(batch):
            push(database, sent, now=9_000)
        if work == "c":
            compacted(database)
        elif work == "j" and batch:
            judged(database)
    for sent in batches(MINUTES):
        push(database, sent, now=9_000)
    assert outcome(database) == in_time
    compacted(database)
    assert outcome(database) == in_time
