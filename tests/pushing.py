"""Bodies as collectors send them, and short ways to take them in and to read the history back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from server.analysis.catalogue import Signature
from server.analysis.instants import DAY, MINUTE, rfc3339, to_us
from server.analysis.names import folds_case
from server.analysis.series import Query
from server.app import load_catalogue
from server.ingest.prepare import prepare
from server.ingest.wire import decode_push
from server.jobs.compaction import Retention, compact
from server.jobs.judging import judge_host
from server.settings import load_settings
from server.store import fleet, history
from server.store.database import Database
from server.store.pushes import Taken, take

START = datetime(2025, 6, 2, tzinfo=UTC)  # a Monday
START_US = to_us(START)
KEEP = Retention(full=14 * DAY, ten_minutes=90 * DAY, hour=730 * DAY)
NT = {"family": "windows", "name": "Windows NT Server", "version": "4.0.1381", "service_pack": "6a"}
V3_PRO = {"name": "V3 Pro 2000 Deluxe", "vendor": "AhnLab", "version": "5.0"}

Wire = dict[str, Any]
Lines = dict[tuple[Any, ...], dict[int, tuple[int, int, int]]]


def when(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def process(name: str = "java", *, pid: int = 1, handles: int | None = 10, **more: Any) -> Wire:
    return {"pid": pid, "started_at": when(-60), "name": name, "handles": handles, **more}


def snapshot(minutes: float, *processes: Wire, **more: Any) -> Wire:
    return {"time": when(minutes), "processes": list(processes or [process()]), **more}


def body(*snapshots: Wire, host: str = "web-01", os: Mapping[str, Any] | None = None, **more: Any) -> Wire:
    said = {"name": host, "os": os or {"family": "linux"}, **more.pop("about", {})}
    return {"host": said, "snapshots": list(snapshots), **more}


def hooked(minutes: float, count: int, **more: Any) -> Wire:
    """A snapshot of an NT backup server whose backup program holds so many handles on V3 Pro's event."""
    name = "\\BaseNamedObjects\\V3SOCKHOOK"
    objects = [{"type": "Event", "name": name, "count": count, "distinct": count}] if count else []
    return snapshot(minutes, process("ntbackup.exe", pid=187, handles=100 + count, objects=objects, **more))


def push(database: Database, sent: Wire, *, now: float | None = None) -> Taken:
    """Take a body in, as received `now` minutes after START; if left out, at START or with its newest snapshot."""
    newest = max((to_us(datetime.fromisoformat(one["time"])) for one in sent["snapshots"]), default=START_US)
    received = max(START_US, newest) if now is None else START_US + round(now * MINUTE)
    return push_all(database, [sent], received_us=received)[0]


def push_all(database: Database, bodies: Iterable[Wire], *, received_us: int) -> list[Taken]:
    """Take bodies in, all in one transaction."""
    ready = [prepare(decode_push(json.dumps(sent).encode()), received_us) for sent in bodies]
    with database.write() as connection:
        return [take(connection, one, {}) for one in ready]


def host_row(database: Database, host: str = "web-01") -> Any:
    with database.read() as connection:
        return fleet.find_host(connection, host)


def catalogue() -> Mapping[str, Signature]:
    return load_catalogue(load_settings({}))


def judged(database: Database, host: str = "web-01") -> None:
    """Judge it, once more where a server's own worker did so meanwhile and less was pushed then."""
    for _ in range(20):
        judge_host(database, host_row(database, host).host_id, catalogue())
        row = host_row(database, host)
        if row.judged_seq == row.pushed_seq:
            return
    raise AssertionError("judging does not come to an end")


def compacted(database: Database, host: str = "web-01", retention: Retention = KEEP) -> None:
    """Judge, then compact as often as there is anything to do."""
    judged(database, host)
    host_id = host_row(database, host).host_id
    for _ in range(50):
        with database.write() as connection:
            if not compact(connection, host_id, retention):
                return
    raise AssertionError("compaction does not come to an end")


def lines(database: Database, host: str = "web-01", *, whole: bool = True, **query: Any) -> Lines:
    """Every line of a query: by key, by shown time in microseconds, (last, lowest, highest); gaps are left out."""
    row = host_row(database, host)
    wanted = Query(fold=folds_case(row.os_family), points=10**6, **query)
    with database.read() as connection:
        from_us = 0 if whole else row.shown_us - DAY
        drawn = history.read_chart(connection, row.host_id, from_us, row.shown_us, wanted)
    times = drawn.times.tolist()
    return {
        tuple(line.key.values()): {
            time: values
            for time, *values_ in zip(times, line.last.tolist(), line.low.tolist(), line.high.tolist(), strict=True)
            if (values := (values_[0], values_[1], values_[2]))[2] >= 0
        }
        for line in drawn.lines
    }


def everything(database: Database, host: str = "web-01") -> dict[str, Any]:
    """All lines of every kind."""
    kinds = ("total", "program", "type", "process", "object")
    found: dict[str, Any] = {by: lines(database, host, by=by) for by in kinds}
    found["process by type"] = lines(database, host, by="process", type="Event")
    found["type of program"] = lines(database, host, by="type", program="java")
    return found


def times_of(database: Database, host: str = "web-01") -> Sequence[str]:
    return [rfc3339(time) for time in lines(database, host).get((), {})]


def block_steps(database: Database, host: str = "web-01") -> list[tuple[float, int]]:
    """Hours and step of each block, oldest first."""
    with database.read() as connection:
        spans = history.block_spans(connection, host_row(database, host).host_id)
    return [((row.end_us - row.start_us) / (60 * MINUTE), row.step_s) for row in spans]


def recent_count(database: Database, host: str = "web-01") -> int:
    with database.read() as connection:
        return len(history.recent_rows(connection, host_row(database, host).host_id, 0, 2**62))
