"""One fleet of a few hundred hosts on each database, for all that only reads."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from server.analysis.instants import DAY
from server.store.judgements import count_unjudged
from tests.conftest import NewDatabase
from tests.e2e.processes import wait_for
from tests.pushing import NT, START_US, V3_PRO, Wire, body, hooked, process, push_all, snapshot
from tests.serving import Served, serving

ODD_NAMES = [
    "a/b",
    "a%2Fb",
    "%2F",
    "...",
    "a b?c#d&e=f",
    "<script>alert(1)</script>",
    "\"quoted' \\back",
    "😀-café-漢字",
    "=1+1",
    "new\nline",
    "x" * 1_000,
    "漢" * 500,
    "series",
    "\ufffd",
    "a//b/../c/",
    " spaced ",
    "+%20",
]
SYSTEMS = [
    {"family": "linux"},
    {"family": "linux", "name": "Debian GNU/Linux", "version": "12"},
    {"family": "windows", "name": "Windows Server", "version": "10.0.20348"},
    {"family": "macos", "name": "macOS", "version": "15.1"},
    {"family": "other"},
]
PLAIN = 260


def plain_host(i: int) -> Wire:
    """Hosts with many ties: few counts, few times, few systems; some without a snapshot or a readable process."""
    labels = {"site": f"site {i % 3}", "zone:inner": "ü"} if i % 2 else {}
    readings = [snapshot(i % 5, process(handles=None if i % 11 == 0 else i % 7), process("b", pid=2, handles=i % 3))]
    return body(*([] if i % 13 == 0 else readings), host=f"Host-{i:03}", os=SYSTEMS[i % 5], about={"labels": labels})


def v3_hosts() -> Iterator[Wire]:
    leaking = [hooked(minute, 100 + 6 * minute) for minute in range(0, 45, 5)]
    about = {"labels": {"role": "backup"}, "booted_at": "2025-06-01T00:00:00Z"}
    yield body(
        *leaking,
        host="nt-leaking",
        os=NT,
        about=about,
        inventory={"software": [V3_PRO], "services": [{"name": "=V3"}], "drivers": []},
        collector={"version": "1.0", "source": "windows", "interval_s": 300, "cost": {"cpu_s": 0.5}},
    )
    for i in range(30):
        yield body(hooked(0, 50 + i % 4), host=f"nt-present-{i:02}", os=NT if i % 2 else SYSTEMS[2])
    for i in range(10):
        yield body(snapshot(0), host=f"nt-exposed-{i}", os=NT, inventory={"software": [V3_PRO]})


def rich_host() -> Wire:
    """One with everything that a series may be split by."""
    snapshots = []
    for minute in range(0, 300, 5):
        objects = [{"type": "Event", "name": f"\\x-{minute % 2}000", "count": minute, "distinct": 1}]
        java = process("Java", pid=1, handles=minute, limit=4_096, types={"Event": minute, "File": 2}, objects=objects)
        service = process("svc", pid=2, instance='=Dns,\n"x"', handles=None if minute % 50 == 0 else 5)
        snapshots.append(snapshot(minute, java, service, process("java", pid=3, handles=1)))
    return body(*snapshots, host="rich", os={"family": "windows"})


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase
) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("fleet")
    with new_database(request.param, directory) as url, serving(url, directory) as served:
        bodies = [plain_host(i) for i in range(PLAIN)]
        for name in ODD_NAMES:
            bodies.append(body(snapshot(3, process("<b>", handles=4)), host=name, about={"labels": {"k": name}}))
        push_all(served.database, [*bodies, *v3_hosts(), rich_host()], received_us=START_US + DAY)
        now = datetime.now(UTC).isoformat()
        served.relay.push(body({**snapshot(0), "time": now}, host="alive", sent_at=now))
        deadline = time.monotonic() + 60
        assert wait_for(lambda: pending(served) == 0, seconds=deadline - time.monotonic())
        yield served


def pending(served: Served) -> int:
    with served.database.read() as connection:
        return count_unjudged(connection)
