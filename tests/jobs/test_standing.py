"""How a host stands, told push by push: as if all of its day had been read."""

from server.analysis.instants import DAY, MINUTE
from server.jobs.compaction import compact
from server.jobs.judging import judge_host
from server.store.database import Database
from tests.pushing import KEEP, START_US, body, catalogue, host_row, process, push, snapshot


def tell(database: Database, minute: int, host: str, *, judged: bool) -> None:
    steady = process("quiet", pid=2, handles=None if minute % 90 == 30 else 3_000)
    push(database, body(snapshot(minute, process(handles=100 + minute % 37), steady), host=host))
    if judged:
        host_id = host_row(database, host).host_id
        with database.write() as connection:
            compact(connection, host_id, KEEP)
        judge_host(database, host_id, catalogue())


def test_a_sparkline_renewed_at_each_push_is_that_of_the_whole_day(database: Database) -> None:
    minutes = [*range(0, 600, 15), *range(1200, 1700, 15)]
    for minute in minutes:
        tell(database, minute, "live", judged=True)
        tell(database, minute, "at once", judged=minute == minutes[-1])
    live, whole = host_row(database, "live"), host_row(database, "at once")
    assert live.sparkline == whole.sparkline
    assert len(live.sparkline) == 48
    assert (live.worst_program, live.worst_handles) == (whole.worst_program, whole.worst_handles) == ("quiet", 3_000)
    newest_us = START_US + minutes[-1] * MINUTE
    assert newest_us - DAY < live.sparkline[0][0] <= newest_us < live.sparkline[-1][0]
    assert sum(count is None for _, count in live.sparkline) == 20  # of ten hours without a snapshot
